// SHOW DATABASES.
#include <array>

#include "config/effective.h"
#include "proxy/admin/shows.h"

namespace pgweir {
namespace {

using namespace compose::oid;

constexpr std::array<compose::Column, 18> columns = {{
    {"name"},
    {"host"},
    {"port", int4},
    {"database"},
    {"force_user"},
    {"pool_size", int4},
    {"min_pool_size", int4},
    {"reserve_pool_size", int4},
    {"server_lifetime", int4},
    {"pool_mode"},
    {"load_balance_hosts"},
    {"max_connections", int4},
    {"current_connections", int4},
    {"max_client_connections", int4},
    {"current_client_connections", int4},
    {"paused", int4},
    {"disabled", int4},
    {"reserve_pool", int4},
}};

std::string join(const std::vector<std::string>& hosts) {
  return fmt::format("{}", fmt::join(hosts, ","));
}

// Sizes are the entry's or the global ones: those of a user, which may differ per pool, are not
// here.
Row row_of(const DatabaseConfig& entry, const ShowContext& context) {
  const Globals& globals = context.config.globals;
  const Ledger::Counts counts = context.ledger.database_counts(entry.name);
  const bool host_list = entry.hosts.size() > 1;
  return {entry.name,
          text_or_null(join(entry.hosts)),
          number(entry.port),
          entry.server_database(),
          text_or_null(entry.user),
          number(entry.pool_size.value_or(globals.default_pool_size)),
          number(entry.min_pool_size.value_or(globals.min_pool_size)),
          number(entry.reserve_pool_size.value_or(globals.reserve_pool_size)),
          number(count_s(entry.server_lifetime.value_or(globals.server_lifetime))),
          entry.pool_mode ? Cell(std::string(name_of(*entry.pool_mode))) : Cell(),
          host_list ? Cell(std::string(name_of(entry.load_balance_hosts))) : Cell(),
          number(entry.max_db_connections.value_or(globals.max_db_connections)),
          number(counts.servers),
          number(entry.max_db_client_connections.value_or(globals.max_db_client_connections)),
          number(counts.clients),
          number(context.paused.count(entry.name)),
          number(context.disabled.count(entry.name)),
          number(entry.reserve_pool_size.value_or(globals.reserve_pool_size))};
}

// What PgBouncer's console is to itself: a database with a forced user and a pool of two.
DatabasePtr console_entry(const Globals& globals) {
  auto entry = std::make_shared<DatabaseConfig>();
  entry->name = entry->dbname = entry->user = console_database;
  entry->port = static_cast<std::uint16_t>(globals.listen_port);
  entry->pool_size = 2;
  entry->min_pool_size = entry->reserve_pool_size = 0;
  entry->pool_mode = PoolMode::statement;
  return entry;
}

std::vector<Row> rows(const ShowContext& context) {
  auto known = known_databases(context.config, context.workers);
  known[std::string(console_database)] = console_entry(context.config.globals);
  std::vector<Row> result;
  for (const auto& [name, entry] : known) result.push_back(row_of(*entry, context));
  return result;
}

}  // namespace

constinit const Show show_databases{"databases", Wants::pools, columns, rows, nullptr, 1};

}  // namespace pgweir
