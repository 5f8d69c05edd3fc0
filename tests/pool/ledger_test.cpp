#include "proxy/pool/ledger.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

using namespace pgweir;

namespace {
constexpr TimePoint start{seconds(1000)};
}

TEST_CASE("a server is booked against every limit at once") {
  struct Case {
    ServerLimits limits;
    bool reserve;
    int allowed;
    BindingLimit then;
  };
  for (const Case& c : {Case{{2, 0, 0, 0}, false, 2, BindingLimit::pool_size},
                        {{2, 1, 0, 0}, false, 2, BindingLimit::pool_size},
                        {{2, 1, 0, 0}, true, 3, BindingLimit::pool_size},
                        {{5, 0, 3, 0}, false, 3, BindingLimit::max_db_connections},
                        {{5, 0, 0, 1}, false, 1, BindingLimit::max_user_connections},
                        {{0, 0, 4, 0}, false, 4, BindingLimit::max_db_connections}}) {
    Ledger ledger(1);
    PoolAccount& pool = ledger.account("db", "u");
    for (int i = 0; i < c.allowed; ++i)
      CHECK(ledger.reserve(pool, c.limits, c.reserve) == BindingLimit::none);
    CHECK(ledger.reserve(pool, c.limits, c.reserve) == c.then);
    CHECK(ledger.pool_servers(pool) == c.allowed);
    (void)ledger.give_back(pool);
    CHECK(ledger.reserve(pool, c.limits, c.reserve) == BindingLimit::none);
  }
}

TEST_CASE("a server beyond the pool is booked against the shared limits only") {
  Ledger ledger(1);
  PoolAccount& pool = ledger.account("db", "u");
  const ServerLimits limits{1, 0, 3, 0};
  REQUIRE(ledger.reserve(pool, limits, false) == BindingLimit::none);
  CHECK(ledger.reserve_beyond_pool(pool, limits) == BindingLimit::none);
  CHECK(ledger.pool_servers(pool) == 1);
  CHECK(ledger.database_counts("db").servers == 2);
  CHECK(ledger.reserve_beyond_pool(pool, limits) == BindingLimit::none);
  CHECK(ledger.reserve_beyond_pool(pool, limits) == BindingLimit::max_db_connections);
  (void)ledger.give_back(pool, true);
  CHECK(ledger.pool_servers(pool) == 1);
  CHECK(ledger.database_counts("db").servers == 2);
  CHECK(ledger.user_counts("u").servers == 2);
}

TEST_CASE("pools of one database share its limit, those of one user theirs") {
  Ledger ledger(1);
  PoolAccount& a = ledger.account("db", "u1");
  PoolAccount& b = ledger.account("db", "u2");
  PoolAccount& c = ledger.account("other", "u1");
  CHECK(&a == &ledger.account("db", "u1"));
  CHECK(ledger.find(b.key) == &b);
  const ServerLimits by_database{0, 0, 1, 0}, by_user{0, 0, 0, 1};
  CHECK(ledger.reserve(a, by_database, false) == BindingLimit::none);
  CHECK(ledger.reserve(b, by_database, false) == BindingLimit::max_db_connections);
  CHECK(ledger.reserve(c, by_user, false) == BindingLimit::max_user_connections);
  CHECK(ledger.database_counts("db").servers == 1);
  CHECK(ledger.user_counts("u1").servers == 1);
  CHECK(ledger.pools_under(a, BindingLimit::max_db_connections) == std::vector<PoolKey>{b.key});
  CHECK(ledger.pools_under(a, BindingLimit::max_user_connections) == std::vector<PoolKey>{c.key});
  CHECK(ledger.pools_under(a, BindingLimit::pool_size).empty());
}

TEST_CASE("the worker whose client waits longest is the hungrier one") {
  Ledger ledger(3);
  PoolAccount& pool = ledger.account("db", "u");
  CHECK(!Ledger::anyone_hungry(pool));
  ledger.publish_wait(pool, 1, start + seconds(2));
  ledger.publish_wait(pool, 2, start + seconds(1));
  CHECK(Ledger::anyone_hungry(pool));
  CHECK(ledger.hungrier_worker(pool, 0, TimePoint::max(), true) == 2);
  CHECK(ledger.hungrier_worker(pool, 2, TimePoint::max(), true) == 1);
  CHECK(ledger.hungrier_worker(pool, 0, start + seconds(1), false) == workers_max);
  ledger.publish_wait(pool, 1, {});
  ledger.publish_wait(pool, 2, {});
  CHECK(!Ledger::anyone_hungry(pool));
}

TEST_CASE("no more servers go to a worker than clients wait there, however long they wait") {
  Ledger ledger(2);
  PoolAccount& pool = ledger.account("db", "u");
  const TimePoint much_later = start + seconds(10);
  Ledger::publish_waiting(pool, 1, 2);
  Ledger::publish_serves(pool, 1, true);
  ledger.publish_wait(pool, 1, start);
  Ledger::publish_coming(pool, 1, 1);
  CHECK(ledger.hungrier_worker(pool, 0, much_later, true) == 1);
  CHECK(ledger.hungrier_worker(pool, 0, start + microseconds(1), true) == 1);
  CHECK(ledger.hungrier_worker(pool, 0, start + microseconds(1), false) == workers_max);
  Ledger::publish_coming(pool, 1, 1);
  CHECK(ledger.hungrier_worker(pool, 0, much_later, true) == workers_max);
  CHECK(ledger.hungrier_worker(pool, 0, TimePoint::max(), true) == workers_max);
  CHECK(ledger.hungrier_worker(pool, 0, much_later, false) == 1);   // our own would wait for longer
}

TEST_CASE("a worker that serves nobody need not have waited for long, if nobody waits here") {
  Ledger ledger(2);
  PoolAccount& pool = ledger.account("db", "u");
  Ledger::publish_waiting(pool, 1, 1);
  ledger.publish_wait(pool, 1, start);
  CHECK(ledger.hungrier_worker(pool, 0, start - milliseconds(1), true) == 1);
  CHECK(ledger.hungrier_worker(pool, 0, start - milliseconds(1), false) == workers_max);
  Ledger::publish_serves(pool, 1, true);
  CHECK(ledger.hungrier_worker(pool, 0, start - milliseconds(1), true) == workers_max);
}

TEST_CASE("a place that comes free pokes those who wait, the longest first") {
  Ledger ledger(2);
  PoolAccount& a = ledger.account("db", "u1");
  PoolAccount& b = ledger.account("db", "u2");
  REQUIRE(ledger.reserve(a, {}, false) == BindingLimit::none);
  ledger.publish_wait(a, 0, start + seconds(2));
  ledger.publish_wait(b, 1, start + seconds(1));
  auto pokes = ledger.give_back(a);
  REQUIRE(pokes.size() == 1);  // b is not kept waiting by a shared limit
  CHECK(pokes[0].key == a.key);
  ledger.publish_blocked(b, 1, BindingLimit::max_db_connections);
  CHECK(Ledger::anyone_blocked(a));
  CHECK(ledger.other_pool_is_hungrier(a, start + seconds(2)));
  CHECK(!ledger.other_pool_is_hungrier(a, start + seconds(1)));
  CHECK(!ledger.other_pool_is_hungrier(b, TimePoint::max()));
  REQUIRE(ledger.reserve(a, {}, false) == BindingLimit::none);
  pokes = ledger.give_back(a);
  REQUIRE(pokes.size() == 2);
  CHECK(pokes[0].key == b.key);
  CHECK(pokes[0].worker == 1);
  CHECK(pokes[1].key == a.key);
  ledger.publish_blocked(b, 1, BindingLimit::none);
  CHECK(!Ledger::anyone_blocked(a));
}

// One gives its server back on its thread while the other, on its own, begins to wait and asks for a place.
TEST_CASE("a place that comes free while somebody asks is given or announced") {
  constexpr int rounds = 20'000;
  constexpr ServerLimits one{1, 0, 0, 0};
  Ledger ledger(2);
  PoolAccount& pool = ledger.account("db", "u");
  std::atomic<int> arrived{0};
  const auto meet = [&](int round) {
    ++arrived;
    while (arrived.load() < 2 * round) std::this_thread::yield();
  };
  bool announced = false;
  std::thread giver([&] {
    for (int round = 0; round < rounds; ++round) {
      meet(2 * round + 1);
      announced = !ledger.give_back(pool).empty();
      meet(2 * round + 2);
    }
  });
  int missed = 0;
  REQUIRE(ledger.reserve(pool, one, false) == BindingLimit::none);
  for (int round = 0; round < rounds; ++round) {
    meet(2 * round + 1);
    ledger.publish_wait(pool, 1, start);
    const bool given = ledger.reserve(pool, one, false) == BindingLimit::none;
    meet(2 * round + 2);
    missed += !given && !announced;
    ledger.publish_wait(pool, 1, {});
    if (!given && ledger.reserve(pool, one, false) != BindingLimit::none) ++missed;
  }
  giver.join();
  CHECK(missed == 0);
}

TEST_CASE("T45: clients are counted in and out") {
  Ledger ledger(1);
  CHECK(ledger.admit_socket(1, false));
  CHECK(!ledger.admit_socket(1, false));
  CHECK(ledger.admit_socket(1, true));
  ledger.dismiss_socket();
  ledger.dismiss_socket();
  CHECK(ledger.sockets() == 0);
  CHECK(ledger.admit_database_client("db", 1));
  CHECK(!ledger.admit_database_client("db", 1));
  ledger.dismiss_database_client("db");
  CHECK(ledger.admit_database_client("db", 1));
  CHECK(ledger.admit_user_client("u", 0));
  CHECK(ledger.user_counts("u").clients == 1);
  ledger.dismiss_user_client("u");
  CHECK(ledger.user_counts("u").clients == 0);
}
