// The shape in which a connected socket travels from one loop to another.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "proxy/net/fd.h"
#include "proxy/session/ports.h"

namespace pgweir {

class TlsSession;

// A socket in no loop: just accepted, or on its way to another worker.
struct DetachedSocket final : Detached {
  DetachedSocket(Fd socket, bool is_tcp, bool is_tuned)
      : fd(std::move(socket)), tcp(is_tcp), tuned(is_tuned) {}
  Fd fd;
  bool tcp;
  bool tuned;  // its socket options have been set; they stay with it from then on
  // Bytes the kernel had handed to the loop it left and nobody has seen; the next loop reports them
  // first. Always empty between epoll loops.
  std::string unread;
  // What the session takes for sent and the socket has yet to take; likewise.
  std::string unsent;
  std::shared_ptr<TlsSession> tls;  // null: plain
};

}  // namespace pgweir
