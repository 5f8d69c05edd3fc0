#include "proxy/net/epoll_stream.h"

#include <unistd.h>

#include "proxy/core/check.h"
#include "proxy/net/epoll_loop.h"
#include "proxy/net/send.h"

namespace pgweir {

EpollStream::~EpollStream() {
  if (fd_ < 0) return;
  end_tls();
  if (queued_) loop_.send_queued();
  if (unsent_) {
    loop_.leave(*this);
    return;
  }
  loop_.forget_stream(*this);
  ::close(fd_);  // epoll lets go of a closed socket by itself
}

SocketLoop& EpollStream::owner_loop() const {
  return loop_;
}

// Small sends leave together when the batch of events is over; a large one, or one behind another of the same stream, at once.
IoResult EpollStream::send_raw(std::span<const iovec> parts) {
  if (queued_) loop_.send_queued();
  if (unsent_ && !loop_.send_unsent(*this)) {
    ask_for_writable();
    return {IoResult::Status::would_block, 0, 0};
  }
  if (const std::size_t queued = loop_.queue_send(*this, parts)) return {IoResult::Status::ok, queued, 0};
  bool took_all = true;
  const IoResult result = send_at_once(fd_, parts, loop_.counters_, took_all);
  if (took_all) return result;
  ask_for_writable();
  return result;
}

void EpollStream::ask_for_writable() {
  wants_write_ = owes_writable_ = true;
  loop_.watch_changed(*this);
}

void EpollStream::pause_reading() {
  paused_ = true;
}

void EpollStream::resume_reading() {
  if (!paused_) return;
  paused_ = false;
  parked_ = false;
  loop_.watch_changed(*this);
}

std::unique_ptr<Detached> EpollStream::detach() {
  PGWEIR_CHECK(fd_ >= 0);
  if (queued_) loop_.send_queued();
  std::string unsent = loop_.take_unsent(*this);
  loop_.release_stream(*this);
  auto socket = std::make_unique<DetachedSocket>(Fd(std::exchange(fd_, -1)), bool{tcp_}, true);
  socket->unsent = std::move(unsent);
  socket->tls = give_tls();
  return socket;
}

}  // namespace pgweir
