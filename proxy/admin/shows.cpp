#include "proxy/admin/shows.h"

#include <algorithm>

#include "proxy/admin/console_grammar.h"

namespace pgweir {
namespace {

constexpr const Show* all_shows[] = {
    &show_config,     &show_databases,    &show_pools,          &show_clients,
    &show_servers,    &show_users,        &show_version,        &show_peers,
    &show_peer_pools, &show_sockets,      &show_active_sockets, &show_lists,
    &show_mem,        &show_state,        &show_dns_hosts,      &show_dns_zones,      &show_fds,
    &show_stats,      &show_stats_totals, &show_stats_averages, &show_totals,
    &show_queries,    &show_query,        &show_slow_queries,   &show_waits,
    &show_activity,   &show_prepared_statements, &show_advice, &show_isolation,
};

// The values PgBouncer gives; drivers rely on them.
constexpr FakeSetting fake_settings[] = {
    {"client_encoding", "UTF-8"},
    {"default_transaction_isolation", "read committed"},
    {"standard_conforming_strings", "on"},
    {"datestyle", "ISO"},
    {"timezone", "GMT"},
};

}  // namespace

std::span<const Show* const> shows() {
  return all_shows;
}

const Show* find_show(std::string_view name) {
  const std::string wanted = lower_case(name);
  const auto found = std::find_if(std::begin(all_shows), std::end(all_shows),
                                  [&](const Show* show) { return show->name == wanted; });
  return found == std::end(all_shows) ? nullptr : *found;
}

const FakeSetting* find_fake_setting(std::string_view name) {
  const std::string wanted = lower_case(name);
  const auto found = std::find_if(std::begin(fake_settings), std::end(fake_settings),
                                  [&](const FakeSetting& fake) { return fake.name == wanted; });
  return found == std::end(fake_settings) ? nullptr : found;
}

std::map<std::string, DatabasePtr> known_databases(const Config& config,
                                                   const std::vector<WorkerFacts>& workers) {
  std::map<std::string, DatabasePtr> known(config.databases.begin(), config.databases.end());
  for (const WorkerFacts& worker : workers) {
    for (const PoolFacts& pool : worker.pools) known.emplace(pool.database, pool.entry);
  }
  return known;
}

}  // namespace pgweir
