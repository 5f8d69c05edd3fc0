// Servers that change workers: when, and that nobody waits for one longer than a few milliseconds.
#include "tests/session/session_fixture.h"

using namespace pgweir;
using namespace pgweir::sim;

namespace {

// Two workers with a server each: `here` and `beside` are clients of the first, `there` and `waiting` of the second.
struct TwoWorkers : Calm {
  TwoWorkers() : Calm([](Config& c) { c.globals.default_pool_size = 2; }, 2) {
    here.send(query("c1.1 BEGIN"));
    CHECK(there.ask("c2.1 SELECT") == "TDCZ");
    REQUIRE(here.wait_ready());
    (void)here.take();
    CHECK(here.ask("c1.1 COMMIT") == "CZ");
  }
  void transactions_take(Duration time) {
    for (ScriptedClient* client : {static_cast<ScriptedClient*>(&here), static_cast<ScriptedClient*>(&there)}) {
      for (int i = 0; i < 20; ++i) {
        if (time == Duration{}) {
          CHECK(client->ask("c1.1 SELECT") == "TDCZ");
          continue;
        }
        CHECK(client->ask("c1.1 BEGIN") == "CZ");
        world.run_for(time);
        CHECK(client->ask("c1.1 COMMIT") == "CZ");
      }
    }
    settle();
    REQUIRE(postgres.logins_seen == 2);
  }
  std::uint64_t handed_over() {
    std::uint64_t sum = 0;
    for (Core& core : cores())
      for (const auto& [key, desk] : core.worker->desks()) sum += desk->stats.handed_over;
    return sum;
  }

  Client here{*this}, there{*this}, beside{*this}, waiting{*this};
};

}  // namespace

TEST_CASE("an idle server goes at once to who waits on another worker where transactions are long") {
  TwoWorkers house;
  house.transactions_take(milliseconds(5));
  CHECK(house.there.ask("c2.1 BEGIN") == "CZ");
  const std::uint64_t before = house.handed_over();
  house.waiting.send(query("c4.1 SELECT"));
  house.world.run_for(microseconds(900));
  CHECK(house.handed_over() == before + 1);
  CHECK(house.waiting.wait_ready(milliseconds(5)));
}

TEST_CASE("where transactions are short it waits whether one comes free there, for a millisecond") {
  TwoWorkers house;
  house.transactions_take({});
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
  TwoWorkers house;
  house.transactions_take({});
  CHECK(house.here.ask("c1.1 BEGIN") == "CZ");
  CHECK(house.there.ask("c2.1 BEGIN") == "CZ");
  house.here.send(query("c1.1 COMMIT"));
  house.waiting.send(query("c4.1 SELECT"));
  CHECK(house.waiting.wait_ready(milliseconds(6)));
}

TEST_CASE("a worker with no server of its own asks at once, however short transactions are") {
  Calm house({}, 2);
  Client one(house), two(house);
  for (int i = 0; i < 20; ++i) CHECK(one.ask("c1.1 SELECT") == "TDCZ");
  house.settle();
  two.send(query("c2.1 SELECT"));
  house.world.run_for(microseconds(1'700));
  CHECK(two.wait_ready(Duration{}));
}
