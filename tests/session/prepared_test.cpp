// Prepared statements of clients that share servers (scenarios C3 and C8), by number.
#include "proxy/policy/prepared/statement_store.h"
#include "proxy/policy/prepared/trace_comment.h"
#include "tests/session/prepared_fixture.h"

using namespace pgweir;
using namespace pgweir::sim;

TEST_CASE("T08: the ParseComplete we owe stands before the error and never between rows") {
  House house(1);
  Teller a(house), b(house);
  a.prepare("s", "any SET TimeZone='bad'");
  a.prepare("r", "any ROWS 500 1");
  CHECK(b.say(parse("x", "any SET TimeZone='bad'") + bind_message("", "x") + execute("") + parse("y", "any ROWS 500 1") + sync_message()) ==
        "12EZ(22023)");
  CHECK(b.say(parse("r", "any ROWS 500 1") + describe('S', "r") + bind_message("", "r") + execute("") + parse("again", "any ROWS 500 1") +
              close_message('S', "r") + sync_message()) == "1tT2" + std::string(500, 'D') + "C13Z");
  CHECK(house.names().size() == 2);
}

TEST_CASE("T11: a name parsed, described and flushed, then a client that is gone, costs one server at most") {
  House house(1);
  {
    Teller client(house);
    client.send(parse("s", "c1.1 SELECT") + describe('S', "s") + flush());
    house.settle();
    CHECK(client.told() == "1tT");
    client.hang_up();
    house.settle();
  }
  CHECK(house.servers_in(ServerState::active) == 0);
  Teller next(house);
  next.prepare("s", "c2.1 SELECT");
  CHECK(next.say(run("s")) == "2DCZ");
}

TEST_CASE("T12, T26: a client that dies at any byte leaves no server that lacks what it is taken to have") {
  const std::string pipeline = parse("s", "any SELECT") + bind_message("", "s") + execute("") + close_message('S', "s") +
                               parse("t", "any SHOW TimeZone") + flush() + sync_message() + query("PREPARE q AS any SELECT") + run("t");
  for (std::size_t cut = 1; cut <= pipeline.size(); ++cut) {
    CAPTURE(cut);
    House house(1);
    {
      Teller client(house);
      client.send(pipeline.substr(0, cut));
      if (cut % 2) house.settle();
      if (cut % 3) client.reset();
      else client.hang_up();
      house.settle();
    }
    CHECK(house.servers_in(ServerState::active) == 0);
    Teller next(house);
    next.prepare("s", "any SELECT");
    next.prepare("t", "any SHOW TimeZone");
    CHECK(next.say(run("s")) == "2DCZ");
    CHECK(next.say(run("t")) == "2DCZ");
    CHECK(next.say(query("PREPARE q AS any SELECT")) == "CZ");
    CHECK(next.say(query("EXECUTE q")) == "TDCZ");
  }
}

TEST_CASE("T16: Close and Parse of one name in a batch, in both orders") {
  for (const bool known : {false, true}) {
    House house(1);
    Teller client(house);
    if (known) client.prepare("s", "c1.1 SELECT");
    const std::string closed = close_message('S', "s"), parsed = parse("s", "c1.2 SELECT");
    CHECK(client.say(closed + parsed + sync_message()) == "31Z");
    CHECK(client.say(run("s")) == "2DCZ");
    CHECK(client.value() == "c1.2 SELECT");
    CHECK(client.say(parse("s", "c1.3 SELECT") + close_message('S', "s") + sync_message()) == "EZ(42P05)");
    CHECK(client.say(run("s")) == "2DCZ");
    CHECK(client.value() == "c1.2 SELECT");
    CHECK(client.say(close_message('S', "s") + sync_message()) == "3Z");
    CHECK(client.say(parse("s", "c1.3 SELECT") + close_message('S', "s") + sync_message()) == "13Z");
    CHECK(client.say(run("s")) == "EZ(26000)");
  }
}

TEST_CASE("T20: a reset in a pipeline leaves what is parsed behind it") {
  for (const char* reset : {"DEALLOCATE ALL", "DISCARD ALL"}) {
    CAPTURE(reset);
    House house(1);
    Teller client(house);
    client.prepare("x", "c1.1 SELECT");
    CHECK(client.say(query(reset) + parse("x", "c1.2 SELECT") + run("x"), 2) == "CZ12DCZ");
    CHECK(client.value() == "c1.2 SELECT");
    CHECK(client.say(by_message(reset) + parse("x", "c1.3 SELECT") + run("x"), 2) == "12CZ12DCZ");
    CHECK(client.say(parse("", reset) + bind_message("", "") + execute("") + parse("x", "c1.4 SELECT") + run("x")) == "12C12DCZ");
    CHECK(client.say(run("x")) == "2DCZ");
    CHECK(client.value() == "c1.4 SELECT");
  }
}

TEST_CASE("T21: a reset by one client costs the others nothing") {
  for (const char* reset : {"DEALLOCATE ALL", "DISCARD ALL"}) {
    House house(1);
    Teller a(house), b(house);
    a.prepare("s", "any SELECT");
    b.prepare("s", "any SELECT");
    CHECK(a.say(query(reset)) == "CZ");
    CHECK(house.names().empty());
    CHECK(b.say(run("s")) == "2DCZ");
    CHECK(a.say(run("s")) == "EZ(26000)");
    a.prepare("s", "any SELECT");
  }
}

TEST_CASE("T22: a failed Parse leaves the name free, and its Close succeeds") {
  House house(1);
  Teller a(house), b(house);
  CHECK(a.say(parse("s", "c1.1 FAIL") + sync_message()) == "EZ(42601)");
  CHECK(a.say(close_message('S', "s") + sync_message()) == "3Z");
  CHECK(a.say(run("s")) == "EZ(26000)");
  a.prepare("s", "c1.2 SELECT");
  CHECK(a.say(run("s")) == "2DCZ");
  CHECK(b.say(parse("s", "any FAIL") + sync_message()) == "EZ(42601)");
  CHECK(a.say(parse("t", "any FAIL") + sync_message()) == "EZ(42601)");
  CHECK(house.names().size() == 1);
}

TEST_CASE("T23: a Describe alone works on a server that has never seen the statement") {
  House house(2);
  Teller a(house), b(house);
  a.prepare("s", "any SELECT");
  CHECK(b.ask("c2.1 BEGIN") == "CZ");                  // takes the server that knows it
  CHECK(a.say(describe('S', "s") + sync_message()) == "tTZ");
  CHECK(b.ask("c2.2 COMMIT") == "CZ");
}

namespace {

// Two texts that the store's hash cannot tell apart: the state of the hash is led to zero by words that cancel it.
std::string colliding(std::uint64_t seed, std::string_view eight, std::size_t size) {
  __extension__ using Wide = unsigned __int128;
  constexpr std::uint64_t factor = 0x9e3779b97f4a7c15;
  std::string text = "any SHOW TimeZone/*" + std::string(eight);
  text.resize((text.size() + 7) / 8 * 8, '-');
  std::uint64_t state = seed ^ size * factor, word = 0;
  for (std::size_t at = 0; at < text.size(); at += 8) {
    std::memcpy(&word, text.data() + at, 8);
    const Wide product = static_cast<Wide>(state ^ word) * factor;
    state = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
  text.append(reinterpret_cast<const char*>(&state), 8);
  return text + "*/";
}

}  // namespace

TEST_CASE("T24: two texts of the same hash are two statements") {
  House house(1);
  const std::uint64_t seed = 0x9e3779b97f4a7c15;              // of a worker whose seed is 1
  std::vector<std::string> texts;
  for (int i = 10000; texts.size() < 2; ++i) {
    const std::string text = colliding(seed, std::to_string(i) + "abc", 45);
    const bool plain = text.find('\0') == std::string::npos && text.find(';') == std::string::npos;
    if (plain && policy::without_trace_comments(text).end == text.size()) texts.push_back(text);
  }
  const auto hash = [&](const std::string& text) { return policy::StatementStore::hash_of(as_bytes(text + std::string(3, '\0')), seed); };
  REQUIRE(texts[0] != texts[1]);
  REQUIRE(hash(texts[0]) == hash(texts[1]));
  Teller a(house), b(house);
  a.prepare("s", texts[0]);
  b.prepare("s", texts[1]);
  CHECK(house.names().size() == 2);
  for (int turn = 0; turn < 2; ++turn) {
    CHECK(a.say(run("s")) == "2DCZ");
    CHECK(a.values[0].find(texts[0]) != std::string::npos);
    CHECK(b.say(run("s")) == "2DCZ");
    CHECK(b.values[0].find(texts[1]) != std::string::npos);
  }
}

TEST_CASE("T25: a statement of the batch in flight is never dropped, and what is dropped is not told") {
  House house(1, 1);
  Teller client(house);
  std::string all;
  for (const char* name : {"a", "b", "c"}) all += parse(name, std::string("c1.") + *name + " SELECT");
  for (const char* name : {"a", "b", "c"}) all += bind_message("", name) + execute("");
  CHECK(client.say(all + sync_message()) == "1112DC2DC2DCZ");
  for (const char* name : {"a", "b", "c", "a"}) {
    CHECK(client.say(run(name)) == "2DCZ");
    CHECK(house.names().size() == 1);
  }
  client.send(bind_message("", "b") + execute("") + flush());
  house.settle();
  CHECK(client.told() == "2DC");
  CHECK(client.say(bind_message("", "c") + execute("") + sync_message()) == "2DCZ");
}

TEST_CASE("T29: a named COMMIT is never lost") {
  for (const bool failed : {false, true}) {
    House house(2);
    Teller a(house), b(house);
    a.prepare("commit", "c1.1 COMMIT");
    CHECK(b.ask("c2.1 BEGIN") == "CZ");                // takes the server that knows it
    CHECK(a.ask("c1.2 BEGIN") == "CZ");
    if (failed) CHECK(a.ask("c1.3 FAIL") == "EZ");
    CHECK(b.ask("c2.2 COMMIT") == "CZ");
    CHECK(a.say(run("commit")) == "2CZ");
    house.settle();
    CHECK(house.servers_in(ServerState::active) == 0);
  }
}

TEST_CASE("T30: an unknown statement is 26000, in the client's words, and the connection stays") {
  House house(1);
  Teller client(house);
  for (const std::string& request : {bind_message("", "no"), describe('S', "no"), bind_message("", ""), describe('S', "")}) {
    CHECK(client.say(request + sync_message()) == "EZ(26000)");
    CHECK((client.error == "prepared statement \"no\" does not exist" || client.error == "unnamed prepared statement does not exist"));
  }
  for (const char* sql : {"EXECUTE no", "DEALLOCATE no"}) {
    CHECK(client.say(query(sql)) == "EZ(26000)");
    CHECK(client.error == "prepared statement \"no\" does not exist");
  }
  CHECK(client.say(parse("s", "c1.1 SELECT") + parse("s", "c1.1 SELECT") + sync_message()) == "1EZ(42P05)");
  CHECK(client.error == "prepared statement \"s\" already exists");
}

TEST_CASE("T31: the bound holds on every server, with many clients") {
  House house(3, 5);
  std::vector<std::unique_ptr<Teller>> clients;
  for (int i = 0; i < 12; ++i) clients.push_back(std::make_unique<Teller>(house));
  for (int turn = 0; turn < 6; ++turn) {
    for (std::size_t i = 0; i < clients.size(); ++i)
      clients[i]->send(parse("s" + std::to_string(turn), "any ROWS " + std::to_string(i) + " " + std::to_string(turn)) +
                       run("s" + std::to_string(turn)));
    for (auto& client : clients) REQUIRE(client->wait_ready());
    for (std::size_t backend = 0; backend < house.backends().size(); ++backend) CHECK(house.names(backend).size() <= 5);
  }
  CHECK(house.worker(0).statement_counters().closes > 20);
}

TEST_CASE("T69: the unnamed statement lasts to the client's next batch, whoever had the server meanwhile") {
  House house(1);
  Teller a(house), b(house);
  CHECK(a.say(parse("", "c1.1 SELECT") + sync_message()) == "1Z");
  CHECK(b.say(bind_message("", "") + execute("") + sync_message()) == "EZ(26000)");
  CHECK(b.say(parse("", "c2.1 SELECT") + sync_message()) == "1Z");
  for (int turn = 0; turn < 2; ++turn) {
    CHECK(a.say(run("")) == "2DCZ");
    CHECK(a.value() == "c1.1 SELECT");
    CHECK(b.say(run("")) == "2DCZ");
    CHECK(b.value() == "c2.1 SELECT");
  }
  CHECK(a.ask("c1.2 SELECT") == "TDCZ");
  CHECK(a.say(run("")) == "EZ(26000)");
}

TEST_CASE("T76: a Parse of a known text needs no server, so that more clients than servers never block each other") {
  House house(1);
  Teller a(house), b(house);
  a.prepare("s", "any SELECT");
  CHECK(a.ask("c1.1 BEGIN") == "CZ");
  b.prepare("s", "any SELECT");
  CHECK(b.say(close_message('S', "s") + sync_message()) == "3Z");
  b.prepare("s", "any SELECT");
  b.send(run("s"));
  house.settle();
  CHECK(b.told().empty());
  CHECK(a.ask("c1.2 COMMIT") == "CZ");
  REQUIRE(b.wait_ready());
  CHECK(b.told() == "2DCZ");
}
