// The last hour, for the page's curves and for alerts: one sample every other second.
#pragma once

#include <cstdint>
#include <deque>

#include "proxy/web/snapshot.h"

namespace pgweir {

// Sums over all pools since the start, and what there is at the moment.
struct Sample {
  WallTime at{};
  TimePoint now{};
  PoolTimes times;
  std::uint64_t queries = 0, xacts = 0, errors = 0, received = 0, sent = 0, logins = 0, failed_logins = 0, leaks = 0;
  std::uint64_t clients = 0, waiting = 0, active = 0, idle = 0;
};
Sample sample_of(const Snapshot& snapshot);

// What lies between two samples.
struct Interval {
  WallTime until{};
  double seconds = 0;
  double queries = 0, xacts = 0, errors = 0, received = 0, sent = 0;   // per second
  double failed_logins = 0, leaks = 0;                                 // in all
  PoolTimes times;
  std::uint64_t clients = 0, waiting = 0, active = 0, idle = 0;        // at its end
};
Interval between(const Sample& from, const Sample& to);

// Owned by the web thread.
class History {
 public:
  static constexpr std::size_t samples_max = 1800;
  static constexpr std::chrono::milliseconds period{2000};

  void add(Sample sample);
  // The last `seconds`, cut into `points` intervals at most, the oldest first.
  std::vector<Interval> last(std::int64_t seconds, std::size_t points) const;
  // The last `seconds` as one; nothing has passed when there are fewer than two samples.
  Interval last(std::int64_t seconds) const;

 private:
  std::deque<Sample> samples_;
};

}  // namespace pgweir
