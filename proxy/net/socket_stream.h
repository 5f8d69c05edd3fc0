// What the streams of both loops have in common: a token, a descriptor, and TLS when it has begun.
#pragma once

#include <memory>
#include <span>

#include "proxy/net/detached_socket.h"
#include "proxy/net/tls_session.h"
#include "proxy/session/ports.h"

namespace pgweir {

class SocketLoop;

class SocketStream : public Stream {
 public:
  IoResult try_write(std::span<const iovec> parts) final;
  bool start_tls(const TlsStart& start) final;
  TlsFacts tls_facts() const final;
  int descriptor() const final { return fd_; }
  Endpoint local() const final;
  Endpoint remote() const final;
  Token token() const { return token_; }
  // What the kernel takes at once of what is to be on the wire; on_writable follows when it is
  // short.
  virtual IoResult send_raw(std::span<const iovec> parts) = 0;

 protected:
  friend class SocketLoop;
  SocketStream(int fd, Token token) : token_(token), fd_(fd) {}
  virtual SocketLoop& owner_loop() const = 0;
  virtual void ask_for_writable() = 0;
  // Before the descriptor is closed.
  void end_tls();
  // For detach and adopt.
  std::shared_ptr<TlsSession> give_tls();
  void take_tls(std::shared_ptr<TlsSession> tls);

  Token token_;
  int fd_;
  std::shared_ptr<TlsSession> tls_;  // null: plain
};

}  // namespace pgweir
