#include "proxy/net/uring_stream.h"

#include <utility>

#include "proxy/core/check.h"
#include "proxy/net/send.h"
#include "proxy/net/uring_loop.h"

namespace pgweir {

UringStream::~UringStream() {
  if (fd_ < 0) return;
  end_tls();
  loop_.forget_stream(*this);
}

SocketLoop& UringStream::owner_loop() {
  return loop_;
}

IoResult UringStream::send_raw(std::span<const iovec> parts) {
  bool took_all = true;
  const IoResult result = send_at_once(fd_, parts, loop_.counters_, took_all);
  if (took_all) return result;
  ask_for_writable();
  return result;
}

void UringStream::ask_for_writable() {
  wants_write_ = true;
  loop_.slot_changed(slot_);
}

void UringStream::resume_reading() {
  if (!paused_) return;
  paused_ = false;
  if (parked_) loop_.resumed_.push_back(slot_);
}

std::unique_ptr<Detached> UringStream::detach() {
  PGWEIR_CHECK(fd_ >= 0);
  std::string unread = loop_.release_stream(*this);
  auto socket = std::make_unique<DetachedSocket>(Fd(std::exchange(fd_, -1)), bool{tcp_}, true);
  socket->unread = std::move(unread);
  socket->tls = give_tls();
  return socket;
}

void UringStream::park(Bytes bytes) {
  if (!parked_) parked_ = std::make_unique<Parked>();
  parked_->bytes += as_text(bytes);
}

}  // namespace pgweir
