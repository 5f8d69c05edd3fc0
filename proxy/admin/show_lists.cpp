// SHOW LISTS and SHOW MEM: how many there are of what.
#include <array>
#include <utility>

#include "proxy/admin/shows.h"

namespace pgweir {
namespace {

using namespace compose::oid;

constexpr std::array<compose::Column, 2> lists_columns = {{{"list"}, {"items", int4}}};
constexpr std::array<compose::Column, 5> mem_columns = {
    {{"name"}, {"size", int4}, {"used", int4}, {"free", int4}, {"memtotal", int4}}};

ObjectCounts sum_of(const ShowContext& context) {
  ObjectCounts sum;
  for (const WorkerFacts& worker : context.workers) {
    sum.clients += worker.counts.clients;
    sum.clients_in_login += worker.counts.clients_in_login;
    sum.console_clients += worker.counts.console_clients;
    sum.servers += worker.counts.servers;
    sum.pools += worker.counts.pools;
  }
  return sum;
}

// A pool counts once, on however many workers it is; the console's is one.
std::size_t count_pools(const ShowContext& context) {
  std::set<std::pair<std::string_view, std::string_view>> names;
  for (const WorkerFacts& worker : context.workers) {
    for (const PoolFacts& pool : worker.pools) names.emplace(pool.database, pool.user);
  }
  return names.size() + 1;
}

// Nothing is kept in reserve: those counts are 0.
std::vector<Row> lists_rows(const ShowContext& context) {
  const ObjectCounts sum = sum_of(context);
  const std::size_t databases = known_databases(context.config, context.workers).size() + 1;
  const std::pair<const char*, std::size_t> lists[] = {
      {"databases", databases},
      {"users", known_users(context.config).size()},
      {"peers", context.config.peers.size()},
      {"pools", count_pools(context)},
      {"peer_pools", context.config.peers.size() - context.config.peers.count(context.config.globals.peer_id)},
      {"free_clients", 0},
      {"used_clients", sum.clients},
      {"login_clients", sum.clients_in_login},
      {"free_servers", 0},
      {"used_servers", sum.servers},
      {"dns_names", context.dns.hosts.size()},
      {"dns_zones", context.dns.zones.size()},
      {"dns_queries", static_cast<std::size_t>(context.dns.lookups)},
      {"dns_pending", static_cast<std::size_t>(context.dns.waiting)},
  };
  std::vector<Row> rows;
  for (const auto& [name, items] : lists) rows.push_back({name, number(items)});
  return rows;
}

// The objects themselves, without the buffers they own.
std::vector<Row> mem_rows(const ShowContext& context) {
  const ObjectCounts sum = sum_of(context);
  struct Kind {
    const char* name;
    std::size_t size, used;
  };
  const Kind kinds[] = {
      {"user_cache", sizeof(UserConfig), context.config.users.size()},
      {"db_cache", sizeof(DatabaseConfig), context.config.databases.size()},
      {"pool_cache", sizeof(PoolDesk), sum.pools},
      {"server_cache", sizeof(ServerConnection), sum.servers},
      {"client_cache", sizeof(ClientSession), sum.clients},
  };
  std::vector<Row> rows;
  for (const Kind& kind : kinds) {
    rows.push_back({kind.name, number(kind.size), number(kind.used), number(0),
                    number(kind.size * kind.used)});
  }
  // Of these the bytes are known: texts, histograms and the cache of statements are in them.
  DigestCounters digests;
  for (const WorkerFacts& worker : context.workers) digests += worker.query_counters;
  rows.push_back({"query_digests", number(digests.entries ? digests.bytes / digests.entries : 0), number(digests.entries), number(0),
                  number(digests.bytes)});
  return rows;
}

}  // namespace

constinit const Show show_lists{"lists", Wants::pools, lists_columns, lists_rows};
constinit const Show show_mem{"mem", Wants::pools, mem_columns, mem_rows};

}  // namespace pgweir
