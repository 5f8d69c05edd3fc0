#include "proxy/net/epoll_loop.h"

#include <algorithm>
#include <cerrno>

#include "proxy/core/check.h"
#include "proxy/net/calls.h"
#include "proxy/net/clock.h"
#include "proxy/net/socket_state.h"

namespace pgweir {
namespace {

std::uint64_t key_of(const EpollStream& stream) {
  return reinterpret_cast<std::uint64_t>(&stream);
}

// EpollStream::watched_: what epoll has been told about a stream.
enum Watched : std::uint8_t { registered = 1, for_reading = 2, for_writing = 4 };

std::uint32_t epoll_mask(std::uint8_t watched) {
  std::uint32_t mask = 0;
  if (watched & for_reading) mask |= EPOLLIN;
  if (watched & for_writing) mask |= EPOLLOUT;
  return mask;
}

}  // namespace

EpollLoop::EpollLoop(const SocketOptions& options)
    : SocketLoop(options),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      scratch_(new std::byte[scratch_size]) {
  PGWEIR_CHECK(epoll_);
  PGWEIR_CHECK(watch(mailbox_->fd(), EPOLLIN, post_));
}

EpollLoop::~EpollLoop() {
  drop_listeners();
}

void EpollLoop::turn(Duration longest_wait) {
  apply_changes();
  ++counters_.waits;
  const int count = epoll_wait(epoll_.get(), batch_.data(), batch_max, wait_ms(longest_wait));
  batch_size_ = std::max(count, 0);  // EINTR counts as nothing
  if (batch_size_ == 0) now_ = monotonic_now();
  for (batch_at_ = 0; batch_at_ < batch_size_; ++batch_at_) {
    if (batch_at_ % static_cast<int>(events_per_clock) == 0) now_ = monotonic_now();
    dispatch(batch_[batch_at_]);
  }
  batch_size_ = 0;
  send_queued();
  ring_what_is_due();
}

void EpollLoop::dispatch(const epoll_event& event) {
  const std::uint64_t key = event.data.u64;
  if (key == 0) return;  // died earlier in this batch
  if (Watch* watch = Watch::of_key(key)) {
    watch->ready(event.events);
    events_->on_turn_end();
    return;
  }
  auto& stream = *reinterpret_cast<EpollStream*>(key);
  current_ = &stream;
  stream_ready(stream, event.events);
  current_ = nullptr;
}

void EpollLoop::stream_ready(EpollStream& stream, std::uint32_t events) {
  if (stream.closed_) return;
  constexpr std::uint32_t hung_up = EPOLLHUP | EPOLLERR;
  // After a hang-up the owed report comes too: the write it leads to fails and tells the session.
  if (stream.wants_write_ && (events & (EPOLLOUT | hung_up)) && (!stream.unsent_ || send_unsent(stream))) {
    stream.wants_write_ = false;
    watch_changed(stream);
    if (stream.owes_writable_) {
      stream.owes_writable_ = false;
      report_writable(stream);
    }
    if (!current_) return;
  }
  if (!(events & (EPOLLIN | hung_up))) return;
  if (stream.paused_) {
    paused_stream_ready(stream, events);
  } else {
    receive(stream);
  }
}

// One receive per event: what is left over, epoll reports again, and a second one would mostly say
// EAGAIN.
void EpollLoop::receive(EpollStream& stream) {
  ++counters_.receives;
  const ssize_t got = receive_now(stream.fd_, scratch_.get(), scratch_size);
  if (got > 0) {
    report_bytes(stream, {scratch_.get(), static_cast<std::size_t>(got)});
  } else if (got == 0) {
    close_stream(stream, 0);
  } else if (errno != EAGAIN && errno != EINTR) {
    close_stream(stream, errno);
  }
}

void EpollLoop::paused_stream_ready(EpollStream& stream, std::uint32_t events) {
  if (!(events & (EPOLLHUP | EPOLLERR))) {
    watch_changed(stream);  // only now does pausing cost an epoll_ctl
  } else if (has_unread(stream.fd_)) {
    // The last words of a peer that is gone must still be heard, and a hang-up cannot be masked.
    stream.parked_ = true;
    watch_changed(stream);
  } else {
    close_stream(stream, pending_error(stream.fd_));
  }
}

void EpollLoop::end_stream(SocketStream& stream, int error) {
  close_stream(static_cast<EpollStream&>(stream), error);
}

void EpollLoop::close_stream(EpollStream& stream, int error) {
  stream.closed_ = true;
  events_->on_closed(stream.token_, error);
  events_->on_turn_end();
  if (current_) watch_changed(stream);
}

bool EpollLoop::watch(int fd, std::uint32_t events, Watch& watch) {
  epoll_event event{.events = events, .data = {.u64 = watch.key()}};
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void EpollLoop::unwatch(int fd, Watch& watch) {
  forget_events(watch.key());
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

std::unique_ptr<Stream> EpollLoop::adopt(std::unique_ptr<Detached> socket, Token token) {
  auto* plain = dynamic_cast<DetachedSocket*>(socket.get());
  PGWEIR_CHECK(plain != nullptr && plain->unread.empty());
  auto stream = std::make_unique<EpollStream>(*this, take_fd(*plain), token, plain->tcp);
  stream->take_tls(std::move(plain->tls));
  if (!plain->unsent.empty()) keep_unsent(*stream, as_bytes(plain->unsent));
  bring_up_to_date(*stream);
  if (!(stream->watched_ & registered)) {
    const int error = errno;
    stream->closed_ = true;
    mailbox_->post([this, token, error] { events_->on_closed(token, error); });
  }
  return stream;
}

void EpollLoop::watch_changed(EpollStream& stream) {
  if (stream.changed_ || stream.fd_ < 0) return;
  stream.changed_ = true;
  changed_.push_back(&stream);
}

void EpollLoop::apply_changes() {
  for (EpollStream* stream : changed_) {
    stream->changed_ = false;
    bring_up_to_date(*stream);
  }
  changed_.clear();
}

void EpollLoop::bring_up_to_date(EpollStream& stream) {
  std::uint8_t wanted = 0;
  if (!stream.closed_ && !stream.parked_) {
    wanted = registered;
    if (!stream.paused_) wanted |= for_reading;
    if (stream.wants_write_) wanted |= for_writing;
  }
  if (wanted == stream.watched_) return;
  int operation = EPOLL_CTL_MOD;
  if (!stream.watched_) operation = EPOLL_CTL_ADD;
  if (!wanted) operation = EPOLL_CTL_DEL;
  ++counters_.changes;
  epoll_event event{.events = epoll_mask(wanted), .data = {.u64 = key_of(stream)}};
  if (epoll_ctl(epoll_.get(), operation, stream.fd_, &event) == 0) stream.watched_ = wanted;
}

void EpollLoop::forget_stream(EpollStream& stream) {
  if (current_ == &stream) current_ = nullptr;
  if (stream.changed_) std::erase(changed_, &stream);
  if (stream.unsent_) unsent_.erase(&stream);
  forget_events(key_of(stream));
}

void EpollLoop::release_stream(EpollStream& stream) {
  forget_stream(stream);
  if (!stream.watched_) return;
  ++counters_.changes;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, stream.fd_, nullptr);
}

void EpollLoop::forget_events(std::uint64_t key) {
  for (int at = batch_at_ + 1; at < batch_size_; ++at) {
    if (batch_[at].data.u64 == key) batch_[at].data.u64 = 0;
  }
}

}  // namespace pgweir
