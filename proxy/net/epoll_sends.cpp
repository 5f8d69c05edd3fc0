// Sends of the epoll loop. Small ones are put off to the end of a batch of events, so that the kernel sends many in a row and
// the worker reads many in a row: each finds its code and data in the caches. docs/performance.md has figures.
#include <cerrno>
#include <utility>

#include "proxy/net/calls.h"
#include "proxy/net/epoll_loop.h"

namespace pgweir {
namespace {

// Nothing was wrong but that the socket is full.
bool takes_more_later(int error) {
  return error == EAGAIN || error == ENOBUFS || error == EINTR;
}

// False: something is left, and may be sent later.
bool send_or_give_up(int fd, std::string& left) {
  const ssize_t sent = send_now(fd, left.data(), left.size());
  if (sent > 0) left.erase(0, static_cast<std::size_t>(sent));
  return left.empty() || (sent < 0 && !takes_more_later(errno));
}

}  // namespace

std::size_t EpollLoop::queue_send(EpollStream& stream, std::span<const iovec> parts) {
  if (batch_at_ + 1 >= batch_size_ && to_servers_.empty() && to_others_.empty()) return 0;  // nothing else is to come
  std::size_t size = 0;
  for (const iovec& part : parts) size += part.iov_len;
  if (size == 0 || size > SendBlocks::block_size || stream.closed_) return 0;
  const auto block = send_blocks_.take(parts);
  if (!block) return 0;
  const bool to_server = stream.token_.kind == Token::Kind::server;
  (to_server ? to_servers_ : to_others_).push_back({&stream, *block, static_cast<std::uint16_t>(size)});
  stream.queued_ = true;
  return size;
}

// Servers come first: who works for others shall begin. And whoever is behind many of the sockets is woken once.
void EpollLoop::send_queued() {
  send_all(to_servers_);
  send_all(to_others_);
}

void EpollLoop::send_all(std::vector<Queued>& queued) {
  for (const Queued& one : queued) {
    EpollStream& stream = *one.stream;
    stream.queued_ = false;
    ++counters_.sends;
    const std::byte* bytes = send_blocks_.at(one.block);
    const ssize_t sent = send_now(stream.fd_, bytes, one.size);
    if (sent != one.size && (sent >= 0 || takes_more_later(errno))) {
      ++counters_.short_writes;
      const auto done = static_cast<std::size_t>(sent < 0 ? 0 : sent);
      keep_unsent(stream, Bytes{bytes, one.size}.subspan(done));
    }
    // A socket that has failed says so to epoll, and to the next write.
    send_blocks_.give_back(one.block);
  }
  queued.clear();
}

// The session takes it for sent. It goes before anything else.
void EpollLoop::keep_unsent(EpollStream& stream, Bytes left) {
  unsent_[&stream] = as_text(left);
  stream.unsent_ = stream.wants_write_ = true;
  watch_changed(stream);
}

bool EpollLoop::send_unsent(EpollStream& stream) {
  ++counters_.sends;
  if (!send_or_give_up(stream.fd_, unsent_[&stream])) return false;
  (void)take_unsent(stream);
  return true;
}

std::string EpollLoop::take_unsent(EpollStream& stream) {
  if (!stream.unsent_) return {};
  stream.unsent_ = false;
  return std::move(unsent_.extract(&stream).mapped());
}

void EpollLoop::leave(EpollStream& stream) {
  std::string bytes = take_unsent(stream);
  release_stream(stream);
  Left& left = *left_.emplace_back(std::make_unique<Left>(*this, Fd(std::exchange(stream.fd_, -1)), std::move(bytes)));
  watch(left.fd.get(), EPOLLOUT, left);
  drop_left_later();
}

bool EpollLoop::drop_left(TimePoint then) {
  std::erase_if(left_, [&](const auto& one) {
    if (one->since > then) return false;
    unwatch(one->fd.get(), *one);
    return true;
  });
  return !left_.empty();
}

void EpollLoop::Left::ready(std::uint32_t) {
  if (!send_or_give_up(fd.get(), unsent)) return;
  loop.unwatch(fd.get(), *this);
  std::erase_if(loop.left_, [this](const auto& one) { return one.get() == this; });
}

}  // namespace pgweir
