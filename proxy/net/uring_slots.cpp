// The loop's slots: what the kernel is asked to do for each, brought up to date once before every
// wait.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "proxy/net/uring_loop.h"

namespace pgweir {
namespace {

// Who has sent so often will send again: its socket gets known to the ring.
constexpr std::uint8_t many_sends = 64;

}  // namespace

std::uint32_t UringLoop::take_slot(int fd) {
  std::uint32_t number;
  if (free_.empty()) {
    number = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    number = free_.back();
    free_.pop_back();
  }
  slots_[number] = {};
  slots_[number].fd = fd;
  slot_changed(number);
  return number;
}

void UringLoop::slot_changed(std::uint32_t number) {
  if (slots_[number].changed) return;
  slots_[number].changed = true;
  changed_.push_back(number);
}

// Who has been sent its last words need not wait for the end until somebody else says something.
void UringLoop::apply_changes() {
  apply_what_has_changed();
  if (!std::exchange(closes_wait_, false)) return;
  ring_->submit_and_look();
  harvest();
  apply_what_has_changed();
}

void UringLoop::apply_what_has_changed() {
  for (const std::uint32_t number : changed_) {
    slots_[number].changed = false;
    bring_up_to_date(number);
  }
  changed_.clear();
}

void UringLoop::bring_up_to_date(std::uint32_t number) {
  Slot& slot = slots_[number];
  std::uint8_t wanted = 0;
  if (const UringStream* stream = slot.stream) {
    if (stream->wants_bytes() && !slot.bulk) wanted |= receiving;
    // Never both: what one has been promised would be overtaken by what the other finds.
    if (stream->wants_bytes() && slot.bulk && !slot.held && !(slot.under_way & receiving)) wanted |= listening;
    if (stream->wants_write_ && !stream->closed_) wanted |= polling;
  } else if (slot.watch || slot.left) {
    wanted = polling;
  } else if (!slot.under_way) {
    // Linux before 6.4 forgets a file a second late only: the peer hears of the end now.
    if (slot.known && slot.closes_fd) ::shutdown(slot.fd, SHUT_RDWR);
    forget_file(number);
    if (slot.closes_fd) ::close(slot.fd);
    slot = {};
    free_.push_back(number);
    return;
  } else if (slot.under_way & sending) {
    closes_wait_ = true;
  }
  for (const Work work : {receiving, polling, listening}) {
    if (wanted & work & ~slot.under_way) ask(number, work);
    if (slot.under_way & work & ~wanted & ~slot.cancelling) cancel(number, work);
  }
}

void UringLoop::ask(std::uint32_t number, Work work) {
  Slot& slot = slots_[number];
  io_uring_sqe& entry = ring_->entry();
  if (work == receiving) {
    io_uring_prep_recv_multishot(&entry, slot.fd, nullptr, 0, 0);
    entry.flags |= IOSQE_BUFFER_SELECT;
    entry.buf_group = Uring::buffer_group;
  } else {
    // Asked for again after each answer, which makes it level-triggered.
    const std::uint32_t events = work == listening ? std::uint32_t{POLLIN} : slot.watch ? slot.events : std::uint32_t{POLLOUT};
    io_uring_prep_poll_add(&entry, slot.fd, events);
  }
  if (slot.stream) ++counters_.changes;
  io_uring_sqe_set_data64(&entry, key_of(number, work));
  slot.under_way |= work;
}

void UringLoop::cancel(std::uint32_t number, Work work) {
  io_uring_sqe& entry = ring_->entry();
  io_uring_prep_cancel64(&entry, key_of(number, work), 0);
  entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(&entry, nobody);
  slots_[number].cancelling |= work;
  ++counters_.changes;
}

bool UringLoop::gets_known(std::uint32_t number) {
  Slot& slot = slots_[number];
  if (slot.sends < many_sends && ++slot.sends == many_sends) slot.known = ring_->know_file(number, slot.fd);
  return slot.known;
}

void UringLoop::forget_file(std::uint32_t number) {
  if (std::exchange(slots_[number].known, false)) ring_->forget_file(number);
}

bool UringLoop::watch(int fd, std::uint32_t events, Watch& watch) {
  const std::uint32_t number = take_slot(fd);
  slots_[number].watch = &watch;
  slots_[number].events = events;
  watched_.push_back(number);
  return true;
}

void UringLoop::unwatch(int fd, Watch& watch) {
  const auto at = std::ranges::find_if(watched_, [&](std::uint32_t number) {
    return slots_[number].watch == &watch && slots_[number].fd == fd;
  });
  if (at == watched_.end()) return;
  slots_[*at].watch = nullptr;
  slot_changed(*at);
  watched_.erase(at);
}

void UringLoop::forget_stream(UringStream& stream) {
  Slot& slot = slots_[stream.slot_];
  slot.stream = nullptr;
  slot.closes_fd = true;
  // What it takes for sent goes out behind it.
  if (stream.unsent_) keep_left(stream.slot_, std::move(stream.unsent_));
  if (!slot.under_way && !slot.left && !slot.known) {
    ::close(slot.fd);
    slot.closes_fd = false;
  }
  slot_changed(stream.slot_);
}

std::string UringLoop::release_stream(UringStream& stream) {
  const std::uint32_t number = stream.slot_;
  if (slots_[number].under_way & sending) finish_send(number);
  forget_file(number);
  std::string unread;
  if (stream.parked_) unread = stream.parked_->bytes.substr(stream.parked_->seen);
  if (slots_[number].under_way & receiving) {
    if (!(slots_[number].cancelling & receiving)) cancel(number, receiving);
    const auto is_last = [key = key_of(number, receiving)](const Completion& c) {
      return c.key == key && !(c.flags & IORING_CQE_F_MORE);
    };
    for (std::size_t looked = 0; std::none_of(batch_.begin() + looked, batch_.end(), is_last);) {
      looked = batch_.size();
      ring_->submit_and_look();
      harvest();
    }
  }
  for (Completion& late : batch_) {
    if (late.key != key_of(number, receiving)) continue;
    if (late.res > 0) unread += as_text(ring_->bytes(late.flags, late.res));
    if (late.flags & IORING_CQE_F_BUFFER) ring_->give_back(late.flags);
    late.key = nobody;
  }
  slots_[number].under_way &= static_cast<std::uint8_t>(~receiving);
  slots_[number].cancelling &= static_cast<std::uint8_t>(~receiving);
  slots_[number].stream = nullptr;
  slot_changed(number);
  return unread;
}

}  // namespace pgweir
