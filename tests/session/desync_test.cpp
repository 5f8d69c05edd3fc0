// Nobody ever gets an answer that is another's (scenarios C2 and C5).
#include "tests/session/session_fixture.h"

using namespace pgweir;
using namespace pgweir::sim;

TEST_CASE("a simple and an extended query reach the server and come back") {
  Calm house;
  Client client(house);
  CHECK(client.ask("c1.1 SELECT") == "TDCZ");
  client.send(batch("c1.2 SELECT"));
  REQUIRE(client.wait_ready());
  CHECK(client.take_tags() == "12TDCZ");
  house.settle();
  CHECK(house.idle_servers() == 1);
}

TEST_CASE("T03: a server that says what nobody asked for is closed, not lent again") {
  Calm house;
  Client client(house);
  CHECK(client.ask("c1.1 SELECT") == "TDCZ");
  house.settle();
  REQUIRE(house.idle_servers() == 1);
  house.backends().back()->say(complete("SELECT 1"));
  house.settle();
  CHECK(house.idle_servers() == 0);
  CHECK(client.ask("c1.2 SELECT") == "TDCZ");
}

TEST_CASE(
    "T05, T04: a timeout in the queue ends a pipelining client; nothing of its batch reaches "
    "anybody") {
  Calm house([](Config& c) { c.globals.query_wait_timeout = milliseconds(500); });
  Client holder(house), waiting(house);
  CHECK(holder.ask("c1.1 BEGIN") == "CZ");
  waiting.send(batch("c2.1 SELECT"));
  REQUIRE(waiting.wait_closed());
  CHECK(waiting.error_text() == "query_wait_timeout");
  CHECK(waiting.take_tags() == "E");
  CHECK(holder.ask("c1.2 COMMIT") == "CZ");
  Client next(house);
  CHECK(next.ask("c3.1 SELECT") == "TDCZ");
}

TEST_CASE("T07: an answer of the pooler's own stands behind the replies that are under way") {
  Calm house;
  Client client(house);
  client.send(query("c1.1 SLEEP") + sync_message() + query("c1.2 SELECT"));
  for (int i = 0; i < 3; ++i) REQUIRE(client.wait_ready());
  CHECK(client.take_tags() == "CZZTDCZ");
}

TEST_CASE("T11: a batch flushed and never synced costs its server, not the next client") {
  Calm house;
  {
    Client client(house);
    client.send(parse("", "c1.1 SELECT") + describe('S', "") + flush());
    house.settle();
    CHECK(client.take_tags() == "1tT");
    client.hang_up();
    house.settle();
  }
  CHECK(house.idle_servers() == 0);
  Client next(house);
  CHECK(next.ask("c2.1 SELECT") == "TDCZ");
}

TEST_CASE("T12: a client that dies at any byte of a pipeline leaves a clean pool") {
  const std::string pipeline = parse("", "c1.1 SELECT") + bind_message("", "") + execute("") +
                               flush() + sync_message() + query("c1.2 BEGIN");
  for (std::size_t cut = 1; cut <= pipeline.size(); ++cut) {
    CAPTURE(cut);
    Calm house;
    {
      Client client(house);
      client.send(pipeline.substr(0, cut));
      house.settle();
      client.reset();
      house.settle();
    }
    CHECK(house.servers_in(ServerState::active) == 0);
    Client next(house);
    CHECK(next.ask("c2.1 SELECT") == "TDCZ");
  }
}

TEST_CASE("T15: a client that leaves in the middle of a large row takes its server along") {
  Calm house;
  house.world.faults.socket_bytes = 4096;
  {
    Client client(house);
    client.connection().pause_peer();
    client.send(query("c1.1 ROWS 3 100000"));
    house.settle();
    client.reset();
    house.settle();
  }
  CHECK(house.servers_in(ServerState::active) == 0);
  CHECK(house.idle_servers() == 0);
  Client next(house);
  CHECK(next.ask("c2.1 SELECT") == "TDCZ");
}

TEST_CASE("T18: what a server says while it is idle is nobody's, wherever it is cut") {
  const std::string words =
      message('A', be32(1) + zero_ended("channel") + zero_ended(std::string(40, 'n'))) +
      report('N', "NOTICE", "00000", "of nobody's") + parameter("is_superuser", "on");
  for (std::size_t cut = 0; cut <= words.size(); cut += 3) {
    CAPTURE(cut);
    Calm house;
    Client client(house);
    CHECK(client.ask("c1.1 SELECT") == "TDCZ");
    house.settle();
    house.backends().back()->say(words.substr(0, cut));
    house.settle();
    client.send(query("c1.2 SLEEP"));
    house.backends().back()->say(words.substr(cut));
    REQUIRE(client.wait_ready());
    const std::string tags = client.take_tags();
    // Whole messages that came in the client's own time may be shown to it; no tail of one may.
    for (const char tag : tags) CHECK(std::string("CZANS").find(tag) != std::string::npos);
    CHECK(client.ask("c1.3 SELECT") == "TDCZ");
  }
}

TEST_CASE("what a server says of its end behind its last answer is not for the client that could have left it") {
  for (const bool in_transaction : {false, true}) {
    CAPTURE(in_transaction);
    Calm house;
    Client client(house);
    CHECK(client.ask("c1.1 SELECT") == "TDCZ");
    SimBackend& server = *house.backends().back();
    client.send(query(in_transaction ? "c1.2 BEGIN" : "c1.2 SELECT"));
    // Both are read together.
    REQUIRE(house.world.run_until([&] { return server.connection().unread_by_pooler() > 0; }));
    server.terminate("57P01", "terminating connection due to administrator command");
    REQUIRE(client.wait_ready());
    house.settle();
    CHECK(client.take_tags() == (in_transaction ? "CZE" : "TDCZ"));
    CHECK(client.closed() == in_transaction);
    CHECK(house.servers_in(ServerState::idle) == 0);
    if (!in_transaction) CHECK(client.ask("c1.3 SELECT") == "TDCZ");
  }
}

TEST_CASE("T17: a FunctionCall is answered, and its server released") {
  Calm house;
  Client client(house);
  client.send(function_call(7, "c1.1 CALL"));
  REQUIRE(client.wait_ready());
  CHECK(client.take_tags() == "VZ");
  house.settle();
  CHECK(house.idle_servers() == 1);
}

TEST_CASE("T69: an unnamed statement of an earlier batch is an error, never another client's") {
  Calm house;
  Client one(house), two(house);
  one.send(parse("", "c1.1 SELECT") + sync_message());
  REQUIRE(one.wait_ready());
  CHECK(one.take_tags() == "1Z");
  two.send(parse("", "c2.1 SELECT") + sync_message());
  REQUIRE(two.wait_ready());
  one.send(bind_message("", "") + execute("") + sync_message());
  house.settle();
  for (const std::string& m : one.take()) CHECK(m.find("c2.1") == std::string::npos);
}

TEST_CASE("T41: COPY with an early Sync releases its server") {
  Calm house;
  Client client(house);
  client.send(parse("", "c1.1 COPYIN") + bind_message("", "") + execute("") + sync_message() +
              copy_data("c1.1 line") + copy_done() + sync_message());
  REQUIRE(client.wait_ready());
  CHECK(client.take_tags() == "12GCZ");
  house.settle();
  CHECK(house.idle_servers() == 1);
  CHECK(client.ask("c1.2 SELECT") == "TDCZ");
}

TEST_CASE("T42: data that comes after a COPY has failed is ignored, and so is the end of it") {
  Calm house;
  Client client(house);
  client.send(query("c1.1 COPYIN") + copy_data("c1.1 BAD"));
  REQUIRE(client.wait_ready());
  CHECK(client.take_tags() == "GEZ");
  client.send(copy_data("c1.1 more") + copy_done());
  house.settle();
  CHECK(house.idle_servers() == 1);
  CHECK(client.ask("c1.2 SELECT") == "TDCZ");
}

TEST_CASE("a client that leaves at the end of a message that began in an earlier turn leaves no half of it behind") {
  Calm house;
  {
    Client client(house);
    const std::string late = copy_data("c1.1 line " + std::string(100, 'y'));
    client.send(query("c1.1 COPYIN") + copy_data("c1.1 BAD") + late.substr(0, 20));
    REQUIRE(client.wait_ready());
    CHECK(house.idle_servers() == 0);
    client.send(late.substr(20) + terminate());
    REQUIRE(client.wait_closed());
  }
  house.settle();
  CHECK(house.idle_servers() == 1);
  Client next(house);
  CHECK(next.ask("c2.1 SELECT") == "TDCZ");
}
