#include "proxy/net/epoll_stream.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "proxy/core/check.h"
#include "proxy/net/address.h"
#include "proxy/net/epoll_loop.h"

namespace pgweir {
namespace {

std::size_t total(std::span<const iovec> parts) {
  std::size_t sum = 0;
  for (const iovec& part : parts) sum += part.iov_len;
  return sum;
}

ssize_t send_parts(int fd, std::span<const iovec> parts) {
  constexpr int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
  if (parts.size() == 1) return send(fd, parts[0].iov_base, parts[0].iov_len, flags);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  return sendmsg(fd, &message, flags);
}

// The system takes no more than IOV_MAX parts in one call; the rest counts as not taken.
constexpr std::size_t parts_max = 1024;

}  // namespace

EpollStream::~EpollStream() {
  if (fd_ < 0) return;
  loop_.forget_stream(*this);
  ::close(fd_);  // epoll lets go of a closed socket by itself
}

IoResult EpollStream::try_write(std::span<const iovec> parts) {
  const std::size_t wanted = total(parts);
  if (wanted == 0) return {};
  if (fd_ < 0) return {IoResult::Status::failed, 0, ENOTCONN};
  ssize_t sent;
  do {
    ++loop_.counters_.sends;
    sent = send_parts(fd_, parts.first(std::min(parts.size(), parts_max)));
  } while (sent < 0 && errno == EINTR);

  if (sent < 0 && errno != EAGAIN && errno != ENOBUFS) {
    return {IoResult::Status::failed, 0, errno};
  }
  const std::size_t wrote = sent < 0 ? 0 : static_cast<std::size_t>(sent);
  if (wrote == wanted) return {IoResult::Status::ok, wrote, 0};
  ++loop_.counters_.short_writes;
  wants_write_ = true;
  loop_.watch_changed(*this);
  return {sent < 0 ? IoResult::Status::would_block : IoResult::Status::ok, wrote, 0};
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
