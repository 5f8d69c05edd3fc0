#include "proxy/net/uring_loop.h"

#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "proxy/core/check.h"
#include "proxy/core/prefetch.h"
#include "proxy/net/calls.h"
#include "proxy/net/clock.h"
#include "proxy/net/socket_state.h"

namespace pgweir {
namespace {

// Who sends no more than this so many times in a row is not in the middle of something large, nor about to begin it.
constexpr int small_message = 4096;
constexpr std::uint8_t small_messages = 16;
// What is read at once in bulk, as in the epoll loop.
constexpr std::size_t bulk_size = 32 * 1024;

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
  if (!unanswered_.empty() && batch_.empty() && resumed_.empty() && yield_.wanted(events_last_turn_)) let_others_run();
  ++counters_.waits;
  // Bytes that a detaching stream met between two turns do not wait for more.
  ring_->submit_and_wait(batch_.empty() && resumed_.empty() ? wait_ms(longest_wait) : 0);
  harvest();
  if (batch_.empty()) now_ = monotonic_now();
  for (batch_at_ = 0; batch_at_ < batch_.size(); ++batch_at_) {
    if (batch_at_ % events_per_clock == 0) now_ = monotonic_now();
    // A copy, because the batch may grow meanwhile; struck out, because it has been seen.
    const Completion completion = std::exchange(batch_[batch_at_], {nobody, 0, 0});
    expect(batch_at_ + 1);
    if (completion.key != nobody) dispatch(completion);
  }
  events_last_turn_ = batch_.size();
  batch_.clear();
  batch_at_ = 0;
  ring_what_is_due();
}

void UringLoop::let_others_run() {
  ring_->submit();
  const TimePoint before = monotonic_now();
  sched_yield();
  ++counters_.yields;
  now_ = monotonic_now();
  yield_.took(now_ - before);
}

void UringLoop::expect(std::size_t place) const {
  const auto stream_at = [&](std::size_t at) -> const UringStream* {
    const bool is_receive = at < batch_.size() && static_cast<std::uint8_t>(batch_[at].key) == receiving;
    return is_receive ? slots_[slot_of(batch_[at].key)].stream : nullptr;
  };
  if (const UringStream* stream = stream_at(place)) events_->on_soon(stream->token_);
  prefetch(stream_at(place + 1));
}

void UringLoop::harvest() {
  const auto take = [this](std::uint64_t key, int res, std::uint32_t flags) {
    if (key == nobody) return;
    if (static_cast<std::uint8_t>(key) == sending) return sent(slot_of(key), res);
    batch_.push_back({key, res, flags});
  };
  const bool all = ring_->all_told();
  ring_->harvest(take);
  // The kernel still reads the blocks of what it has not been told yet.
  if (!all) return;
  // What it had no memory to tell may have been a failure.
  const bool lost = ring_->has_lost_some();
  // Sends complete while they are submitted, and say so only where they fell short: who sleeps is not woken for the others.
  for (const std::uint32_t number : unanswered_)
    if (slots_[number].under_way & sending) sent(number, lost ? -EIO : slots_[number].block_size);
  unanswered_.clear();
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
  } else if (work == listening) {
    readable(number, completion.res);
  } else {
    polled(number, completion.res);
  }
}

void UringLoop::received(std::uint32_t number, const Completion& completion) {
  UringStream* stream = slots_[number].stream;
  if (stream && !stream->closed_ && !says_nothing(completion.res)) {
    const bool unwanted = stream->paused_ || stream->parked_;
    if (completion.res >= (unwanted ? small_message : static_cast<int>(Uring::buffer_size))) {
      slots_[number].bulk = small_messages;
      slot_changed(number);
    }
    if (completion.res <= 0) {
      stream_ended(number, -completion.res);
    } else if (unwanted) {
      stream->park(ring_->bytes(completion.flags, completion.res));
      slot_changed(number);  // only now does pausing cost a cancel
    } else {
      ++counters_.receives;
      report_bytes(*stream, ring_->bytes(completion.flags, completion.res));
    }
  }
  if (completion.flags & IORING_CQE_F_BUFFER) ring_->give_back(completion.flags);
}

void UringLoop::readable(std::uint32_t number, int res) {
  UringStream* stream = slots_[number].stream;
  if (!stream || stream->closed_ || res == -ECANCELED) return;
  if (!stream->paused_ && !stream->parked_) return receive(number);
  const bool hung_up = res < 0 || (res & (POLLHUP | POLLERR));
  if (hung_up && !stream->parked_ && !has_unread(stream->fd_)) return close_stream(number, pending_error(stream->fd_));
  slots_[number].held = true;  // nothing is listened for until it has been read, on resuming
}

void UringLoop::receive(std::uint32_t number) {
  if (!scratch_) scratch_.reset(new std::byte[bulk_size]);
  Slot& slot = slots_[number];
  slot_changed(number);
  ++counters_.receives;
  const ssize_t got = receive_now(slot.fd, scratch_.get(), bulk_size);
  if (got > 0) {
    slot.bulk = got < small_message ? static_cast<std::uint8_t>(slot.bulk - 1) : small_messages;
    report_bytes(*slot.stream, {scratch_.get(), static_cast<std::size_t>(got)});
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    close_stream(number, got == 0 ? 0 : errno);
  }
}

void UringLoop::polled(std::uint32_t number, int res) {
  if (Watch* watch = slots_[number].watch) {
    if (res == -ECANCELED) return;
    watch->ready(res > 0 ? static_cast<std::uint32_t>(res) : std::uint32_t{EPOLLERR});
    events_->on_turn_end();
    return;
  }
  if (slots_[number].left && res != -ECANCELED) {
    send_left(number);
    return slot_changed(number);
  }
  UringStream* stream = slots_[number].stream;
  if (!stream || stream->closed_ || !stream->wants_write_ || res == -ECANCELED) return;
  stream->wants_write_ = false;
  if (stream->unsent_ && !stream->flush_unsent()) {
    stream->wants_write_ = true;
    return slot_changed(number);
  }
  if (!stream->owes_writable_) return;
  stream->owes_writable_ = false;
  report_writable(*stream);
}

std::size_t UringLoop::queue_send(UringStream& stream, std::span<const iovec> parts) {
  const std::uint32_t number = stream.slot_;
  if (slots_[number].under_way & sending) finish_send(number);
  std::size_t size = 0;
  for (const iovec& part : parts) size += part.iov_len;
  if (size == 0 || size > SendBlocks::block_size || stream.unsent_ || stream.closed_ || over_) return 0;
  const auto block = send_blocks_.take(parts);
  if (!block) return 0;
  ++counters_.sends;
  io_uring_sqe& entry = ring_->entry();
  // Never waits for room: what is left over is the stream's business, in order. MSG_WAITALL makes that a failure, which
  // is told.
  const bool known = gets_known(number);
  io_uring_prep_send(&entry, known ? static_cast<int>(number) : stream.fd_, send_blocks_.at(*block), size,
                     MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
  entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
  if (known) entry.flags |= IOSQE_FIXED_FILE;
  io_uring_sqe_set_data64(&entry, key_of(number, sending));
  slots_[number].block = *block;
  slots_[number].block_size = static_cast<std::uint16_t>(size);
  slots_[number].under_way |= sending;
  unanswered_.push_back(number);
  return size;
}

void UringLoop::finish_send(std::uint32_t number) {
  while ((slots_[number].under_way & sending) && !over_) {
    ring_->submit_and_look();
    harvest();
  }
}

// The kernel has answered a queued send. What it did not take is kept, and goes before anything else.
void UringLoop::sent(std::uint32_t number, int res) {
  Slot& slot = slots_[number];
  slot.under_way &= static_cast<std::uint8_t>(~sending);
  send_blocks_.give_back(slot.block);
  UringStream* stream = slot.stream;
  if (!stream) slot_changed(number);
  if (res == slot.block_size || (stream && stream->closed_)) return;
  if (res < 0 && res != -EAGAIN && res != -ENOBUFS && res != -EINTR) {
    if (stream) stream->broken_ = true;  // the receive under way tells why; if there is none, the next write does
    return;
  }
  const std::size_t done = res < 0 ? 0 : static_cast<std::size_t>(res);
  ++counters_.short_writes;
  auto rest = std::make_unique<std::string>(reinterpret_cast<const char*>(send_blocks_.at(slot.block)) + done,
                                            slot.block_size - done);
  slot_changed(number);
  if (!stream) return keep_left(number, std::move(rest));
  stream->unsent_ = std::move(rest);
  stream->wants_write_ = true;
}

void UringLoop::keep_left(std::uint32_t number, std::unique_ptr<std::string> bytes) {
  slots_[number].left = std::move(bytes);
  left_.push_back({number, now_});
  drop_left_later();
}

bool UringLoop::drop_left(TimePoint then) {
  std::erase_if(left_, [&](const KeptSince& kept) {
    if (kept.since > then) return false;
    slots_[kept.slot].left.reset();
    slot_changed(kept.slot);
    return true;
  });
  return !left_.empty();
}

void UringLoop::send_left(std::uint32_t number) {
  Slot& slot = slots_[number];
  const ssize_t sent = send_now(slot.fd, slot.left->data(), slot.left->size());
  if (sent > 0) slot.left->erase(0, static_cast<std::size_t>(sent));
  const bool later = sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EINTR);
  if (!slot.left->empty() && (sent >= 0 || later)) return;
  slot.left.reset();
  std::erase_if(left_, [number](const KeptSince& kept) { return kept.slot == number; });
}

void UringLoop::send_what_is_queued() {
  ring_->submit_and_look();
  harvest();
  over_ = true;
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
    if (!stream || stream->paused_ || stream->closed_) return;
    if (!stream->parked_) {
      if (std::exchange(slots_[number].held, false)) receive(number);
      return;
    }
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
  if (!plain->unsent.empty()) {
    stream->unsent_ = std::make_unique<std::string>(std::move(plain->unsent));
    stream->wants_write_ = true;
  }
  if (!plain->unread.empty()) {
    stream->park(as_bytes(plain->unread));
    resumed_.push_back(number);
  }
  return stream;
}

}  // namespace pgweir
