#include "proxy/admin/shows.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <ctime>

#include "config/settings.h"

using namespace pgweir;

namespace {

DatabasePtr entry(const std::string& name, std::vector<std::string> hosts = {}) {
  auto made = std::make_shared<DatabaseConfig>();
  made->name = name;
  made->hosts = std::move(hosts);
  return made;
}

// A configuration and what the workers said, with room for a test to change either.
struct Stage {
  Config config;
  Ledger ledger{2};
  std::vector<WorkerFacts> workers{2};
  std::set<std::string> paused, disabled;
  bool all_paused = false;
  Duration last_period{};

  Stage() { config.globals = default_globals(); }

  PoolFacts& pool(std::size_t worker, const std::string& database, const std::string& user) {
    auto& pools = workers[worker].pools;
    pools.push_back({});
    pools.back().database = database;
    pools.back().user = user;
    pools.back().entry = entry(database);
    return pools.back();
  }

  std::vector<Row> rows(const Show& show) const {
    const ShowContext context{config,   ledger,     workers,     paused,
                              disabled, all_paused, last_period, "9.8.7"};
    std::vector<Row> result = show.rows(context);
    for (const Row& row : result) REQUIRE(row.size() == show.columns.size());
    return result;
  }

  // The cell of that column in the first row whose first cell is `name`.
  Cell cell(const Show& show, const std::string& name, std::string_view column) const {
    for (const Row& row : rows(show)) {
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (row[0] == name && show.columns[i].name == column) return row[i];
      }
    }
    FAIL("no cell " << name << "." << std::string(column));
    return {};
  }
};

}  // namespace

TEST_CASE("every table is found by its name in any case, and nothing else is") {
  for (const Show* show : shows()) CHECK(find_show(show->name) == show);
  CHECK(find_show("Stats_TOTALS") == &show_stats_totals);
  CHECK(find_show("fds") == &show_fds);
  CHECK(find_show("stats ") == nullptr);
}

TEST_CASE("every table makes rows of its width from nothing at all") {
  Stage stage;
  for (const Show* show : shows()) {
    INFO(std::string(show->name));
    for (const Row& row : stage.rows(*show)) CHECK(row.size() == show->columns.size());
  }
}

TEST_CASE("the fake settings of drivers are known in any case") {
  REQUIRE(find_fake_setting("TimeZone"));
  CHECK(find_fake_setting("TimeZone")->value == "GMT");
  CHECK(find_fake_setting("client_encoding")->value == "UTF-8");
  CHECK(find_fake_setting("verbose") == nullptr);
}

TEST_CASE("SHOW VERSION begins with PgBouncer's and ends with ours") {
  Stage stage;
  CHECK(stage.rows(show_version) == std::vector<Row>{{"PgBouncer 1.25.2 (pgweir 9.8.7)"}});
}

TEST_CASE("SHOW POOLS sums a pool over the workers and takes the longest wait") {
  Stage stage;
  PoolFacts& here = stage.pool(0, "db", "u");
  here.clients_active = 2;
  here.servers_idle = 1;
  here.oldest_wait = seconds(1);
  PoolFacts& there = stage.pool(1, "db", "u");
  there.clients_active = 3;
  there.clients_waiting = 4;
  there.servers_active = 5;
  there.cancels.being_canceled = 6;
  there.oldest_wait = milliseconds(2500);
  CHECK(stage.cell(show_pools, "db", "cl_active") == "5");
  CHECK(stage.cell(show_pools, "db", "cl_waiting") == "4");
  CHECK(stage.cell(show_pools, "db", "sv_active") == "5");
  CHECK(stage.cell(show_pools, "db", "sv_idle") == "1");
  CHECK(stage.cell(show_pools, "db", "sv_being_canceled") == "6");
  CHECK(stage.cell(show_pools, "db", "maxwait") == "2");
  CHECK(stage.cell(show_pools, "db", "maxwait_us") == "500000");
}

TEST_CASE("SHOW POOLS is ordered by database and user, the console among them") {
  Stage stage;
  stage.workers[1].counts.console_clients = 2;
  stage.pool(0, "z", "a");
  stage.pool(1, "a", "b");
  stage.pool(0, "a", "a");
  std::vector<std::string> names;
  for (const Row& row : stage.rows(show_pools)) names.push_back(*row[0] + "/" + *row[1]);
  CHECK(names == std::vector<std::string>{"a/a", "a/b", "pgbouncer/pgbouncer", "z/a"});
  CHECK(stage.cell(show_pools, "pgbouncer", "cl_active") == "2");
  CHECK(stage.cell(show_pools, "pgbouncer", "pool_mode") == "statement");
}

TEST_CASE("load_balance_hosts is shown of a host list only") {
  Stage stage;
  stage.pool(0, "list", "u").entry = entry("list", {"a", "b"});
  stage.pool(0, "one", "u").entry = entry("one", {"a"});
  CHECK(stage.cell(show_pools, "list", "load_balance_hosts") == "round-robin");
  CHECK_FALSE(stage.cell(show_pools, "one", "load_balance_hosts"));
}

TEST_CASE("SHOW DATABASES lists entries, those made from the fallback, and the console") {
  Stage stage;
  auto listed = std::make_shared<DatabaseConfig>();
  listed->name = "listed";
  listed->dbname = "real";
  listed->hosts = {"h1", "h2"};
  listed->user = "forced";
  listed->pool_size = 7;
  listed->pool_mode = PoolMode::transaction;
  stage.config.databases["listed"] = listed;
  stage.pool(1, "made", "u");
  stage.paused = {"listed"};
  stage.disabled = {"made"};
  stage.ledger.admit_database_client("listed", 0);
  CHECK(stage.rows(show_databases).size() == 3);
  CHECK(stage.cell(show_databases, "listed", "host") == "h1,h2");
  CHECK(stage.cell(show_databases, "listed", "database") == "real");
  CHECK(stage.cell(show_databases, "listed", "force_user") == "forced");
  CHECK(stage.cell(show_databases, "listed", "pool_size") == "7");
  CHECK(stage.cell(show_databases, "listed", "pool_mode") == "transaction");
  CHECK(stage.cell(show_databases, "listed", "current_client_connections") == "1");
  CHECK(stage.cell(show_databases, "listed", "paused") == "1");
  CHECK(stage.cell(show_databases, "listed", "disabled") == "0");
  CHECK_FALSE(stage.cell(show_databases, "made", "host"));
  CHECK_FALSE(stage.cell(show_databases, "made", "pool_mode"));
  CHECK(stage.cell(show_databases, "made", "pool_size") == "20");
  CHECK(stage.cell(show_databases, "made", "server_lifetime") == "3600");
  CHECK(stage.cell(show_databases, "made", "disabled") == "1");
  CHECK(stage.cell(show_databases, "pgbouncer", "force_user") == "pgbouncer");
  CHECK(stage.cell(show_databases, "pgbouncer", "port") == "6432");
}

TEST_CASE("SHOW USERS shows sizes right-aligned, or nothing") {
  Stage stage;
  UserConfig limited;
  limited.name = "limited";
  limited.pool_size = 3;
  limited.max_user_connections = 5;
  stage.config.users["limited"] = limited;
  stage.config.userlist["plain"] = "secret";
  CHECK(stage.rows(show_users).size() == 3);
  CHECK(stage.cell(show_users, "limited", "pool_size") == "        3");
  CHECK(stage.cell(show_users, "limited", "max_user_connections") == "5");
  CHECK(stage.cell(show_users, "plain", "pool_size") == "");
  CHECK_FALSE(stage.cell(show_users, "plain", "pool_mode"));
  CHECK(stage.cell(show_users, "pgbouncer", "max_user_connections") == "0");
}

TEST_CASE("SHOW STATS sums by database and averages the last completed period") {
  Stage stage;
  stage.last_period = seconds(10);
  PoolFacts& one = stage.pool(0, "db", "a");
  one.stats.xacts = 1000;
  one.stats.xact_us = 7;
  one.last_period.xacts = 100;
  one.last_period.xact_us = 4000;
  PoolFacts& two = stage.pool(1, "db", "b");
  two.stats.xacts = 1;
  two.last_period.xacts = 100;
  two.last_period.xact_us = 8000;
  CHECK(stage.cell(show_stats, "db", "total_xact_count") == "1001");
  CHECK(stage.cell(show_stats, "db", "total_xact_time") == "7");
  CHECK(stage.cell(show_stats, "db", "avg_xact_count") == "20");
  CHECK(stage.cell(show_stats, "db", "avg_xact_time") == "60");
  CHECK(stage.cell(show_stats_totals, "db", "xact_count") == "1001");
  CHECK(stage.cell(show_stats_averages, "db", "xact_count") == "20");
  CHECK(stage.cell(show_totals, "total_xact_count", "value") == "1001");
  CHECK(stage.cell(show_totals, "avg_xact_time", "value") == "60");
  CHECK(stage.rows(show_totals).size() == 24);
}

TEST_CASE("a pool counts once in SHOW LISTS, on however many workers it is") {
  Stage stage;
  stage.pool(0, "db", "u");
  stage.pool(1, "db", "u");
  stage.workers[0].counts = {3, 1, 1, 2, 1};
  stage.workers[1].counts = {4, 0, 0, 5, 1};
  CHECK(stage.cell(show_lists, "pools", "items") == "2");
  CHECK(stage.cell(show_lists, "databases", "items") == "2");
  CHECK(stage.cell(show_lists, "used_clients", "items") == "7");
  CHECK(stage.cell(show_lists, "login_clients", "items") == "1");
  CHECK(stage.cell(show_lists, "used_servers", "items") == "7");
  CHECK(stage.cell(show_lists, "users", "items") == "1");
}

TEST_CASE("SHOW STATE says whether all databases are paused") {
  Stage stage;
  CHECK(stage.cell(show_state, "active", "value") == "yes");
  stage.all_paused = true;
  CHECK(stage.cell(show_state, "active", "value") == "no");
  CHECK(stage.cell(show_state, "paused", "value") == "yes");
}

TEST_CASE("SHOW CONFIG has a row per setting, in the order of the table") {
  Stage stage;
  stage.config.globals.default_pool_size = 13;
  CHECK(stage.rows(show_config).size() == settings().size());
  CHECK(stage.cell(show_config, "default_pool_size", "value") == "13");
  CHECK(stage.cell(show_config, "default_pool_size", "default") == "20");
  CHECK(stage.cell(show_config, "listen_port", "changeable") == "no");
  CHECK_FALSE(stage.cell(show_config, "auth_user", "default"));
}

namespace {

SocketFacts socket(bool is_server, const std::string& database, std::uint64_t id) {
  SocketFacts facts;
  facts.is_server = is_server;
  facts.database = database;
  facts.user = "u";
  facts.state = "idle";
  facts.socket_state = is_server ? "sv_idle" : "cl_active";
  facts.id = id;
  return facts;
}

}  // namespace

TEST_CASE("clients and servers are listed by database, user and id, whatever their worker") {
  Stage stage;
  stage.workers[0].sockets = {socket(false, "b", 1), socket(false, "a", 9), socket(true, "a", 3)};
  stage.workers[1].sockets = {socket(false, "a", 4)};
  std::vector<std::string> ids;
  for (const Row& row : stage.rows(show_clients)) ids.push_back(*row.back());
  CHECK(ids == std::vector<std::string>{"4", "9", "1"});
  CHECK(stage.rows(show_servers).size() == 1);
  CHECK(stage.rows(show_sockets).size() == 4);
  CHECK(stage.rows(show_active_sockets).empty());
  stage.workers[1].sockets[0].unsent_bytes = 5;
  CHECK(stage.cell(show_active_sockets, "C", "send_remain") == "5");
}

TEST_CASE("a client that has not logged in is a socket, and no client yet") {
  Stage stage;
  SocketFacts fresh = socket(false, "(nodb)", 1);
  fresh.in_login = true;
  stage.workers[0].sockets = {fresh};
  CHECK(stage.rows(show_clients).empty());
  CHECK(stage.rows(show_sockets).size() == 1);
}

TEST_CASE("a wait is shown in seconds and the rest of it in microseconds") {
  Stage stage;
  SocketFacts waiting = socket(false, "db", 1);
  waiting.waiting = microseconds(3'000'004);
  waiting.remote = {Endpoint::Family::unix_socket, 6432, "/tmp/.s.PGSQL.6432"};
  stage.workers[0].sockets = {waiting};
  CHECK(stage.cell(show_clients, "C", "wait") == "3");
  CHECK(stage.cell(show_clients, "C", "wait_us") == "4");
  CHECK(stage.cell(show_clients, "C", "addr") == "unix");
  CHECK(stage.cell(show_clients, "C", "link") == "");
}

TEST_CASE("a time is printed to the second with the machine's zone") {
  setenv("TZ", "UTC", 1);
  tzset();
  CHECK(print_time(WallTime(seconds(1'795'209'867))) == "2026-11-20 21:24:27 UTC");
}
