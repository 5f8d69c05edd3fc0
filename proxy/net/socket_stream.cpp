#include "proxy/net/socket_stream.h"

#include <cerrno>
#include <utility>

#include "proxy/net/address.h"
#include "proxy/net/socket_loop.h"

namespace pgweir {

IoResult SocketStream::try_write(std::span<const iovec> parts) {
  if (fd_ < 0) return {IoResult::Status::failed, 0, ENOTCONN};
  if (!tls_) return send_raw(parts);
  return tls_->write(parts, *this, owner_loop().tls_scratch());
}

bool SocketStream::start_tls(const TlsStart& start) {
  SocketLoop& loop = owner_loop();
  const std::shared_ptr<const TlsContext> context = loop.tls_context(start.role);
  if (fd_ < 0 || tls_ || !context) return false;
  take_tls(std::make_shared<TlsSession>(context, start));
  (void)tls_->feed(start.received, *this, loop.tls_scratch());
  return !tls_->failed();
}

TlsFacts SocketStream::tls_facts() const {
  return tls_ ? tls_->facts() : TlsFacts{};
}

Endpoint SocketStream::local() const {
  return local_endpoint(fd_);
}
Endpoint SocketStream::remote() const {
  const SocketAddress* known = owner_loop().accepted_from(fd_);
  return known ? endpoint_of(*known) : remote_endpoint(fd_);
}

void SocketStream::end_tls() {
  if (!tls_) return;
  tls_->say_goodbye(*this, owner_loop().tls_scratch());
  tls_->owner = nullptr;
}

std::shared_ptr<TlsSession> SocketStream::give_tls() {
  if (tls_) tls_->owner = nullptr;
  return std::exchange(tls_, nullptr);
}

void SocketStream::take_tls(std::shared_ptr<TlsSession> tls) {
  tls_ = std::move(tls);
  if (!tls_) return;
  tls_->owner = this;
  if (tls_->has_pending()) ask_for_writable();
}

}  // namespace pgweir
