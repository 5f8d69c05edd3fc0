// SHOW ISOLATION: what was done so that no client sees another one's session, per pool, since the start.
#include "proxy/admin/shows.h"

namespace pgweir {
namespace {

using namespace compose::oid;

constexpr std::array<compose::Column, 16> columns = {{
    {"database"}, {"user"}, {"session_state"}, {"pinned", numeric}, {"replays", numeric}, {"looks", numeric},
    {"full_looks", numeric}, {"cleaned", numeric}, {"advisory_lock", numeric}, {"held_cursor", numeric},
    {"channel", numeric}, {"temporary", numeric}, {"library", numeric}, {"unreadable_setting", numeric},
    {"policy", numeric}, {"unknown", numeric},
}};

std::vector<Row> rows(const ShowContext& context) {
  std::map<std::pair<std::string, std::string>, PoolFacts> pools;
  for (const WorkerFacts& worker : context.workers) {
    for (const PoolFacts& pool : worker.pools) {
      const auto [place, fresh] = pools.try_emplace({pool.database, pool.user}, pool);
      if (fresh) continue;
      place->second.isolation += pool.isolation;
      place->second.pinned += pool.pinned;
    }
  }
  std::vector<Row> result;
  for (const auto& [name, pool] : pools) {
    const IsolationCounts& counts = pool.isolation;
    const bool shared = pool.mode != PoolMode::session;
    Row row{name.first, name.second, shared ? std::string(name_of(pool.session_state)) : std::string("session mode"),
            number(pool.pinned), number(counts.replays), number(counts.looks), number(counts.full_looks), number(counts.cleaned)};
    for (std::size_t reason = 1; reason < pin_reasons; ++reason) row.push_back(number(counts.pins[reason]));
    result.push_back(std::move(row));
  }
  return result;
}

}  // namespace

constinit const Show show_isolation{"isolation", Wants::pools, columns, rows};

}  // namespace pgweir
