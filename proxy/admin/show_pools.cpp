// SHOW POOLS.
#include <algorithm>
#include <array>
#include <utility>

#include "proxy/admin/shows.h"

namespace pgweir {
namespace {

using namespace compose::oid;

constexpr std::array<compose::Column, 17> columns = {{
    {"database"},
    {"user"},
    {"cl_active", int4},
    {"cl_waiting", int4},
    {"cl_active_cancel_req", int4},
    {"cl_waiting_cancel_req", int4},
    {"sv_active", int4},
    {"sv_active_cancel", int4},
    {"sv_being_canceled", int4},
    {"sv_idle", int4},
    {"sv_used", int4},
    {"sv_tested", int4},
    {"sv_login", int4},
    {"maxwait", int4},
    {"maxwait_us", int4},
    {"pool_mode"},
    {"load_balance_hosts"},
}};

using PoolName = std::pair<std::string, std::string>;

void add(PoolFacts& to, const PoolFacts& from) {
  to.clients_active += from.clients_active;
  to.clients_waiting += from.clients_waiting;
  to.cancels.active_clients += from.cancels.active_clients;
  to.cancels.waiting_clients += from.cancels.waiting_clients;
  to.cancels.servers += from.cancels.servers;
  to.cancels.being_canceled += from.cancels.being_canceled;
  to.servers_active += from.servers_active;
  to.servers_idle += from.servers_idle;
  to.servers_used += from.servers_used;
  to.servers_tested += from.servers_tested;
  to.servers_login += from.servers_login;
  to.oldest_wait = std::max(to.oldest_wait, from.oldest_wait);
}

Row row_of(const PoolName& name, const PoolFacts& pool) {
  const bool host_list = pool.entry && pool.entry->hosts.size() > 1;
  return {name.first,
          name.second,
          number(pool.clients_active),
          number(pool.clients_waiting),
          number(pool.cancels.active_clients),
          number(pool.cancels.waiting_clients),
          number(pool.servers_active),
          number(pool.cancels.servers),
          number(pool.cancels.being_canceled),
          number(pool.servers_idle),
          number(pool.servers_used),
          number(pool.servers_tested),
          number(pool.servers_login),
          number(count_s(pool.oldest_wait)),
          number(count_us(pool.oldest_wait) % 1'000'000),
          std::string(name_of(pool.mode)),
          host_list ? Cell(std::string(name_of(pool.entry->load_balance_hosts))) : Cell()};
}

std::vector<Row> rows(const ShowContext& context) {
  std::map<PoolName, PoolFacts> pools;
  PoolFacts& console = pools[{std::string(console_database), std::string(console_database)}];
  console.mode = PoolMode::statement;
  for (const WorkerFacts& worker : context.workers) {
    console.clients_active += worker.counts.console_clients;
    for (const PoolFacts& pool : worker.pools) {
      const auto [place, fresh] = pools.try_emplace({pool.database, pool.user}, pool);
      if (!fresh) add(place->second, pool);
    }
  }
  std::vector<Row> result;
  for (const auto& [name, pool] : pools) result.push_back(row_of(name, pool));
  return result;
}

}  // namespace

constinit const Show show_pools{"pools", Wants::pools, columns, rows};

}  // namespace pgweir
