#include "proxy/web/history.h"

#include <algorithm>

namespace pgweir {

Sample sample_of(const Snapshot& snapshot) {
  Sample sample;
  sample.at = snapshot.at;
  sample.now = snapshot.now;
  sample.errors = snapshot.tally.errors.all();
  sample.failed_logins = snapshot.tally.failed_logins;
  for (const WorkerFacts& worker : snapshot.workers) {
    for (const PoolFacts& pool : worker.pools) {
      sample.times += pool.times;
      sample.queries += pool.stats.queries;
      sample.xacts += pool.stats.xacts;
      sample.received += pool.stats.received_bytes;
      sample.sent += pool.stats.sent_bytes;
      sample.logins += pool.stats.client_logins;
      sample.leaks += pool.isolation.leaks_detected;
      sample.clients += pool.clients_active + pool.clients_waiting;
      sample.waiting += pool.clients_waiting;
      sample.active += pool.servers_active;
      sample.idle += pool.servers_idle + pool.servers_used + pool.servers_tested;
    }
  }
  return sample;
}

// A pool that has been forgotten takes its numbers with it: no interval goes backwards.
Interval between(const Sample& from, const Sample& to) {
  Interval result;
  result.until = to.at;
  result.seconds = static_cast<double>(count_us(to.now - from.now)) / 1e6;
  const auto grown = [](std::uint64_t a, std::uint64_t b) { return b > a ? static_cast<double>(b - a) : 0.0; };
  const auto rate = [&](std::uint64_t a, std::uint64_t b) { return result.seconds > 0 ? grown(a, b) / result.seconds : 0.0; };
  result.queries = rate(from.queries, to.queries);
  result.xacts = rate(from.xacts, to.xacts);
  result.errors = rate(from.errors, to.errors);
  result.received = rate(from.received, to.received);
  result.sent = rate(from.sent, to.sent);
  result.failed_logins = grown(from.failed_logins, to.failed_logins);
  result.leaks = grown(from.leaks, to.leaks);
  result.times.queue = to.times.queue.since(from.times.queue);
  result.times.query = to.times.query.since(from.times.query);
  result.times.xact = to.times.xact.since(from.times.xact);
  result.clients = to.clients, result.waiting = to.waiting, result.active = to.active, result.idle = to.idle;
  return result;
}

void History::add(Sample sample) {
  samples_.push_back(std::move(sample));
  if (samples_.size() > samples_max) samples_.pop_front();
}

std::vector<Interval> History::last(std::int64_t length, std::size_t points) const {
  std::vector<Interval> result;
  if (samples_.size() < 2 || points == 0) return result;
  const TimePoint begin = samples_.back().now - seconds(length);
  const auto first = std::lower_bound(samples_.begin(), samples_.end(), begin,
                                      [](const Sample& sample, TimePoint when) { return sample.now < when; });
  auto from = static_cast<std::size_t>(first - samples_.begin());
  const std::size_t step = std::max<std::size_t>(1, (samples_.size() - 1 - from + points - 1) / points);
  // Steps end at the newest sample, so that the newest point is never a shorter one.
  from += (samples_.size() - 1 - from) % step;
  for (; from + step < samples_.size(); from += step) result.push_back(between(samples_[from], samples_[from + step]));
  return result;
}

Interval History::last(std::int64_t length) const {
  const auto whole = last(length, 1);
  return whole.empty() ? Interval{} : whole.front();
}

}  // namespace pgweir
