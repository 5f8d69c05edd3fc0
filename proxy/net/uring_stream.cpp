#include "proxy/net/uring_stream.h"

#include <sys/socket.h>

#include <cerrno>
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

SocketLoop& UringStream::owner_loop() const {
  return loop_;
}

// Small sends leave together with the next wait; a large one, or one behind another of the same stream, at once.
IoResult UringStream::send_raw(std::span<const iovec> parts) {
  if (unsent_ && !flush_unsent()) {
    ask_for_writable();
    return {IoResult::Status::would_block, 0, 0};
  }
  if (broken_) return {IoResult::Status::failed, 0, EPIPE};
  if (const std::size_t queued = loop_.queue_send(*this, parts)) return {IoResult::Status::ok, queued, 0};
  if (unsent_) {  // the one before has just turned out short
    ask_for_writable();
    return {IoResult::Status::would_block, 0, 0};
  }
  bool took_all = true;
  const IoResult result = send_at_once(fd_, parts, loop_.counters_, took_all);
  if (took_all) return result;
  ask_for_writable();
  return result;
}

void UringStream::ask_for_writable() {
  wants_write_ = owes_writable_ = true;
  loop_.slot_changed(slot_);
}

bool UringStream::flush_unsent() {
  const ssize_t sent = ::send(fd_, unsent_->data(), unsent_->size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ++loop_.counters_.sends;
  if (sent > 0) unsent_->erase(0, static_cast<std::size_t>(sent));
  if (unsent_->empty() || (sent < 0 && errno != EAGAIN && errno != ENOBUFS && errno != EINTR)) unsent_.reset();
  return !unsent_;
}

void UringStream::resume_reading() {
  if (!paused_) return;
  paused_ = false;
  if (parked_ || loop_.slots_[slot_].held) loop_.resumed_.push_back(slot_);
}

std::unique_ptr<Detached> UringStream::detach() {
  PGWEIR_CHECK(fd_ >= 0);
  std::string unread = loop_.release_stream(*this);
  std::string unsent = unsent_ ? std::move(*unsent_) : std::string{};
  auto socket = std::make_unique<DetachedSocket>(Fd(std::exchange(fd_, -1)), bool{tcp_}, true);
  socket->unread = std::move(unread);
  socket->unsent = std::move(unsent);
  socket->tls = give_tls();
  return socket;
}

void UringStream::park(Bytes bytes) {
  if (!parked_) parked_ = std::make_unique<Parked>();
  parked_->bytes += as_text(bytes);
}

}  // namespace pgweir
