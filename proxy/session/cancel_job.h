// One CancelRequest on its way to PostgreSQL. Owned by the worker of the server it is meant for.
#pragma once

#include <memory>

#include "proxy/core/time.h"
#include "proxy/session/ports.h"
#include "proxy/session/server_connection.h"

namespace pgweir {

struct CancelJob {
  Token token;                       // of the connection that carries it
  Token server;                      // whose statement is to be cancelled
  std::uint64_t lease = 0;           // the server's count of leases then: another number means another client
  unsigned requester_worker = 0;     // whose client brought it ...
  Token requester;                   // ... and waits for the delivery
  std::unique_ptr<Stream> stream;    // null while connecting
  ServerTls tls = ServerTls::plain;  // of the connection that carries it
  bool sent = false;
  bool over = false;
  TimePoint deadline{};
};

}  // namespace pgweir
