// A cancel meets the statement it was meant for, or none (scenarios C4 and T06).
#include "tests/session/session_fixture.h"

using namespace pgweir;
using namespace pgweir::sim;

TEST_CASE("a cancel reaches the running statement; T06: its own connection hears nothing") {
  Calm house;
  house.postgres.endless_sleep = true;
  Client client(house);
  client.send(query("c1.1 SLEEP"));
  house.settle();
  Canceler canceler(house, client.pid(), client.key());
  REQUIRE(client.wait_ready());
  CHECK(client.error_code() == "57014");
  CHECK(client.take_tags() == "EZ");
  house.settle();
  CHECK(canceler.over());
  CHECK(house.idle_servers() == 1);
  CHECK(client.ask("c1.2 SELECT") == "TDCZ");
}

TEST_CASE("T33: a late cancel never reaches the next client") {
  Calm house;
  house.postgres.cancel_delay_max = milliseconds(0);
  Client one(house), two(house);
  house.postgres.sleep_max = milliseconds(1);
  for (int i = 0; i < 200; ++i) {
    const std::string n = std::to_string(i);
    one.send(query("c1." + n + " SLEEP"));
    house.world.run_for(microseconds(house.world.rng.between(0, 1500)));
    Canceler canceler(house, one.pid(), one.key());
    two.send(query("c2." + n + " SLEEP"));
    REQUIRE(one.wait_ready());
    REQUIRE(two.wait_ready());
    CHECK(two.take_tags() == "CZ");
    (void)one.take();
    house.world.run_until([&] { return canceler.over(); });
    CHECK(canceler.over());
  }
}

TEST_CASE("T33: a server whose cancel is on its way waits for it before it is lent again") {
  Calm house;
  house.postgres.sleep_max = milliseconds(5);
  house.postgres.cancel_delay_max = milliseconds(400);
  Client one(house), two(house);
  one.send(query("c1.1 SLEEP"));
  house.world.run_for(milliseconds(1));
  Canceler canceler(house, one.pid(), one.key());
  two.send(query("c2.1 SLEEP"));
  REQUIRE(one.wait_ready());
  REQUIRE(two.wait_ready());
  CHECK(two.take_tags() == "CZ");
}

TEST_CASE("T34: a cancel that gets nowhere is given up after cancel_wait_timeout") {
  Calm house([](Config& c) { c.globals.cancel_wait_timeout = seconds(1); });
  house.postgres.sleep_max = seconds(4);
  house.postgres.endless_sleep = true;
  Client client(house);
  client.send(query("c1.1 SLEEP"));
  house.settle();
  house.cores()[0].connector->reachable = false;
  Canceler canceler(house, client.pid(), client.key());
  house.world.run_for(seconds(2));
  CHECK(canceler.over());
  CHECK(house.cancels() == 0);
  CHECK(house.postgres.cancels_seen == 0);
}

TEST_CASE("T35: a storm of cancels takes no place of the pool's") {
  Calm house;
  house.postgres.endless_sleep = true;
  Client client(house);
  client.send(query("c1.1 SLEEP"));
  house.settle();
  std::vector<std::unique_ptr<Canceler>> storm;
  for (int i = 0; i < 100; ++i)
    storm.push_back(std::make_unique<Canceler>(house, client.pid(), client.key()));
  REQUIRE(client.wait_ready());
  house.world.run_for(seconds(1));
  CHECK(house.postgres.cancels_seen <= 2);  // twice pool_size
  for (const auto& c : storm) CHECK(c->over());
  CHECK(house.postgres.connections() == 1);
  (void)client.take();
  house.postgres.endless_sleep = false;
  CHECK(client.ask("c1.2 SELECT") == "TDCZ");
}

TEST_CASE("T36: connect, cancel and close in any order leave nothing behind") {
  for (int i = 0; i < 60; ++i) {
    Calm house({}, 1 + static_cast<unsigned>(i % 3));
    house.world.rng = Rng(static_cast<std::uint64_t>(i));
    auto client = std::make_unique<Client>(house);
    client->send(query("c1.1 SLEEP"));
    house.world.run_for(microseconds(house.world.rng.between(0, 2000)));
    auto canceler = std::make_unique<Canceler>(house, client->pid(), client->key());
    house.world.run_for(microseconds(house.world.rng.between(0, 2000)));
    if (i % 2 == 0)
      client->reset();
    else
      canceler->reset();
    house.world.run_for(seconds(1));
    client->reset();
    house.world.run_for(seconds(1));
    CHECK(house.ledger().sockets() == 0);
    CHECK(house.cancels() == 0);
  }
}

TEST_CASE("T37: the cancel of a queued client takes it out of the queue with 57014") {
  Calm house;
  Client holder(house), queued(house);
  CHECK(holder.ask("c1.1 BEGIN") == "CZ");
  SUBCASE("a simple query") {
    queued.send(query("c2.1 SELECT"));
    house.settle();
    Canceler canceler(house, queued.pid(), queued.key());
    REQUIRE(queued.wait_ready());
    CHECK(queued.error_code() == "57014");
    CHECK(queued.take_tags() == "EZ");
  }
  SUBCASE("a batch") {
    queued.send(batch("c2.1 SELECT"));
    house.settle();
    Canceler canceler(house, queued.pid(), queued.key());
    REQUIRE(queued.wait_ready());
    CHECK(queued.take_tags() == "EZ");
  }
  SUBCASE("a function call") {
    queued.send(function_call(1, "c2.1 CALL"));
    house.settle();
    Canceler canceler(house, queued.pid(), queued.key());
    REQUIRE(queued.wait_ready());
    CHECK(queued.take_tags() == "EZ");
  }
  CHECK(holder.ask("c1.2 COMMIT") == "CZ");
  CHECK(queued.ask("c2.2 SELECT") == "TDCZ");
}

TEST_CASE(
    "T37: while the pooler sets a server's parameters there is nothing of the client's to cancel") {
  Calm house;
  Identity berlin;
  berlin.parameters = {{"timezone", "Europe/Berlin"}};
  Client client(house, berlin);
  client.send(query("c1.1 SLEEP"));
  house.world.run_until([&] { return house.clients_in(ClientPhase::preparing) == 1; });
  house.order(0, [&](Worker& worker) { CHECK(worker.clients().size() == 1); });
  Canceler canceler(house, client.pid(), client.key());
  REQUIRE(client.wait_ready());
  const std::string tags = client.take_tags();
  CHECK((tags == "CZ" || tags == "EZ"));
  CHECK(client.ask("c1.2 SHOW timezone") == "TDCZ");
}

TEST_CASE("a cancel with the wrong key does nothing") {
  Calm house;
  Client client(house);
  client.send(query("c1.1 SLEEP"));
  Canceler wrong(house, client.pid(), "\1\2\3\4"), nobody(house, 0x7f00ffff, client.key());
  REQUIRE(client.wait_ready());
  CHECK(client.take_tags() == "CZ");
  house.settle();
  CHECK(wrong.over());
  CHECK(nobody.over());
  CHECK(house.postgres.cancels_seen == 0);
}
