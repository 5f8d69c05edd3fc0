// TLS of the generator's connections: OpenSSL straight on the socket, nothing verified.
#pragma once

#include <openssl/ssl.h>
#include <sys/types.h>

#include <memory>
#include <span>
#include <string>

#include "protocol/bytes.h"

namespace pgweir::bench {

// How a target is spoken to in TLS. Never changes once made; shared by connections of all threads.
class TlsSettings {
 public:
  // A client certificate and its key are PEM files; empty: none. `direct`: TLS begins without an
  // SSLRequest (PostgreSQL 17). Throws std::runtime_error.
  TlsSettings(const std::string& certificate, const std::string& key, bool direct);

  SSL_CTX* context() const { return context_.get(); }
  bool direct() const { return direct_; }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  std::unique_ptr<SSL_CTX, Free> context_;
  bool direct_;
};

// One connection inside TLS. Owned by it.
class TlsLink {
 public:
  enum class Handshake : std::uint8_t { done, wants_read, wants_write, failed };

  // `fd` is connected, non-blocking, and outlives the link.
  TlsLink(const TlsSettings& settings, int fd);
  Handshake shake_hands();
  // As recv and send: how many bytes, 0 at the end, -1 with errno (EAGAIN; EPROTO: see failure()).
  ssize_t receive(std::span<std::byte> into);
  ssize_t send(Bytes bytes);
  // Bytes may be here that no event will tell of: receive until EAGAIN.
  bool holds_bytes() const { return SSL_has_pending(ssl_.get()) != 0; }
  // Says close_notify, as far as it goes.
  void leave();
  std::string failure() const { return failure_; }

 private:
  ssize_t outcome(int result);

  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  std::unique_ptr<SSL, Free> ssl_;
  std::string failure_;
};

}  // namespace pgweir::bench
