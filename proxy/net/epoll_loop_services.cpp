// The loop's slow half: timers, listeners and the watches of the room's other types.
#include <algorithm>

#include "proxy/net/acceptor.h"
#include "proxy/net/epoll_loop.h"

namespace pgweir {

int EpollLoop::wait_ms(Duration longest_wait) const {
  if (stopped_.load(std::memory_order_relaxed)) return 0;
  TimePoint until = TimePoint::max();
  if (tick_period_ > Duration::zero()) until = next_tick_;
  for (const Alarm& alarm : alarms_) until = std::min(until, alarm.due);
  if (until == TimePoint::max() && longest_wait == Duration::max()) return -1;
  const Duration wait = std::clamp(until == TimePoint::max() ? longest_wait : until - now_,
                                   Duration::zero(), std::max(longest_wait, Duration::zero()));
  const Duration wait_max = std::chrono::minutes(10);
  return static_cast<int>(std::chrono::ceil<milliseconds>(std::min(wait, wait_max)).count());
}

void EpollLoop::tick_every(Duration period) {
  tick_period_ = period;
  next_tick_ = now_ + period;
}

void EpollLoop::tick_if_due() {
  if (tick_period_ <= Duration::zero() || now_ < next_tick_) return;
  next_tick_ += tick_period_;
  if (next_tick_ <= now_)
    next_tick_ = now_ + tick_period_;  // after a stall: once, not once per missed tick
  events_->on_tick();
  events_->on_turn_end();
}

void EpollLoop::run_after(Duration delay, std::function<void()> action) {
  alarms_.push_back({now_ + delay, std::move(action)});
}

void EpollLoop::ring_alarms() {
  const auto due = std::stable_partition(alarms_.begin(), alarms_.end(),
                                         [this](const Alarm& alarm) { return alarm.due > now_; });
  if (due == alarms_.end()) return;
  std::vector<Alarm> ringing(std::make_move_iterator(due), std::make_move_iterator(alarms_.end()));
  alarms_.erase(due, alarms_.end());
  for (const Alarm& alarm : ringing) {
    alarm.action();
    events_->on_turn_end();
  }
}

bool EpollLoop::watch(int fd, std::uint32_t events, Watch& watch) {
  epoll_event event{.events = events, .data = {.u64 = watch.key()}};
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void EpollLoop::unwatch(int fd, Watch& watch) {
  forget_events(watch.key());
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void EpollLoop::add_listener(int fd, bool tcp) {
  acceptors_.push_back(std::make_unique<Acceptor>(*this, fd, tcp));
}

void EpollLoop::remove_listener(int fd) {
  std::erase_if(acceptors_, [fd](const auto& acceptor) { return acceptor->fd() == fd; });
}

}  // namespace pgweir
