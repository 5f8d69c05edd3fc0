// SHOW SLOW_QUERIES, SHOW WAITS and SHOW ACTIVITY. Times are milliseconds.
#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include "protocol/sql/digest.h"
#include "proxy/admin/shows.h"

namespace pgweir {
namespace {

using namespace compose::oid;

Cell ms(Duration value) { return fmt::format("{:.3f}", static_cast<double>(count_us(value)) / 1000); }

// --- SHOW SLOW_QUERIES: the last first

constexpr std::array<compose::Column, 18> slow_columns = {{
    {"at"}, {"database"}, {"user"}, {"client"}, {"application_name"}, {"server"}, {"server_pid", int4}, {"time_ms", numeric},
    {"queue_ms", numeric}, {"state_ms", numeric}, {"server_ms", numeric}, {"stream_ms", numeric}, {"client_ms", numeric},
    {"rows", int8}, {"sqlstate"}, {"tags"}, {"queryid"}, {"query"},
}};

std::vector<Row> slow_rows(const ShowContext& context) {
  std::vector<const SlowStatement*> all;
  for (const WorkerFacts& worker : context.workers) {
    for (const SlowStatement& slow : worker.slow) all.push_back(&slow);
  }
  std::stable_sort(all.begin(), all.end(), [](const auto* a, const auto* b) { return a->at > b->at; });
  if (all.size() > SlowRing::size_max) all.resize(SlowRing::size_max);
  std::vector<Row> rows;
  for (const SlowStatement* slow : all) {
    const auto part = [&](TimePart which) { return ms(slow->parts[static_cast<std::size_t>(which)]); };
    rows.push_back({print_time(slow->at), slow->database, slow->user, slow->who, text_or_null(slow->application), slow->server,
                    number(slow->server_pid), ms(slow->total()), part(TimePart::queue), part(TimePart::state),
                    part(TimePart::server), part(TimePart::stream), part(TimePart::client), number(slow->rows),
                    text_or_null(slow->sqlstate), text_or_null(slow->tags), fmt::format("{:016x}", slow->id),
                    sql::readable(*slow->text)});
  }
  return rows;
}

// --- SHOW WAITS: one row for each pool and each reason that has kept a client waiting

constexpr std::array<compose::Column, 10> waits_columns = {{
    {"database"}, {"user"}, {"reason"}, {"waits", int8}, {"given_up", int8}, {"total_wait_ms", numeric},
    {"mean_wait_ms", numeric}, {"max_wait_ms", numeric}, {"waiting_now", int8},
    {"holders"},
}};

// `web (5), report (1)`: the first few.
std::string first_of(const std::map<std::string, int>& counts) {
  std::vector<std::pair<int, std::string>> ranks;
  for (const auto& [name, count] : counts) ranks.emplace_back(-count, name);
  std::sort(ranks.begin(), ranks.end());
  if (ranks.size() > 3) ranks.resize(3);
  std::string text;
  for (const auto& [count, name] : ranks) text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", name, -count);
  return text;
}

// Who has the servers at this moment that the limit is about; empty: nobody.
std::string holders(const ShowContext& context, const std::string& database, const std::string& user, WaitReason reason) {
  std::map<std::string, int> applications, queries;
  int all = 0, idle = 0;
  for (const WorkerFacts& worker : context.workers) {
    for (const ActivityFacts& one : worker.activity) {
      const bool same_database = one.database == database, same_user = one.pool_user == user;
      const bool concerned = reason == WaitReason::max_db_connections     ? same_database
                             : reason == WaitReason::max_user_connections ? same_user
                                                                          : same_database && same_user;
      if (!concerned || one.server_pid == 0) continue;
      ++all;
      idle += one.state == "idle in transaction";
      ++applications[one.application_name.empty() ? "no application_name" : one.application_name];
      if (one.query_id) ++queries[fmt::format("{:016x}", one.query_id)];
    }
  }
  if (all == 0) return {};
  return fmt::format("{} servers: {}; {} % idle in transaction; queries: {}", all, first_of(applications), 100 * idle / all,
                     first_of(queries));
}

struct Waits {
  WaitCount count;
  std::uint64_t now = 0;
};

std::vector<Row> waits_rows(const ShowContext& context) {
  std::map<std::tuple<std::string, std::string, std::size_t>, Waits> found;
  for (const WorkerFacts& worker : context.workers) {
    for (const PoolFacts& pool : worker.pools) {
      for (std::size_t i = 0; i < wait_reasons; ++i) {
        const WaitCount& count = pool.waits[i];
        const std::uint64_t now = static_cast<std::size_t>(pool.wait_reason) == i ? pool.clients_waiting : 0;
        if (count.waits + count.given_up + now == 0) continue;
        Waits& waits = found[{pool.database, pool.user, i}];
        waits.count += count;
        waits.now += now;
      }
    }
  }
  std::vector<Row> rows;
  for (const auto& [key, waits] : found) {
    const auto& [database, user, reason] = key;
    const std::uint64_t over = waits.count.waits + waits.count.given_up;
    rows.push_back({database, user, std::string(name_of(static_cast<WaitReason>(reason))), number(waits.count.waits),
                    number(waits.count.given_up), ms(waits.count.total),
                    ms(over ? waits.count.total / static_cast<std::int64_t>(over) : Duration{}), ms(waits.count.longest),
                    number(waits.now), text_or_null(holders(context, database, user, static_cast<WaitReason>(reason)))});
  }
  return rows;
}

// --- SHOW ACTIVITY: the longest first

constexpr std::array<compose::Column, 11> activity_columns = {{
    {"database"}, {"user"}, {"client"}, {"application_name"}, {"server"}, {"server_pid", int4}, {"state"}, {"wait_reason"},
    {"state_ms", numeric}, {"queryid"}, {"query"},
}};

std::vector<Row> activity_rows(const ShowContext& context) {
  std::vector<const ActivityFacts*> all;
  for (const WorkerFacts& worker : context.workers) {
    for (const ActivityFacts& one : worker.activity) all.push_back(&one);
  }
  std::stable_sort(all.begin(), all.end(), [](const auto* a, const auto* b) { return a->lasts > b->lasts; });
  std::vector<Row> rows;
  for (const ActivityFacts* one : all) {
    rows.push_back({one->database, one->user, one->who, text_or_null(one->application_name),
                    text_or_null(one->server), one->server_pid ? number(one->server_pid) : Cell{}, std::string(one->state),
                    text_or_null(one->wait_reason), ms(one->lasts),
                    one->query_id ? Cell(fmt::format("{:016x}", one->query_id)) : Cell{}, text_or_null(one->query)});
  }
  return rows;
}

}  // namespace

constinit const Show show_slow_queries{"slow_queries", Wants::slow_queries, slow_columns, slow_rows};
constinit const Show show_waits{"waits", Wants::pools_and_activity, waits_columns, waits_rows};
constinit const Show show_activity{"activity", Wants::activity, activity_columns, activity_rows};

}  // namespace pgweir
