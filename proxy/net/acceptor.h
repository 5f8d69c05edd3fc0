// Takes clients from one listening socket for one loop.
#pragma once

#include <memory>

#include "proxy/net/socket_loop.h"

namespace pgweir {

// Owned by its loop, used on its thread. The listening socket stays its opener's. When the process
// has no descriptors left it rests instead of spinning: the backlog waits, the clients that are in
// are served.
class Acceptor final : public Watch {
 public:
  Acceptor(SocketLoop& loop, int fd, bool tcp);
  ~Acceptor();

  int fd() const { return fd_; }
  void ready(std::uint32_t events) override;

 private:
  void rest(int error);
  void begin();
  void begin_later();

  SocketLoop& loop_;
  int fd_;
  bool tcp_;
  InheritedOptions inherited_;        // by the sockets that come from a TCP listener
  bool watching_ = false;
  TimePoint complained_;              // when the log last heard of a failure
  std::shared_ptr<Acceptor*> alive_;  // an alarm may ring after our end
};

}  // namespace pgweir
