#include "proxy/web/alerts.h"

#include <spdlog/fmt/fmt.h>

namespace pgweir {
namespace {

constexpr std::string_view names[] = {"pool_use", "wait_p99", "slow_100ms", "slow_1s", "login_failures", "isolation_leaks"};

double slow_per_second(const Interval& interval, std::uint32_t us) {
  return interval.seconds > 0 ? static_cast<double>(interval.times.query.longer_than(us)) / interval.seconds : 0;
}

}  // namespace

std::string_view name_of(AlertKind kind) { return names[static_cast<std::size_t>(kind)]; }

bool Alerts::wanted(const Globals& g) {
  return g.alert_pool_use > 0 || g.alert_wait_p99 > Micros{0} || g.alert_slow_100ms > 0 || g.alert_slow_1s > 0 ||
         g.alert_login_failures > 0 || g.alert_isolation_leaks > 0;
}

void Alerts::settle(AlertKind kind, bool fires, std::string text, std::vector<AlertChange>& changes) {
  State& state = states_[static_cast<std::size_t>(kind)];
  if (state.firing == fires) return;
  state.firing = fires;
  if (fires) ++state.count;
  state.text = fires ? text : std::string();
  changes.push_back({kind, fires, std::move(text)});
}

// Names the pool that has been too full for longest, once that is long enough; empty when there is none.
std::string Alerts::fullest_pool(const Snapshot& snapshot) {
  const Globals& globals = snapshot.config->globals;
  struct Use {
    std::uint64_t busy = 0, size = 0, waiting = 0;
  };
  std::map<std::pair<std::string, std::string>, Use> uses;
  for (const WorkerFacts& worker : snapshot.workers) {
    for (const PoolFacts& pool : worker.pools) {
      Use& use = uses[{pool.database, pool.user}];
      use.busy += pool.servers_active, use.waiting += pool.clients_waiting, use.size = pool.size;
    }
  }
  std::string text;
  TimePoint earliest{};
  std::map<std::pair<std::string, std::string>, TimePoint> still;
  for (const auto& [name, use] : uses) {
    if (use.size == 0 || use.busy * 100 <= use.size * static_cast<std::uint64_t>(globals.alert_pool_use)) continue;
    const auto known = full_since_.find(name);
    const TimePoint since = known == full_since_.end() ? snapshot.now : known->second;
    still[name] = since;
    if (snapshot.now - since < globals.alert_pool_use_time || (!text.empty() && since >= earliest)) continue;
    earliest = since;
    text = fmt::format("{} of {} servers of pool {}/{} in use for {} s, {} clients wait", use.busy, use.size, name.first,
                       name.second, count_s(snapshot.now - since), use.waiting);
  }
  full_since_ = std::move(still);
  return text;
}

std::vector<AlertChange> Alerts::judge(const Snapshot& snapshot, const Interval& minute) {
  const Globals& g = snapshot.config->globals;
  std::vector<AlertChange> changes;
  const std::string full = g.alert_pool_use > 0 ? fullest_pool(snapshot) : std::string{};
  settle(AlertKind::pool_use, !full.empty(), full, changes);
  const double p99_ms = minute.times.queue.quantile_ms(0.99);
  const double limit_ms = static_cast<double>(g.alert_wait_p99.count()) / 1000;
  settle(AlertKind::wait_p99, limit_ms > 0 && p99_ms > limit_ms,
         fmt::format("waits for a server: p99 {:.0f} ms in the last minute, over {:.0f} ms", p99_ms, limit_ms), changes);
  const auto slow = [&](AlertKind kind, std::uint32_t us, double limit) {
    const double rate = slow_per_second(minute, us);
    settle(kind, limit > 0 && rate > limit,
           fmt::format("{:.1f} queries a second over {} ms in the last minute, more than {}", rate, us / 1000, limit), changes);
  };
  slow(AlertKind::slow_100ms, 100'000, g.alert_slow_100ms);
  slow(AlertKind::slow_1s, 1'000'000, g.alert_slow_1s);
  settle(AlertKind::login_failures, g.alert_login_failures > 0 && minute.failed_logins > g.alert_login_failures,
         fmt::format("{:.0f} failed logins in the last minute, more than {}", minute.failed_logins, g.alert_login_failures),
         changes);
  settle(AlertKind::isolation_leaks, g.alert_isolation_leaks > 0 && minute.leaks >= g.alert_isolation_leaks,
         fmt::format("{:.0f} servers in the last minute had something of another client's session: see SHOW ISOLATION and the log",
                     minute.leaks),
         changes);
  return changes;
}

}  // namespace pgweir
