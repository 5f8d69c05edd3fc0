// One CancelRequest on its way to PostgreSQL. Owned by the worker of the server it is meant for.
#pragma once

#include <memory>

#include "protocol/cancel_key.h"
#include "proxy/core/time.h"
#include "proxy/session/ports.h"
#include "proxy/session/server_connection.h"

namespace pgweir {

struct CancelJob {
  Token token;                       // of the connection that carries it
  int peer = 0;                      // not 0: it is forwarded to this one, as `peer_key`, and has no server
  PeerKey peer_key = 0;
  bool connecting = false;           // to a peer: its turn has come
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
