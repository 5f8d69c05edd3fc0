#include "bench/load.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <deque>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/load_thread.h"
#include "bench/stop.h"

namespace pgweir::bench {
namespace {

constexpr std::size_t different_errors_max = 100;

// Tells what a measurement is at, every few seconds.
class Teller {
 public:
  explicit Teller(const LoadPlan& plan) : plan_(plan) {}

  template <typename Text>
  void look(Text&& text) {
    if (!plan_.tell || clock_now() < next_) return;
    next_ = clock_now() + period;
    plan_.tell(text());
  }

 private:
  static constexpr Duration period = seconds(5);
  const LoadPlan& plan_;
  TimePoint next_ = clock_now() + period;
};

void sleep_until(TimePoint at, Teller& teller, std::string_view what) {
  for (TimePoint now; (now = clock_now()) < at && !stop_wished();) {
    teller.look([&] { return fmt::format("{}, {:.0f} s to go", what, to_seconds(at - now)); });
    std::this_thread::sleep_until(std::min(at, now + milliseconds(20)));
  }
}

// Waits until every client is logged in. False: the time is up, or Ctrl-C.
bool wait_for_logins(const LoadPlan& plan, const Gate& gate, Teller& teller) {
  const unsigned all = plan.clients + plan.idle;
  const TimePoint patience = clock_now() + plan.login_time + milliseconds(2) * all;
  while (gate.threads_ready.load() < plan.threads) {
    if (stop_wished() || clock_now() > patience) return false;
    teller.look([&] {
      return fmt::format("{} of {} clients are logged in", gate.clients_ready.load(), all);
    });
    std::this_thread::sleep_for(milliseconds(1));
  }
  return true;
}

std::string login_failure(const Tally& tally) {
  std::string text = "not every client could log in";
  std::size_t shown = 0;
  for (const auto& [error, count] : tally.login_errors)
    if (shown++ < 3) text += fmt::format("; {} x {}", count, error);
  return text;
}

void measure(const LoadPlan& plan, ProcessWatch& watch, Gate& gate, Teller& teller,
             LoadResult& result) {
  result.logged_in_rss_bytes = watch.rss_bytes();
  const TimePoint go = clock_now();
  const TimePoint from = go + plan.warmup;
  const TimePoint until = from + plan.duration;
  gate.from = from.time_since_epoch().count();
  gate.until = until.time_since_epoch().count();
  gate.go.store(go.time_since_epoch().count(), std::memory_order_release);
  sleep_until(from, teller, "warming up");
  result.before = watch.usage();
  sleep_until(until, teller, "measuring");
  result.after = watch.usage();
  gate.sampled = true;
  result.seconds = to_seconds(plan.duration);
  if (stop_wished()) result.failure = "stopped";
}

}  // namespace

void count_error(std::map<std::string, std::uint64_t>& errors, const std::string& text) {
  if (const auto known = errors.find(text); known != errors.end()) {
    ++known->second;
  } else {
    ++errors[errors.size() < different_errors_max ? text : "other texts"];
  }
}

void Tally::merge(const Tally& other) {
  latency.merge(other.latency);
  completed += other.completed;
  failed += other.failed;
  unfinished += other.unfinished;
  bytes += other.bytes;
  cpu += other.cpu;
  for (const auto& [text, count] : other.errors) errors[text] += count;
  for (const auto& [text, count] : other.login_errors) login_errors[text] += count;
}

LoadResult run_load(const LoadPlan& plan, ProcessWatch& watch) {
  LoadResult result;
  Gate gate;
  const TimePoint began = clock_now();
  std::deque<LoadThread> workers;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < plan.threads; ++i) workers.emplace_back(plan, gate, i);
  for (LoadThread& worker : workers) threads.emplace_back([&worker] { worker.run(); });
  Teller teller(plan);
  const bool logged_in = wait_for_logins(plan, gate, teller);
  result.login_seconds = to_seconds(clock_now() - began);
  if (logged_in)
    measure(plan, watch, gate, teller, result);
  else
    gate.abandoned = true;
  for (std::thread& thread : threads) thread.join();
  for (const LoadThread& worker : workers) {
    result.tally.merge(worker.tally);
    result.busiest_thread =
        std::max(result.busiest_thread, to_seconds(worker.tally.cpu) / to_seconds(plan.duration));
  }
  if (!logged_in) result.failure = stop_wished() ? "stopped" : login_failure(result.tally);
  return result;
}

}  // namespace pgweir::bench
