#include "config/effective.h"

#include <doctest/doctest.h>

#include "tests/config/memory_files.h"

using namespace pgweir;

namespace {

// Limits of database a, for a pool or a client of user u.
struct Case {
  Loaded loaded;
  explicit Case(const std::string& globals, const std::string& database, const std::string& user)
      : loaded(load_text("[pgbouncer]\n" + globals + "\n[databases]\na = " + database +
                         "\n[users]\nu = " + user + "\n")) {
    REQUIRE(loaded.config);
  }
  PoolLimits pool(std::string_view user = "u") const {
    return pool_limits(*loaded.config, *loaded.config->database("a"), user);
  }
  ClientLimits client(std::string_view user = "u") const {
    return client_limits(*loaded.config, *loaded.config->database("a"), user);
  }
};

using std::chrono::seconds;

}  // namespace

TEST_CASE("pool sizes and mode: the user's before the database's before the global ones") {
  const std::string global =
      "default_pool_size=1\nreserve_pool_size=2\nreserve_pool_timeout=9\npool_mode=session";
  PoolLimits limits = Case(global, "", "").pool();
  CHECK(limits.pool_size == 1);
  CHECK(limits.reserve_pool_size == 2);
  CHECK(limits.reserve_pool_timeout == seconds(9));
  CHECK(limits.pool_mode == PoolMode::session);
  const std::string database = "pool_size=11 reserve_pool_size=12 pool_mode=transaction";
  limits = Case(global, database, "").pool();
  CHECK(limits.pool_size == 11);
  CHECK(limits.reserve_pool_size == 12);
  CHECK(limits.pool_mode == PoolMode::transaction);
  Case all(global, database, "pool_size=21 reserve_pool_size=22 pool_mode=statement");
  CHECK(all.pool().pool_size == 21);
  CHECK(all.pool().reserve_pool_size == 22);
  CHECK(all.pool().pool_mode == PoolMode::statement);
  CHECK(all.pool("somebody else").pool_size == 11);
}

TEST_CASE("a size of zero is a value, a negative one is none") {
  CHECK(Case("default_pool_size=5", "pool_size=0", "").pool().pool_size == 0);
  CHECK(Case("default_pool_size=5", "pool_size=-1", "").pool().pool_size == 5);
  CHECK(Case("default_pool_size=-5", "", "").pool().pool_size == 0);
}

TEST_CASE("min_pool_size is the database's or the global one, capped by the pool's size") {
  CHECK(Case("min_pool_size=3", "", "").pool().min_pool_size == 3);
  CHECK(Case("min_pool_size=3", "min_pool_size=4", "").pool().min_pool_size == 4);
  CHECK(Case("min_pool_size=3", "min_pool_size=0", "").pool().min_pool_size == 0);
  CHECK(Case("min_pool_size=30", "pool_size=7", "").pool().min_pool_size == 7);
  CHECK(Case("min_pool_size=30", "pool_size=0", "").pool().min_pool_size == 30);
}

TEST_CASE("connection limits of zero leave the global ones in force") {
  CHECK(Case("max_db_connections=3", "", "").pool().max_db_connections == 3);
  CHECK(Case("max_db_connections=3", "max_db_connections=0", "").pool().max_db_connections == 3);
  CHECK(Case("max_db_connections=3", "max_db_connections=9", "").pool().max_db_connections == 9);
  CHECK(Case("max_db_connections=-3", "", "").pool().max_db_connections == 0);
  CHECK(Case("max_user_connections=3", "", "").pool().max_user_connections == 3);
  CHECK(Case("max_user_connections=3", "", "max_user_connections=0").pool().max_user_connections ==
        3);
  CHECK(Case("max_user_connections=3", "", "max_user_connections=2").pool().max_user_connections ==
        2);
}

TEST_CASE("server_lifetime of zero means once globally, and the global one per database") {
  CHECK(Case("server_lifetime=0", "", "").pool().server_lifetime == seconds(0));
  CHECK(Case("server_lifetime=60", "server_lifetime=0", "").pool().server_lifetime == seconds(60));
  CHECK(Case("server_lifetime=60", "server_lifetime=5", "").pool().server_lifetime == seconds(5));
  CHECK(Case("server_lifetime=0", "server_lifetime=5", "").pool().server_lifetime == seconds(5));
}

TEST_CASE("a user's timeouts above zero override the global ones in either direction") {
  const std::string global =
      "query_timeout=10\nidle_transaction_timeout=20\ntransaction_timeout=30\n"
      "client_idle_timeout=40\nserver_idle_timeout=50";
  PoolLimits limits = Case(global, "", "").pool();
  CHECK(limits.query_timeout == seconds(10));
  CHECK(limits.idle_transaction_timeout == seconds(20));
  CHECK(limits.transaction_timeout == seconds(30));
  CHECK(limits.server_idle_timeout == seconds(50));
  Case user(global, "",
            "query_timeout=1 idle_transaction_timeout=200 transaction_timeout=3 "
            "client_idle_timeout=4");
  CHECK(user.pool().query_timeout == seconds(1));
  CHECK(user.pool().idle_transaction_timeout == seconds(200));
  CHECK(user.pool().transaction_timeout == seconds(3));
  CHECK(user.client().client_idle_timeout == seconds(4));
  Case zero(global, "",
            "query_timeout=0 idle_transaction_timeout=0 transaction_timeout=0 "
            "client_idle_timeout=0");
  CHECK(zero.pool() == Case(global, "", "").pool());
  CHECK(zero.client().client_idle_timeout == seconds(40));
}

TEST_CASE("query_wait_timeout: user before database before global, and zero disables at each") {
  auto wait = [](const std::string& database, const std::string& user) {
    return Case("query_wait_timeout=10", database, user).client().query_wait_timeout;
  };
  CHECK(wait("", "") == seconds(10));
  CHECK(wait("query_wait_timeout=5", "") == seconds(5));
  CHECK(wait("query_wait_timeout=0", "") == seconds(0));
  CHECK(wait("query_wait_timeout=5", "query_wait_timeout=7") == seconds(7));
  CHECK(wait("query_wait_timeout=5", "query_wait_timeout=0") == seconds(0));
}

TEST_CASE("the pool belongs to the forced user, the client's limits to the login user") {
  Loaded loaded = load_text(
      "[pgbouncer]\n[databases]\nforced = user=owner\nfree =\n[users]\nowner = pool_size=2 "
      "query_wait_timeout=2 max_user_client_connections=2\nguest = pool_size=3 "
      "query_wait_timeout=3 max_user_client_connections=3\n");
  REQUIRE(loaded.config);
  const Config& c = *loaded.config;
  const DatabaseConfig& forced = *c.database("forced");
  CHECK(pool_user(forced, "guest") == "owner");
  CHECK(pool_user(*c.database("free"), "guest") == "guest");
  CHECK(pool_limits(c, forced, pool_user(forced, "guest")).pool_size == 2);
  CHECK(client_limits(c, forced, "guest").query_wait_timeout == seconds(3));
  CHECK(client_limits(c, forced, "guest").max_user_client_connections == 3);
}

TEST_CASE("client limits come from the database, the user and the global settings") {
  Case limits("max_client_conn=7\nmax_db_client_connections=8\nmax_user_client_connections=9",
              "max_db_client_connections=5", "");
  CHECK(limits.client().max_client_conn == 7);
  CHECK(limits.client().max_db_client_connections == 5);
  CHECK(limits.client().max_user_client_connections == 9);
  CHECK(Case("max_db_client_connections=8", "", "").client().max_db_client_connections == 8);
}
