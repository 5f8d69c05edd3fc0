#include "bench/load_thread.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <array>

#include "bench/stop.h"

namespace pgweir::bench {
namespace {

constexpr std::size_t connecting_max = 128;  // more would overflow listeners' backlogs
constexpr std::size_t scratch_bytes = 64 << 10;
constexpr Duration nap_max = milliseconds(10);  // so that the gate and Ctrl-C are noticed

Duration thread_cpu() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return seconds(used.tv_sec) + Duration(used.tv_nsec);
}

unsigned share(unsigned total, unsigned threads, unsigned index) {
  return total / threads + (index < total % threads ? 1 : 0);
}

}  // namespace

LoadThread::LoadThread(const LoadPlan& plan, Gate& gate, unsigned index)
    : plan_(plan),
      program_(*plan.program),
      gate_(gate),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      scratch_(scratch_bytes),
      random_(index + 1) {
  const unsigned active = share(plan.clients, plan.threads, index);
  const unsigned crowd = share(plan.idle, plan.threads, index);
  for (unsigned i = 0; i < plan.pools; ++i) {
    pools_.push_back(*plan.target);
    pools_.back().database += "_" + std::to_string(i);
  }
  for (unsigned i = 0; i < active + crowd; ++i) {
    clients_.push_back(std::make_unique<Client>());
    clients_.back()->target =
        pools_.empty() ? plan.target : &pools_[(i * plan.threads + index) % plan.pools];
    clients_.back()->crowd = i >= active || program_.silent;
  }
  for (std::size_t i = 0; i < program_.steps.size(); ++i)
    if (program_.steps[i].readies > 0) last_statement_ = i;
  if (open_loop()) {
    interval_ = from_seconds(plan.threads / plan.rate);
    next_arrival_ = TimePoint(interval_ * index / plan.threads);
  }
}

void LoadThread::run() {
  // Timers a thread sleeps for are late by its slack, 50 us by default: too much for an open loop.
  prctl(PR_SET_TIMERSLACK, 1UL);
  now_ = clock_now();
  report_ready();
  while (!over()) turn();
  note_window();
  count_unfinished();
  for (const auto& client : clients_) client->connection.leave();
}

bool LoadThread::over() const {
  if (stop_wished() || gate_.abandoned.load(std::memory_order_relaxed)) return true;
  if (!going_ || now_ < until_ || !gate_.sampled.load(std::memory_order_relaxed)) return false;
  return (under_way_ == 0 && backlog_.empty()) || now_ >= until_ + plan_.drain;
}

void LoadThread::turn() {
  std::array<epoll_event, 256> events;
  const TimePoint deadline = next_deadline();
  const Duration nap = std::clamp<Duration>(deadline - now_, Duration{}, nap_max);
  const timespec timeout{0, static_cast<long>(nap.count())};
  const int count =
      epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()), &timeout, nullptr);
  now_ = clock_now();
  if (!going_) {
    connect_more();
    begin_load();
  }
  note_window();
  for (int i = 0; i < count; ++i) {
    auto& client = *static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr);
    client.connection.on_event(events[static_cast<std::size_t>(i)].events, scratch_, arrived_);
    settle(client);
    now_ = clock_now();
  }
  fire_timers();
  if (open_loop()) admit_arrivals();
}

TimePoint LoadThread::next_deadline() const {
  TimePoint next = now_ + nap_max;
  if (!timers_.empty()) next = std::min(next, timers_.top().at);
  if (open_loop() && running()) next = std::min(next, next_arrival_);
  if (going_ && now_ < until_) next = std::min(next, until_);
  return next;
}

void LoadThread::fire_timers() {
  while (!timers_.empty() && timers_.top().at <= now_) {
    const Timer timer = timers_.top();
    timers_.pop();
    if (timer.number != timer.client->timer) continue;
    on_timer(*timer.client);
    settle(*timer.client);
  }
}

void LoadThread::connect_more() {
  while (opened_ < clients_.size() && connecting_ < connecting_max) {
    Client& client = *clients_[opened_++];
    if (program_.reconnect && !client.crowd) {
      client.state = Client::State::resting;
      client.counted = true;
      ++ready_;
      report_ready();
      continue;
    }
    ++connecting_;
    open(client);
    settle(client);
  }
}

void LoadThread::report_ready() {
  if (ready_ > 0) gate_.clients_ready.fetch_add(1, std::memory_order_relaxed);
  if (ready_ == clients_.size()) gate_.threads_ready.fetch_add(1);
}

void LoadThread::begin_load() {
  const std::int64_t go = gate_.go.load(std::memory_order_acquire);
  if (go == 0) return;
  from_ = TimePoint(Duration(gate_.from.load()));
  until_ = TimePoint(Duration(gate_.until.load()));
  going_ = true;
  // Clients that think begin at different points of their thoughts, as a crowd in full swing would.
  const Duration stagger = open_loop() ? Duration{} : program_.think_mean();
  std::uniform_int_distribution<std::int64_t> pause(0, stagger.count());
  next_arrival_ += TimePoint(Duration(go)).time_since_epoch();
  for (const auto& client : clients_) {
    if (client->crowd || client->state != Client::State::resting) continue;
    if (stagger > Duration{}) {
      client->state = Client::State::starting;
      set_timer(*client, Duration(pause(random_)));
    } else {
      next_transaction(*client);
      settle(*client);
    }
  }
}

void LoadThread::admit_arrivals() {
  while (running() && next_arrival_ <= now_) {
    if (at_rest_.empty()) {
      backlog_.push_back(next_arrival_);
    } else {
      Client& client = *at_rest_.front();
      at_rest_.pop_front();
      begin(client, next_arrival_);
      settle(client);
    }
    std::exponential_distribution<double> gap(1.0);
    next_arrival_ += plan_.poisson ? Duration(static_cast<std::int64_t>(
                                         gap(random_) * static_cast<double>(interval_.count())))
                                   : interval_;
  }
}

void LoadThread::note_window() {
  if (!going_) return;
  if (!window_begun_ && now_ >= from_) {
    window_begun_ = true;
    cpu_at_from_ = thread_cpu();
  }
  if (window_begun_ && !window_ended_ && now_ >= until_) {
    window_ended_ = true;
    tally.cpu = thread_cpu() - cpu_at_from_;
  }
}

// A stall at the end must not vanish from the latencies: what is still under way counts with the
// time it has taken so far.
void LoadThread::count_unfinished() {
  if (!going_) return;
  const auto count = [&](TimePoint started, Duration thought) {
    if (!inside(started)) return;
    tally.latency.add(now_ - started - thought);
    ++tally.unfinished;
  };
  for (const auto& client : clients_)
    for (const TimePoint started : client->started) count(started, client->thought);
  for (const TimePoint started : backlog_) count(started, Duration{});
}

}  // namespace pgweir::bench
