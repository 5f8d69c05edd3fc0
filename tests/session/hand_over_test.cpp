// Servers that change workers: when, and that nobody waits for one longer than a few milliseconds.
#include "tests/session/session_fixture.h"

using namespace pgweir;
using namespace pgweir::sim;

namespace {

struct TwoWorkers : Calm {
  explicit TwoWorkers(int pool_size) : Calm([&](Config& c) { c.globals.default_pool_size = pool_size; }, 2) {}
  std::uint64_t handed_over() {
    std::uint64_t sum = 0;
    for (Core& core : cores())
      for (const auto& [key, desk] : core.worker->desks()) sum += desk->stats.handed_over;
    return sum;
  }
  // Its worker learns that transactions take no longer than that.
  void transactions_take(ScriptedClient& client, Duration time) {
    for (int i = 0; i < 20; ++i) {
      if (time == Duration{}) {
        CHECK(client.ask("c1.1 SELECT") == "TDCZ");
        continue;
      }
      CHECK(client.ask("c1.1 BEGIN") == "CZ");
      world.run_for(time);
      CHECK(client.ask("c1.1 COMMIT") == "CZ");
    }
    settle();
  }

  Client here{*this}, there{*this}, beside{*this}, waiting{*this};   // `here` and `beside` are the first worker's
};

// Each worker has one of the two servers.
struct OneEach : TwoWorkers {
  explicit OneEach(Duration time) : TwoWorkers(2) {
    here.send(query("c1.1 BEGIN"));
    CHECK(there.ask("c2.1 SELECT") == "TDCZ");
    REQUIRE(here.wait_ready());
    (void)here.take();
    CHECK(here.ask("c1.1 COMMIT") == "CZ");
    transactions_take(here, time);
    transactions_take(there, time);
    REQUIRE(postgres.logins_seen == 2);
  }
};

// From a client to the worker and by mail to the other one takes half of a millisecond at most.
constexpr Duration on_the_way = microseconds(550);

}  // namespace

TEST_CASE("an idle server goes at once to who waits on another worker where transactions are long") {
  OneEach house(milliseconds(5));
  CHECK(house.there.ask("c2.1 BEGIN") == "CZ");
  const std::uint64_t before = house.handed_over();
  house.waiting.send(query("c4.1 SELECT"));
  house.world.run_for(on_the_way);
  CHECK(house.handed_over() == before + 1);
  CHECK(house.waiting.wait_ready(milliseconds(5)));
}

TEST_CASE("where transactions are short it waits whether one comes free there, for a millisecond") {
  OneEach house(Duration{});
  CHECK(house.there.ask("c2.1 BEGIN") == "CZ");
  const std::uint64_t before = house.handed_over();
  house.waiting.send(query("c4.1 SELECT"));
  SUBCASE("none does") {
    house.world.run_for(microseconds(900));
    CHECK(house.handed_over() == before);
    CHECK(house.waiting.wait_ready(milliseconds(5)));
    CHECK(house.handed_over() == before + 1);
  }
  SUBCASE("one does") {
    CHECK(house.there.ask("c2.1 COMMIT") == "CZ");
    CHECK(house.waiting.wait_ready(milliseconds(5)));
    house.settle();
    CHECK(house.handed_over() == before);
  }
}

TEST_CASE("a server that comes free beside an impatient worker is not forgotten, though nothing else happens") {
  OneEach house(Duration{});
  CHECK(house.here.ask("c1.1 BEGIN") == "CZ");
  CHECK(house.there.ask("c2.1 BEGIN") == "CZ");
  house.here.send(query("c1.1 COMMIT"));
  house.waiting.send(query("c4.1 SELECT"));
  CHECK(house.waiting.wait_ready(milliseconds(6)));
}

// Transactions are short, and both workers know.
TEST_CASE("who has no server on its own worker does not wait for one to come free there") {
  TwoWorkers house(1);
  house.transactions_take(house.there, {});
  house.transactions_take(house.here, {});
  SUBCASE("the other worker has an idle one") {
    const std::uint64_t before = house.handed_over();
    house.there.send(query("c2.1 SELECT"));
    house.world.run_for(on_the_way);
    CHECK(house.handed_over() == before + 1);
  }
  SUBCASE("the other worker's comes free a little later") {
    CHECK(house.here.ask("c1.1 BEGIN") == "CZ");
    const std::uint64_t before = house.handed_over();
    house.there.send(query("c2.1 SELECT"));
    house.here.send(query("c1.1 COMMIT"));
    CHECK(house.here.wait_ready());
    CHECK(house.handed_over() == before + 1);
  }
  CHECK(house.there.wait_ready(milliseconds(5)));
}

TEST_CASE("several who have waited for long enough get all that is idle elsewhere, at one alarm") {
  TwoWorkers house(4);
  Client fifth(house), sixth(house), seventh(house), eighth(house);   // odd ones are the first worker's
  // Three servers here, one there.
  for (ScriptedClient* client : {static_cast<ScriptedClient*>(&house.here), static_cast<ScriptedClient*>(&house.beside),
                                 static_cast<ScriptedClient*>(&fifth), static_cast<ScriptedClient*>(&house.there)})
    CHECK(client->ask("c1.1 BEGIN") == "CZ");
  REQUIRE(house.postgres.logins_seen == 4);
  for (ScriptedClient* client : {static_cast<ScriptedClient*>(&house.here), static_cast<ScriptedClient*>(&house.beside),
                                 static_cast<ScriptedClient*>(&fifth), static_cast<ScriptedClient*>(&house.there)})
    CHECK(client->ask("c1.1 COMMIT") == "CZ");
  house.transactions_take(house.here, {});
  house.transactions_take(house.there, {});
  CHECK(house.there.ask("c2.1 BEGIN") == "CZ");
  const std::uint64_t before = house.handed_over();
  house.waiting.send(query("c4.1 BEGIN"));
  sixth.send(query("c6.1 BEGIN"));
  eighth.send(query("c8.1 BEGIN"));
  CHECK(house.waiting.wait_ready(milliseconds(10)));
  CHECK(sixth.wait_ready(milliseconds(10)));
  CHECK(eighth.wait_ready(milliseconds(10)));
  CHECK(house.handed_over() == before + 3);
}
