// Limits, PAUSE, failing logins and upgrades (scenarios C5, C6, C7).
#include <algorithm>

#include "tests/session/session_fixture.h"

using namespace pgweir;
using namespace pgweir::sim;

TEST_CASE("T45: clients killed at login or in the queue give their places back") {
  Calm house([](Config& c) { c.globals.max_client_conn = 3; });
  Client holder(house);
  CHECK(holder.ask("c1.1 BEGIN") == "CZ");
  for (int i = 0; i < 20; ++i) {
    ScriptedClient login(house, {}, true);
    login.send(std::string("\0\0\0", 3));
    ScriptedClient queued(house, {});
    REQUIRE(queued.wait_ready());
    queued.send(query("c2.1 SELECT"));
    house.settle();
    login.reset();
    queued.reset();
    house.settle();
    CHECK(house.ledger().sockets() == 1);
    CHECK(house.ledger().database_counts("db").clients == 1);
    CHECK(house.ledger().user_counts("u1").clients == 1);
  }
}

TEST_CASE("T45: one client too many is told so") {
  Calm house([](Config& c) { c.globals.max_client_conn = 1; });
  Client one(house);
  ScriptedClient two(house, {});
  REQUIRE(two.wait_closed());
  CHECK(two.error_text() == "no more connections allowed (max_client_conn)");
  CHECK(one.ask("c1.1 SELECT") == "TDCZ");
}

TEST_CASE("T43: large requests of many clients wait within bounds, and leave nothing behind") {
  Calm house;
  house.world.faults.socket_bytes = 64 * 1024;
  Client holder(house);
  CHECK(holder.ask("c9.1 BEGIN") == "CZ");
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 1; i <= 20; ++i) {
    clients.push_back(std::make_unique<Client>(house));
    clients.back()->send(
        query("c" + std::to_string(i) + ".1 SELECT " + std::string(1'000'000, 'v')));
  }
  house.settle();  // the checks look at every queue
  CHECK(house.clients_in(ClientPhase::queued) == 20);
  CHECK(holder.ask("c9.2 COMMIT") == "CZ");
  for (auto& client : clients) {
    REQUIRE(client->wait_ready());
    CHECK(client->take_tags() == "TDCZ");
  }
  house.settle();
  house.for_each_client([](const ClientSession& c, const Worker&) {
    CHECK(!c.held);
    CHECK(c.outbox.empty());
    CHECK(c.framer.kept_bytes() == 0);
  });
}

TEST_CASE("T51: PAUSE waits for the running transaction, RESUME serves who waited") {
  Calm house;
  Client running(house), waiting(house);
  CHECK(running.ask("c1.1 BEGIN") == "CZ");
  house.order(0, [](Worker& w) { w.pause(""); });
  house.settle();
  CHECK(!house.worker().quiet(""));
  CHECK(running.ask("c1.2 SELECT") == "TDCZ");
  waiting.send(query("c2.1 SELECT"));
  CHECK(running.ask("c1.3 COMMIT") == "CZ");
  house.settle();
  CHECK(house.worker().quiet(""));
  CHECK(waiting.take_tags().empty());
  house.order(0, [](Worker& w) { w.resume(""); });
  REQUIRE(waiting.wait_ready());
  CHECK(waiting.take_tags() == "TDCZ");
}

TEST_CASE(
    "T53: PAUSE and RECONNECT that hit a server in its login do not make the pool a failing one") {
  for (const bool reconnect : {false, true}) {
    CAPTURE(reconnect);
    Calm house;
    house.world.faults.latency_max = milliseconds(20);
    ScriptedClient client(house, {});
    REQUIRE(house.world.run_until([&] { return house.servers_in(ServerState::login) == 1; }));
    house.order(0, [&](Worker& w) {
      if (reconnect)
        w.reconnect("");
      else
        w.pause("");
    });
    house.world.run_for(milliseconds(300));
    for (const auto& [key, desk] : house.worker().desks()) CHECK(!desk->pool.failing());
    house.order(0, [](Worker& w) { w.resume(""); });
    REQUIRE(client.wait_ready());
    CHECK(client.logged_in());
    (void)client.take();
    CHECK(client.ask("c1.1 SELECT") == "TDCZ");
  }
}

TEST_CASE("T57: a database that does not exist is an error, not a wait") {
  Calm house;
  house.postgres.missing_database = "db";
  ScriptedClient client(house, {});
  REQUIRE(client.wait_closed());
  CHECK(client.error_code() == "3D000");
}

TEST_CASE("T57: one failed login does not end those whom other servers will serve") {
  Calm house([](Config& c) { c.globals.default_pool_size = 2; });
  Client holder(house), waiting(house);
  CHECK(holder.ask("c1.1 BEGIN") == "CZ");
  house.postgres.refusal = "53300 sorry, too many clients already";
  waiting.send(query("c2.1 SELECT"));
  house.world.run_for(milliseconds(500));
  CHECK(!waiting.closed());
  CHECK(holder.ask("c1.2 COMMIT") == "CZ");
  REQUIRE(waiting.wait_ready());
  CHECK(waiting.take_tags() == "TDCZ");
}

TEST_CASE("T58: a server that comes back as another version serves the clients that stayed") {
  Calm house;
  Client client(house);
  CHECK(client.ask("c1.1 SELECT") == "TDCZ");
  CHECK(client.parameters().at("server_version") == "15.6");
  house.postgres.version = "16.2";
  house.settle();
  house.postgres.throw_out(false);
  house.settle();
  CHECK(client.ask("c1.2 SELECT") == "TDCZ");
  Client later(house);
  CHECK(later.parameters().at("server_version") == "16.2");
}

TEST_CASE(
    "T65: NegotiateProtocolVersion comes exactly once, also to a client that waits for the first "
    "server") {
  Calm house;
  house.postgres.down = true;
  Identity odd;
  odd.parameters = {{"_pq_.extension", "on"}};
  ScriptedClient client(house, odd);
  house.settle();
  house.postgres.down = false;
  REQUIRE(client.wait_ready());
  CHECK(std::count(client.login_tags.begin(), client.login_tags.end(), 'v') == 1);
}

TEST_CASE("a client's settings follow it from server to server") {
  Calm house;
  Identity berlin, tokyo;
  berlin.parameters = {{"timezone", "Europe/Berlin"}};
  tokyo.parameters = {{"timezone", "Asia/Tokyo"}};
  Client one(house, berlin), two(house, tokyo);
  for (int i = 0; i < 3; ++i) {
    one.send(query("c1.1 SHOW timezone"));
    two.send(query("c2.1 SHOW timezone"));
    REQUIRE(one.wait_ready());
    REQUIRE(two.wait_ready());
    CHECK(one.take()[1].find("Europe/Berlin") != std::string::npos);
    CHECK(two.take()[1].find("Asia/Tokyo") != std::string::npos);
  }
}

TEST_CASE("a worker without a server of its own takes an idle one of another worker's") {
  Calm house({}, 2);
  Client one(house), two(house);  // one on each worker
  for (int i = 0; i < 5; ++i) {
    CHECK(one.ask("c1.1 SELECT") == "TDCZ");
    CHECK(two.ask("c2.1 SELECT") == "TDCZ");
  }
  CHECK(house.postgres.logins_seen == 1);
}

TEST_CASE("a full database lets an idle server of the same pool go to another worker") {
  Calm house(
      [](Config& c) {
        c.globals.default_pool_size = 5;
        c.globals.max_db_connections = 1;
      },
      2);
  Client one(house), two(house);
  CHECK(one.ask("c1.1 SELECT") == "TDCZ");
  CHECK(two.ask("c2.1 SELECT") == "TDCZ");
  CHECK(house.postgres.logins_seen == 1);
}
