#include "proxy/admin/stats_report.h"

#include "proxy/admin/gather.h"

namespace pgweir {
namespace {

PoolStats close_period(Worker& worker) {
  worker.rotate_stats();
  PoolStats sum;
  for (const auto& [key, desk] : worker.desks()) sum += desk->last_period;
  return sum;
}

}  // namespace

PoolStats averages(const PoolStats& counted, Duration period) {
  PoolStats result;
  const auto period_us = static_cast<std::uint64_t>(count_us(period));
  if (period <= Duration{} || period_us == 0) return result;
  // A product of 64 bits would overflow at 18 TB.
  PoolStats::for_each_pair(result, counted, [&](std::uint64_t& to, std::uint64_t from) {
    to = static_cast<std::uint64_t>(static_cast<unsigned __int128>(from) * 1'000'000 / period_us);
  });
  const auto per = [](std::uint64_t sum, std::uint64_t count) { return count ? sum / count : 0; };
  result.xact_us = per(counted.xact_us, counted.xacts);
  result.query_us = per(counted.query_us, counted.queries);
  result.wait_us = per(counted.wait_us, counted.server_assignments);
  return result;
}

std::string stats_line(const PoolStats& a) {
  return fmt::format(
      "stats: {} xacts/s, {} queries/s, {} client parses/s, {} server parses/s, {} binds/s, "
      "{} client logins/s, in {} B/s, out {} B/s, xact {} us, query {} us, wait {} us",
      a.xacts, a.queries, a.client_parses, a.server_parses, a.binds, a.client_logins,
      a.received_bytes, a.sent_bytes, a.xact_us, a.query_us, a.wait_us);
}

void StatsReporter::on_tick(Worker& worker, ProcessPort& process) {
  const TimePoint now = worker.now();
  if (begun_at_ == TimePoint{}) begun_at_ = now;
  const seconds wanted{worker.config().globals.stats_period};
  if (wanted <= seconds{0} || now - begun_at_ < wanted) return;
  const Duration period = now - begun_at_;
  begun_at_ = now;
  gather<PoolStats>(worker, close_period, [this, period, &process](Worker& home, std::vector<PoolStats> all) {
    last_period_.store(period.count(), std::memory_order_relaxed);
    PoolStats sum;
    for (const PoolStats& one : all) sum += one;
    const std::string line = stats_line(averages(sum, period));
    process.tell_status(line);
    if (home.config().globals.log_stats) log::line(log::Level::log, "{}", line);
  });
}

}  // namespace pgweir
