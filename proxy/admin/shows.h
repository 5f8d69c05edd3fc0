// The tables of SHOW: a name, its columns and the function that makes its rows from facts.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/admin/collect_queries.h"
#include "proxy/admin/facts.h"
#include "proxy/admin/table.h"

namespace pgweir {

// What a row function may look at. Valid during the call.
struct ShowContext {
  const Config& config;
  const Ledger& ledger;
  const std::vector<WorkerFacts>& workers;
  std::set<std::string> paused, disabled;  // databases
  bool all_paused = false;
  Duration last_period{};  // that PoolFacts::last_period covers
  std::string version;     // ours
  std::span<const std::string> words = {};  // after the table's name, in lower case
  DnsFacts dns = {};
  bool suspended = false;
};

struct Show {
  std::string_view name;  // in lower case
  Wants wants;
  Columns columns;
  std::vector<Row> (*rows)(const ShowContext& context);
  // Whether it understands the words after its name; null: there may be none.
  bool (*understands)(std::span<const std::string> words) = nullptr;
  // So many of the columns, the last ones, are shown with show_old_columns only.
  std::size_t old_columns = 0;
};

// All tables, in the order in which SHOW HELP lists them.
std::span<const Show* const> shows();
// Any case; null when there is no such table.
const Show* find_show(std::string_view name);

// What SHOW QUERIES BY <word> sorts by; null when there is no such word.
DigestTable::Measure query_order(std::string_view word);
// What SHOW QUERIES or SHOW QUERY with these words is about, and the answer as the tables take it.
QueriesQuestion query_question(const Show& table, std::span<const std::string> words);
std::vector<WorkerFacts> facts_of(std::vector<WorkerQueries> answers);

// A setting of PostgreSQL that drivers ask for and set when they connect.
struct FakeSetting {
  std::string_view name, value;
};
// Any case; null: it is none of these.
const FakeSetting* find_fake_setting(std::string_view name);

// The databases by name: entries of [databases], and those that clients made from the fallback.
std::map<std::string, DatabasePtr> known_databases(const Config& config,
                                                   const std::vector<WorkerFacts>& workers);

// The users by name: those of auth_file and [users], and the console's.
std::set<std::string> known_users(const Config& config);

// --- the tables, one file each
extern const Show show_clients, show_servers, show_sockets,
    show_active_sockets;  // show_sockets.cpp
extern const Show show_pools;
extern const Show show_databases;
extern const Show show_users;
extern const Show show_lists, show_mem;  // show_lists.cpp
extern const Show show_stats, show_stats_totals, show_stats_averages,
    show_totals;  // show_stats.cpp
extern const Show show_queries, show_query;  // show_queries.cpp
extern const Show show_slow_queries, show_waits, show_activity;  // show_waits.cpp
extern const Show show_prepared_statements;
extern const Show show_advice;
extern const Show show_isolation;
extern const Show show_config;
extern const Show show_version, show_state;        // show_state.cpp
extern const Show show_fds;
extern const Show show_peers, show_peer_pools;     // show_peers.cpp
extern const Show show_dns_hosts, show_dns_zones;  // show_dns.cpp

}  // namespace pgweir
