#include "proxy/net/uring_loop.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "proxy/core/check.h"
#include "proxy/net/clock.h"

namespace pgweir {
namespace {

// Who sends no more than this at a time is not in the middle of something large.
constexpr int small_message = 4096;

std::uint32_t slot_of(std::uint64_t key) {
  return static_cast<std::uint32_t>(key >> 8);
}

// The receive ended without news about the socket: no buffer was left, it was cancelled, or it may
// simply be asked for again.
bool says_nothing(int res) {
  return res == -ENOBUFS || res == -ECANCELED || res == -EINTR || res == -EAGAIN;
}

}  // namespace

UringLoop::UringLoop(std::unique_ptr<Uring> ring, const SocketOptions& options)
    : SocketLoop(options), ring_(std::move(ring)) {
  watch(mailbox_->fd(), EPOLLIN, post_);
}

UringLoop::~UringLoop() {
  drop_listeners();
  ring_.reset();
  for (const Slot& slot : slots_) {
    if (slot.closes_fd) ::close(slot.fd);
  }
}

void UringLoop::turn(Duration longest_wait) {
  ring_->start();
  deliver_parked();
  apply_changes();
  ++counters_.waits;
  // Bytes that a detaching stream met between two turns do not wait for more.
  ring_->submit_and_wait(batch_.empty() && resumed_.empty() ? wait_ms(longest_wait) : 0);
  harvest();
  if (batch_.empty()) now_ = monotonic_now();
  for (batch_at_ = 0; batch_at_ < batch_.size(); ++batch_at_) {
    if (batch_at_ % events_per_clock == 0) now_ = monotonic_now();
    // A copy, because the batch may grow meanwhile; struck out, because it has been seen.
    const Completion completion = std::exchange(batch_[batch_at_], {nobody, 0, 0});
    if (completion.key != nobody) dispatch(completion);
  }
  batch_.clear();
  batch_at_ = 0;
  ring_what_is_due();
}

void UringLoop::harvest() {
  ring_->harvest([this](std::uint64_t key, int res, std::uint32_t flags) {
    if (key != nobody) batch_.push_back({key, res, flags});
  });
}

void UringLoop::dispatch(const Completion& completion) {
  const std::uint32_t number = slot_of(completion.key);
  const auto work = static_cast<std::uint8_t>(completion.key);
  if (!(completion.flags & IORING_CQE_F_MORE)) {
    slots_[number].under_way &= static_cast<std::uint8_t>(~work);
    slots_[number].cancelling &= static_cast<std::uint8_t>(~work);
    slot_changed(number);
  }
  if (work == receiving) {
    received(number, completion);
  } else {
    polled(number, completion.res);
  }
}

void UringLoop::received(std::uint32_t number, const Completion& completion) {
  UringStream* stream = slots_[number].stream;
  if (stream && !stream->closed_ && !says_nothing(completion.res)) {
    if (completion.res <= 0) {
      stream_ended(number, -completion.res);
    } else if (stream->paused_ || stream->parked_) {
      slots_[number].bulk = true;
      stream->park(ring_->bytes(completion.flags, completion.res));
      slot_changed(number);  // only now does pausing cost a cancel
    } else {
      ++counters_.receives;
      if (completion.res < small_message) slots_[number].bulk = false;
      report_bytes(*stream, ring_->bytes(completion.flags, completion.res));
    }
  }
  if (completion.flags & IORING_CQE_F_BUFFER) ring_->give_back(completion.flags);
}

void UringLoop::polled(std::uint32_t number, int res) {
  if (Watch* watch = slots_[number].watch) {
    if (res == -ECANCELED) return;
    watch->ready(res > 0 ? static_cast<std::uint32_t>(res) : std::uint32_t{EPOLLERR});
    events_->on_turn_end();
    return;
  }
  UringStream* stream = slots_[number].stream;
  if (!stream || stream->closed_ || !stream->wants_write_ || res == -ECANCELED) return;
  stream->wants_write_ = false;
  report_writable(*stream);
}

void UringLoop::stream_ended(std::uint32_t number, int error) {
  UringStream& stream = *slots_[number].stream;
  stream.ended_ = true;
  if (!stream.parked_) return close_stream(number, error);
  stream.parked_->end_error = error;  // what was parked is heard first
}

void UringLoop::end_stream(SocketStream& stream, int error) {
  close_stream(static_cast<UringStream&>(stream).slot_, error);
}

void UringLoop::close_stream(std::uint32_t number, int error) {
  UringStream& stream = *slots_[number].stream;
  stream.closed_ = true;
  slot_changed(number);
  events_->on_closed(stream.token_, error);
  events_->on_turn_end();
}

void UringLoop::deliver_parked() {
  std::vector<std::uint32_t> ready;
  ready.swap(resumed_);
  for (const std::uint32_t number : ready) deliver_parked(number);
}

// The session may pause, detach or destroy the stream at each piece, hence the copy.
void UringLoop::deliver_parked(std::uint32_t number) {
  for (;;) {
    UringStream* stream = slots_[number].stream;
    if (!stream || stream->paused_ || stream->closed_ || !stream->parked_) return;
    UringStream::Parked& parked = *stream->parked_;
    if (parked.seen == parked.bytes.size()) {
      const int error = parked.end_error;
      stream->parked_.reset();
      slot_changed(number);
      if (stream->ended_) close_stream(number, error);
      return;
    }
    const std::string piece = parked.bytes.substr(parked.seen, Uring::buffer_size);
    parked.seen += piece.size();
    ++counters_.receives;
    report_bytes(*stream, as_bytes(piece));
  }
}

std::unique_ptr<Stream> UringLoop::adopt(std::unique_ptr<Detached> socket, Token token) {
  auto* plain = dynamic_cast<DetachedSocket*>(socket.get());
  PGWEIR_CHECK(plain != nullptr);
  const int fd = take_fd(*plain);
  const std::uint32_t number = take_slot(fd);
  auto stream = std::make_unique<UringStream>(*this, fd, token, plain->tcp, number);
  slots_[number].stream = stream.get();
  stream->take_tls(std::move(plain->tls));
  if (!plain->unread.empty()) {
    stream->park(as_bytes(plain->unread));
    resumed_.push_back(number);
  }
  return stream;
}

}  // namespace pgweir
