// SHOW ISOLATION: what was done so that no client sees another one's session, since the start: a row for each pool, then
// one for each class of statements that did something to its session, by application. In session mode it is a report of
// what would be done in transaction mode.
#include <algorithm>
#include <tuple>

#include "protocol/sql/digest.h"
#include "proxy/admin/shows.h"

namespace pgweir {
namespace {

using namespace compose::oid;

constexpr std::array<compose::Column, 28> columns = {{
    {"database"}, {"user"}, {"session_state"}, {"pinned", numeric}, {"listening", numeric}, {"replays", numeric},
    {"looks", numeric}, {"full_looks", numeric}, {"cleaned", numeric}, {"advisory_lock", numeric}, {"held_cursor", numeric},
    {"channel", numeric}, {"temporary", numeric}, {"library", numeric}, {"unreadable_setting", numeric},
    {"policy", numeric}, {"unknown", numeric}, {"sequence", numeric}, {"random_seed", numeric},
    {"audits", numeric}, {"leaks_detected", numeric}, {"application_name"}, {"queryid"},
    {"runs", numeric}, {"kept", numeric}, {"refused", numeric}, {"verdict"}, {"query"},
}};

using PoolName = std::pair<std::string, std::string>;
using Pools = std::map<PoolName, PoolFacts>;
using Classes = std::vector<IsolationRow>;

Pools merged_pools(const ShowContext& context) {
  Pools pools;
  for (const WorkerFacts& worker : context.workers) {
    for (const PoolFacts& pool : worker.pools) {
      const auto [place, fresh] = pools.try_emplace({pool.database, pool.user}, pool);
      if (fresh) continue;
      place->second.isolation += pool.isolation;
      place->second.pinned += pool.pinned;
      place->second.listening += pool.listening;
    }
  }
  return pools;
}

// Of all workers; those that run most come first.
Classes merged_classes(const ShowContext& context) {
  std::map<std::tuple<std::string, std::string, std::string, std::uint64_t>, IsolationRow> merged;
  for (const WorkerFacts& worker : context.workers) {
    for (const IsolationRow& row : worker.isolation) {
      const auto [place, fresh] = merged.try_emplace({row.database, row.user, row.application, row.id}, row);
      if (!fresh) place->second += row;
    }
  }
  Classes classes;
  for (auto& [key, row] : merged) classes.push_back(std::move(row));
  std::stable_sort(classes.begin(), classes.end(), [](const auto& a, const auto& b) { return a.runs > b.runs; });
  return classes;
}

std::string pins_of(const IsolationRow& row) {
  std::string names;
  for (std::size_t reason = 1; reason < pin_reasons; ++reason) {
    if (row.pins[reason] > 0) names += (names.empty() ? "" : ", ") + std::string(text_of(static_cast<PinReason>(reason)));
  }
  return names;
}

// In words: what becomes of such a statement. In session mode, what would.
std::string verdict_of(const IsolationRow& row, bool session_mode) {
  if (row.refused > 0) return "refused";
  if (const std::string pins = pins_of(row); !pins.empty()) return (session_mode ? "would keep its server: " : "keeps its server: ") + pins;
  if (row.kept > 0) return session_mode ? "its settings would follow the client" : "its settings follow the client";
  if (row.looks > 0) return session_mode ? "would be looked at: a function or code" : "looked at: left nothing";
  return session_mode ? "would change nothing" : "left nothing";
}

std::string readiness_of(const PoolName& name, const Classes& classes) {
  std::size_t pin = 0, follow = 0;
  for (const IsolationRow& row : classes) {
    if (PoolName{row.database, row.user} != name) continue;
    if (pins_of(row).empty()) ++follow;
    else ++pin;
  }
  if (pin > 0) return fmt::format("in transaction mode {} classes of statements would keep servers, {} would be followed or looked at", pin, follow);
  return follow > 0 ? fmt::format("ready for transaction mode: {} classes of statements would be followed or looked at", follow)
                    : "ready for transaction mode: nothing seen that changes sessions";
}

Row row_of(const PoolName& name, const PoolFacts& pool, const Classes& classes) {
  const IsolationCounts& counts = pool.isolation;
  const bool shared = pool.mode != PoolMode::session;
  Row row{name.first, name.second, shared ? std::string(name_of(pool.session_state)) : std::string("session mode"),
          number(pool.pinned), number(pool.listening), number(counts.replays), number(counts.looks), number(counts.full_looks),
          number(counts.cleaned)};
  for (std::size_t reason = 1; reason < pin_reasons; ++reason) row.push_back(number(counts.pins[reason]));
  const bool reports = !shared && pool.session_state != SessionState::off;
  const std::string verdict = reports ? readiness_of(name, classes) : counts.leaks_detected > 0 ? "has leaked" : "";
  row.insert(row.end(), {number(counts.audits), number(counts.leaks_detected), "", "", number(0), number(0), number(counts.refused), verdict, ""});
  return row;
}

Row row_of(const IsolationRow& found, const Pools& pools) {
  const auto pool = pools.find({found.database, found.user});
  const bool session_mode = pool != pools.end() && pool->second.mode == PoolMode::session;
  const std::string state = pool == pools.end() ? "" : session_mode ? "session mode" : std::string(name_of(pool->second.session_state));
  Row row{found.database, found.user, state, number(0), number(0), number(found.replays), number(found.looks), number(0), number(0)};
  for (std::size_t reason = 1; reason < pin_reasons; ++reason) row.push_back(number(found.pins[reason]));
  row.insert(row.end(), {number(0), number(0), found.application, fmt::format("{:016x}", found.id), number(found.runs), number(found.kept),
                         number(found.refused), verdict_of(found, session_mode), sql::readable(*found.text)});
  return row;
}

std::vector<Row> rows(const ShowContext& context) {
  const Pools pools = merged_pools(context);
  const Classes classes = merged_classes(context);
  std::vector<Row> result;
  for (const auto& [name, pool] : pools) result.push_back(row_of(name, pool, classes));
  for (const IsolationRow& row : classes) result.push_back(row_of(row, pools));
  return result;
}

}  // namespace

constinit const Show show_isolation{"isolation", Wants::isolation, columns, rows};

}  // namespace pgweir
