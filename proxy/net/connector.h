// Connections to servers for one loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/net/resolver.h"
#include "proxy/net/socket_loop.h"

namespace pgweir {

// Owned by the loop's worker, used on its thread. `loop` and `resolver` outlive it.
// A name with several addresses is tried address by address; the deadline for all of it is the
// caller's.
class SocketConnector final : public Connector {
 public:
  // `unix_socket_dir` is where servers without a host are met; empty: nowhere.
  SocketConnector(SocketLoop& loop, Resolver& resolver, std::string unix_socket_dir);
  ~SocketConnector() override;

  // Failures are answered with "connect failed" or "server DNS lookup failed"; what exactly went
  // wrong is logged.
  void connect(const ServerAddress& address, Token token) override;
  void abandon(Token token) override;

 private:
  class Attempt;
  friend class Attempt;

  void resolved(std::uint64_t serial, DnsAnswer answer, std::uint16_t port);
  void begin(std::uint64_t serial);
  void connected(Attempt& attempt);
  void failed(Attempt& attempt, const char* reason);
  Attempt* find(std::uint64_t serial);
  std::unique_ptr<Attempt> take(const Attempt& attempt);
  // Calls back on a later turn, unless the attempt (or the connector) is gone by then.
  void begin_later(std::uint64_t serial);

  SocketLoop& loop_;
  Resolver& resolver_;
  std::string unix_socket_dir_;
  std::vector<std::unique_ptr<Attempt>> attempts_;  // few at a time
  std::uint64_t last_serial_ = 0;
  std::shared_ptr<SocketConnector*> alive_;
};

}  // namespace pgweir
