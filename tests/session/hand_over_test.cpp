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

// They begin to wait while all servers are in use, so that nobody is asked for one: it is the alarm of those who shelve them.
TEST_CASE("several who have waited for long enough get all that is idle elsewhere, at one alarm") {
  TwoWorkers house(4);
  Client fifth(house), sixth(house), seventh(house), eighth(house);   // odd ones are the first worker's
  house.world.faults.latency_max = microseconds(50);
  const std::vector<ScriptedClient*> holders{&house.here, &house.beside, &fifth, &house.there};   // one of four is there
  const auto all_ask = [&](const char* what) {
    for (ScriptedClient* client : holders) CHECK(client->ask(what) == "CZ");
  };
  all_ask("c1.1 BEGIN");
  REQUIRE(house.postgres.logins_seen == 4);
  all_ask("c1.1 COMMIT");
  house.transactions_take(house.here, {});
  house.transactions_take(house.there, {});
  all_ask("c1.1 BEGIN");
  const std::uint64_t before = house.handed_over();
  for (ScriptedClient* client : std::initializer_list<ScriptedClient*>{&house.waiting, &sixth, &eighth}) client->send(query("c4.1 BEGIN"));
  house.world.run_for(microseconds(60));
  for (ScriptedClient* client : std::initializer_list<ScriptedClient*>{&house.here, &house.beside, &fifth}) client->send(query("c1.1 COMMIT"));
  CHECK(house.world.run_until([&] { return house.handed_over() > before; }, milliseconds(5)));
  CHECK(house.handed_over() == before + 3);
  for (ScriptedClient* client : std::initializer_list<ScriptedClient*>{&house.waiting, &sixth, &eighth}) CHECK(client->wait_ready(milliseconds(5)));
}
