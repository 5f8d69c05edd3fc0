// The metrics of prometheus-community/pgbouncer_exporter, made of the tables that it reads.
#include <algorithm>
#include <cstdlib>

#include "proxy/core/version.h"
#include "proxy/web/metrics.h"

namespace pgweir {
namespace {

struct Metric {
  std::string_view column, name, type, help;
  double factor = 1;
};
struct Source {
  std::string_view table, prefix;
  std::vector<std::string_view> labels;  // columns that become labels of that name
  std::vector<Metric> metrics;
};

constexpr double micro = 1e-6;

const std::vector<Source>& sources() {
  static const std::vector<Source> all = {
      {"databases", "pgbouncer_databases_", {"name", "host", "port", "database", "force_user", "pool_mode"}, {
          {"pool_size", "pool_size", "gauge", "Maximum number of server connections"},
          {"reserve_pool_size", "reserve_pool", "gauge", "Maximum number of additional connections for this database"},
          {"max_connections", "max_connections", "gauge", "Maximum number of allowed connections for this database"},
          {"current_connections", "current_connections", "gauge", "Current number of connections for this database"},
          {"paused", "paused", "gauge", "1 if this database is currently paused, else 0"},
          {"disabled", "disabled", "gauge", "1 if this database is currently disabled, else 0"},
      }},
      {"stats_totals", "pgbouncer_stats_totals_", {"database"}, {
          {"query_count", "queries_pooled_total", "counter", "Total number of SQL queries pooled"},
          {"query_time", "queries_duration_seconds_total", "counter", "Total number of seconds spent by pgbouncer when actively connected to PostgreSQL, executing queries", micro},
          {"bytes_received", "received_bytes_total", "counter", "Total volume in bytes of network traffic received by pgbouncer, shown as bytes"},
          {"query_count", "queries_total", "counter", "Total number of SQL requests pooled by pgbouncer, shown as requests"},
          {"bytes_sent", "sent_bytes_total", "counter", "Total volume in bytes of network traffic sent by pgbouncer, shown as bytes"},
          {"wait_time", "client_wait_seconds_total", "counter", "Time spent by clients waiting for a server in seconds", micro},
          {"xact_count", "sql_transactions_pooled_total", "counter", "Total number of SQL transactions pooled"},
          {"xact_time", "server_in_transaction_seconds_total", "counter", "Total number of seconds spent by pgbouncer when connected to PostgreSQL in a transaction, either idle in transaction or executing queries", micro},
          {"client_parse_count", "client_parses_total", "counter", "Total number of prepared statement Parse messages received from clients"},
          {"server_parse_count", "server_parses_total", "counter", "Total number of prepared statement Parse messages sent by pgbouncer to PostgreSQL"},
          {"bind_count", "binds_total", "counter", "Total number of prepared statements readied for execution with a Bind message"},
          {"server_assignment_count", "server_assignments_total", "counter", "Total number of times a server connection was assigned to a client"},
      }},
      {"pools", "pgbouncer_pools_", {"database", "user"}, {
          {"cl_active", "client_active_connections", "gauge", "Client connections linked to server connection and able to process queries, shown as connection"},
          {"cl_waiting", "client_waiting_connections", "gauge", "Client connections waiting on a server connection, shown as connection"},
          {"cl_active_cancel_req", "client_active_cancel_connections", "gauge", "Client connections that have forwarded query cancellations to the server and are waiting for the server response"},
          {"cl_waiting_cancel_req", "client_waiting_cancel_connections", "gauge", "Client connections that have not forwarded query cancellations to the server yet"},
          {"sv_active", "server_active_connections", "gauge", "Server connections linked to a client connection, shown as connection"},
          {"sv_idle", "server_idle_connections", "gauge", "Server connections idle and ready for a client query, shown as connection"},
          {"sv_used", "server_used_connections", "gauge", "Server connections idle more than server_check_delay, needing server_check_query, shown as connection"},
          {"sv_tested", "server_testing_connections", "gauge", "Server connections currently running either server_reset_query or server_check_query, shown as connection"},
          {"sv_login", "server_login_connections", "gauge", "Server connections currently in the process of logging in, shown as connection"},
          {"sv_active_cancel", "server_active_cancel_connections", "gauge", "Server connections that are currently forwarding a cancel request"},
          {"sv_being_canceled", "server_being_canceled_connections", "gauge", "Servers that normally could become idle, but are waiting to do so until all in-flight cancel requests have completed that were sent to cancel a query on this server"},
          {"maxwait", "client_maxwait_seconds", "gauge", "Age of oldest unserved client connection, shown as second"},
      }},
  };
  return all;
}

double value_of(const Cell& cell) { return cell ? std::strtod(cell->c_str(), nullptr) : 0; }

std::size_t place_of(const Columns& columns, std::string_view name) {
  const auto found = std::find_if(columns.begin(), columns.end(), [&](const auto& column) { return column.name == name; });
  return static_cast<std::size_t>(found - columns.begin());
}

void tell(Exposition& out, const Source& source, const ShowContext& context) {
  const Show& table = *find_show(source.table);
  const std::vector<Row> rows = table.rows(context);
  for (const Metric& metric : source.metrics) {
    const std::size_t place = place_of(table.columns, metric.column);
    out.family(std::string(source.prefix) + std::string(metric.name), metric.type, metric.help);
    for (const Row& row : rows) {
      std::vector<Label> labels;
      for (const std::string_view label : source.labels) {
        const Cell& cell = row[place_of(table.columns, label)];
        labels.emplace_back(label, cell ? std::string_view(*cell) : std::string_view{});
      }
      out.sample(labels, value_of(row[place]) * metric.factor);
    }
  }
}

void tell_lists(Exposition& out, const ShowContext& context) {
  constexpr std::pair<std::string_view, std::string_view> lists[][2] = {
      {{"databases", "databases"}, {"Count of databases", ""}},
      {{"users", "users"}, {"Count of users", ""}},
      {{"pools", "pools"}, {"Count of pools", ""}},
      {{"free_clients", "free_clients"}, {"Count of free clients", ""}},
      {{"used_clients", "used_clients"}, {"Count of used clients", ""}},
      {{"login_clients", "login_clients"}, {"Count of clients in login state", ""}},
      {{"free_servers", "free_servers"}, {"Count of free servers", ""}},
      {{"used_servers", "used_servers"}, {"Count of used servers", ""}},
      {{"dns_names", "cached_dns_names"}, {"Count of DNS names in the cache", ""}},
      {{"dns_zones", "cached_dns_zones"}, {"Count of DNS zones in the cache", ""}},
      {{"dns_queries", "in_flight_dns_queries"}, {"Count of in-flight DNS queries", ""}},
  };
  const std::vector<Row> rows = find_show("lists")->rows(context);
  for (const auto& list : lists) {
    const auto& [item, name] = list[0];
    for (const Row& row : rows) {
      if (*row[0] != item) continue;
      out.family("pgbouncer_" + std::string(name), "gauge", list[1].first);
      out.sample({}, value_of(row[1]));
    }
  }
}

}  // namespace

void tell_exporter_metrics(Exposition& out, const Snapshot& snapshot, const Ledger& ledger, const std::string& version) {
  const ShowContext context = snapshot.context(ledger, version);
  out.family("pgbouncer_up", "gauge", "The pgbouncer scrape succeeded");
  out.sample({}, 1);
  // Dashboards ask for the version whose console and numbers they know.
  out.family("pgbouncer_version_info", "gauge", "The pgbouncer version info");
  out.sample({{"version", "PgBouncer " PGWEIR_PARITY}}, 1);
  const Globals& globals = snapshot.config->globals;
  out.family("pgbouncer_config_max_client_connections", "gauge", "Config maximum number of client connections");
  out.sample({}, globals.max_client_conn);
  out.family("pgbouncer_config_max_user_connections", "gauge", "Config maximum number of server connections per user");
  out.sample({}, globals.max_user_connections);
  for (const Source& source : sources()) tell(out, source, context);
  tell_lists(out, context);
  out.family("pgbouncer_client_connections", "gauge", "Client connections by database, user, application name and state");
  std::map<std::tuple<std::string_view, std::string_view, std::string_view, std::string_view>, std::uint64_t> counts;
  for (const ClientCount& one : snapshot.clients) counts[{one.database, one.user, one.application_name, one.state}] += one.clients;
  for (const auto& [key, clients] : counts) {
    const auto& [database, user, application, state] = key;
    out.sample({{"database", database}, {"user", user}, {"application_name", application}, {"state", state}},
               static_cast<double>(clients));
  }
}

}  // namespace pgweir
