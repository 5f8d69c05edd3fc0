// The end of each stats_period: the averages of SHOW STATS and the `stats:` line of the log.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "proxy/admin/process_port.h"
#include "proxy/observe/stats.h"
#include "proxy/session/worker.h"

namespace pgweir {

// What a period's counts come to: counts and bytes per second, times in µs per transaction, per
// query, and (waiting) per assignment of a server. All zero when the period is.
PoolStats averages(const PoolStats& counted, Duration period);

// `stats: 12 xacts/s, ...` (parity.md e.9).
std::string stats_line(const PoolStats& averages);

// Owned by the console.
class StatsReporter {
 public:
  // On worker 0's thread, every tick: when stats_period is over, has all workers close the period.
  void on_tick(Worker& worker, ProcessPort& process);
  // How long the last completed period was; zero: none is completed. Any thread.
  Duration last_period() const { return Duration(last_period_.load(std::memory_order_relaxed)); }

 private:
  TimePoint begun_at_{};  // worker 0's thread
  std::atomic<std::int64_t> last_period_{0};
};

}  // namespace pgweir
