#include "proxy/net/epoll_stream.h"

#include <unistd.h>

#include <cerrno>

#include "proxy/core/check.h"
#include "proxy/net/address.h"
#include "proxy/net/epoll_loop.h"
#include "proxy/net/send.h"

namespace pgweir {

EpollStream::~EpollStream() {
  if (fd_ < 0) return;
  loop_.forget_stream(*this);
  ::close(fd_);  // epoll lets go of a closed socket by itself
}

IoResult EpollStream::try_write(std::span<const iovec> parts) {
  if (fd_ < 0) return {IoResult::Status::failed, 0, ENOTCONN};
  bool took_all = true;
  const IoResult result = send_at_once(fd_, parts, loop_.counters_, took_all);
  if (took_all) return result;
  wants_write_ = true;
  loop_.watch_changed(*this);
  return result;
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
  loop_.release_stream(*this);
  return std::make_unique<DetachedSocket>(Fd(std::exchange(fd_, -1)), bool{tcp_}, true);
}

Endpoint EpollStream::local() const {
  return local_endpoint(fd_);
}
Endpoint EpollStream::remote() const {
  return remote_endpoint(fd_);
}

}  // namespace pgweir
