// SHOW STATS, STATS_TOTALS, STATS_AVERAGES, TOTALS: what each database has done.
#include <array>

#include "proxy/admin/shows.h"
#include "proxy/admin/stats_report.h"

namespace pgweir {
namespace {

using namespace compose::oid;

// One number of PoolStats with the names it bears in each table; they differ for no reason but
// history.
struct Counter {
  std::uint64_t PoolStats::*member;
  std::string_view stats_total, stats_average, totals, averages, sum;
};

constexpr std::array<Counter, 12> counters = {{
    {&PoolStats::server_assignments, "total_server_assignment_count", "avg_server_assignment_count",
     "server_assignment_count", "server_assignment_count", "server_assignment_count"},
    {&PoolStats::xacts, "total_xact_count", "avg_xact_count", "xact_count", "xact_count",
     "xact_count"},
    {&PoolStats::queries, "total_query_count", "avg_query_count", "query_count", "query_count",
     "query_count"},
    {&PoolStats::received_bytes, "total_received", "avg_recv", "bytes_received", "bytes_received",
     "client_bytes"},
    {&PoolStats::sent_bytes, "total_sent", "avg_sent", "bytes_sent", "bytes_sent", "server_bytes"},
    {&PoolStats::xact_us, "total_xact_time", "avg_xact_time", "xact_time", "xact_time",
     "xact_time"},
    {&PoolStats::query_us, "total_query_time", "avg_query_time", "query_time", "query_time",
     "query_time"},
    {&PoolStats::wait_us, "total_wait_time", "avg_wait_time", "wait_time", "wait_time",
     "wait_time"},
    {&PoolStats::client_parses, "total_client_parse_count", "avg_client_parse_count",
     "client_parse_count", "avg_client_parse_count", "ps_client_parse_count"},
    {&PoolStats::server_parses, "total_server_parse_count", "avg_server_parse_count",
     "server_parse_count", "avg_server_parse_count", "ps_server_parse_count"},
    {&PoolStats::binds, "total_bind_count", "avg_bind_count", "bind_count", "avg_bind_count",
     "ps_bind_count"},
    {&PoolStats::client_logins, "total_client_login_count", "avg_client_login_count",
     "client_login_count", "avg_client_login_count", "client_login_count"},
}};

// Ours, at the end of the rows: servers that went from one worker to another, and statements that a server was given
// although the pool's servers had had them: it is new, or has dropped them.
constexpr compose::Column total_handed_over{"total_handed_over_count", numeric}, total_reparse{"total_reparse_count", numeric};
constexpr compose::Column handed_over{"handed_over_count", numeric}, reparse{"reparse_count", numeric};

template <std::string_view Counter::*Name>
constexpr std::array<compose::Column, 15> columns_named() {
  std::array<compose::Column, 15> columns{{{"database"}}};
  for (std::size_t i = 0; i < counters.size(); ++i) columns[i + 1] = {counters[i].*Name, numeric};
  columns[13] = handed_over;
  columns[14] = reparse;
  return columns;
}

// The last one is what older PgBouncers called the queries.
constexpr std::array<compose::Column, 28> both_columns() {
  std::array<compose::Column, 28> columns{{{"database"}}};
  columns[25] = total_handed_over;
  columns[26] = total_reparse;
  columns[27] = {"total_requests", numeric};
  for (std::size_t i = 0; i < counters.size(); ++i) {
    columns[i + 1] = {counters[i].stats_total, numeric};
    columns[i + 13] = {counters[i].stats_average, numeric};
  }
  return columns;
}

constexpr auto stats_columns = both_columns();
constexpr auto totals_columns = columns_named<&Counter::totals>();
constexpr auto averages_columns = columns_named<&Counter::averages>();
constexpr std::array<compose::Column, 2> sum_columns = {{{"name"}, {"value", numeric}}};

struct TwoStats {
  PoolStats total, last_period;
};

// The console has a row, which stays zero: its own work is not counted.
std::map<std::string, TwoStats> by_database(const ShowContext& context) {
  std::map<std::string, TwoStats> databases{{std::string(console_database), {}}};
  for (const WorkerFacts& worker : context.workers) {
    for (const PoolFacts& pool : worker.pools) {
      TwoStats& stats = databases[pool.database];
      stats.total += pool.stats;
      stats.last_period += pool.last_period;
    }
  }
  return databases;
}

void add_cells(Row& row, const PoolStats& stats) {
  for (const Counter& counter : counters) row.push_back(number(stats.*counter.member));
}

template <bool total, bool average>
std::vector<Row> rows(const ShowContext& context) {
  std::vector<Row> result;
  for (const auto& [name, stats] : by_database(context)) {
    Row row{name};
    if (total) add_cells(row, stats.total);
    const PoolStats average_stats = averages(stats.last_period, context.last_period);
    if (average) add_cells(row, average_stats);
    const PoolStats& shown = total ? stats.total : average_stats;
    row.insert(row.end(), {number(shown.handed_over), number(shown.reparses)});
    if (total && average) row.push_back(number(stats.total.queries));
    result.push_back(std::move(row));
  }
  return result;
}

std::vector<Row> sum_rows(const ShowContext& context) {
  TwoStats sum;
  for (const auto& [name, stats] : by_database(context)) {
    sum.total += stats.total;
    sum.last_period += stats.last_period;
  }
  std::vector<Row> result;
  const auto add = [&](const char* prefix, const PoolStats& stats) {
    for (const Counter& counter : counters) {
      result.push_back({prefix + std::string(counter.sum), number(stats.*counter.member)});
    }
  };
  add("total_", sum.total);
  add("avg_", averages(sum.last_period, context.last_period));
  return result;
}

}  // namespace

constinit const Show show_stats{"stats", Wants::pools, stats_columns, rows<true, true>, nullptr, 1};
constinit const Show show_stats_totals{"stats_totals", Wants::pools, totals_columns,
                                       rows<true, false>};
constinit const Show show_stats_averages{"stats_averages", Wants::pools, averages_columns,
                                         rows<false, true>};
constinit const Show show_totals{"totals", Wants::pools, sum_columns, sum_rows};

}  // namespace pgweir
