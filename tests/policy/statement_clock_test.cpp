#include "proxy/policy/statement_clock.h"

#include <doctest/doctest.h>

#include "protocol/compose.h"

using namespace pgweir;
using policy::StatementClock;

namespace {

constexpr TimePoint start{seconds(1000)};

struct Clock {
  StatementClock clock;
  struct Line {
    std::string name, text;
    bool simple;
    Duration took;
  };
  std::vector<Line> lines;

  void send(const Buffer& messages, TimePoint now, std::size_t portion = 1 << 20) {
    Framer framer(Direction::from_client);
    for (Bytes left = messages; !left.empty();) {
      Bytes part = left.first(std::min(portion, left.size()));
      left = left.subspan(part.size());
      while (auto piece = framer.next(part)) clock.on_request(*piece, now);
      framer.end_turn();
    }
  }
  void over(TimePoint now, unsigned count = 1) {
    clock.on_finished(count, now, [&](const StatementClock::Finished& f) {
      lines.push_back({std::string(f.name), std::string(f.text), f.simple, f.took});
    });
  }
};

}  // namespace

TEST_CASE("a simple query is charged from its sending to its end") {
  Clock c;
  Buffer out;
  compose::query(out, "select 1");
  c.send(out, start);
  c.over(start + milliseconds(7));
  REQUIRE(c.lines.size() == 1);
  CHECK(c.lines[0].text == "select 1");
  CHECK(c.lines[0].simple);
  CHECK(c.lines[0].took == milliseconds(7));
}

TEST_CASE("each statement of a pipeline is charged for its own time") {
  Clock c;
  Buffer out;
  for (const char* name : {"one", "two"}) {
    compose::parse(out, name, std::string("select ") + name);
    compose::bind(out, "", name);
    compose::execute(out, "");
    compose::flush(out);
  }
  compose::sync(out);
  c.send(out, start, 3);
  c.over(start + milliseconds(5));
  c.over(start + milliseconds(9));
  REQUIRE(c.lines.size() == 2);
  CHECK(c.lines[0].name == "one");
  CHECK(c.lines[0].text == "select one");
  CHECK(c.lines[0].took == milliseconds(5));
  CHECK(c.lines[1].text == "select two");
  CHECK(c.lines[1].took == milliseconds(4));
}

TEST_CASE("an error ends the statements behind it unreported") {
  Clock c;
  Buffer out;
  for (const char* sql : {"a", "b", "c"}) compose::query(out, sql);
  c.send(out, start);
  c.over(start + milliseconds(1), 2);
  c.over(start + milliseconds(2));
  REQUIRE(c.lines.size() == 2);
  CHECK(c.lines[0].text == "a");
  CHECK(c.lines[1].text == "c");
}

TEST_CASE("a text that arrives in parts is kept up to its bound") {
  Clock c;
  Buffer out;
  const std::string sql(StatementClock::text_bytes_max + 5000, 's');
  compose::query(out, sql);
  c.send(out, start, 1000);
  CHECK(c.clock.running_text().size() == StatementClock::text_bytes_max);
  c.over(start);
  CHECK(c.clock.running_text().empty());
}

TEST_CASE("what was forgotten is not reported") {
  Clock c;
  Buffer out;
  compose::parse(out, "", "select 1");
  compose::bind(out, "", "");
  compose::execute(out, "");
  c.send(out, start);
  c.clock.forget();
  c.over(start);
  CHECK(c.lines.empty());
  Buffer again;
  compose::bind(again, "", "");
  compose::execute(again, "");
  c.send(again, start);
  c.over(start);
  REQUIRE(c.lines.size() == 1);
  CHECK(c.lines[0].text.empty());
}

TEST_CASE("a statement's answer is told in parts: first byte, rows, bytes, error, what the client held up") {
  StatementClock clock;
  Buffer out;
  compose::query(out, "select 1");
  Framer framer(Direction::from_client);
  Bytes input = out;
  clock.on_request(*framer.next(input), start);
  CHECK(clock.running_since() == start);
  clock.on_reply('N', 20, {}, start + milliseconds(1));
  clock.on_reply('D', 100, {}, start + milliseconds(5));
  clock.on_blocked(milliseconds(2));
  const std::string_view complete("SELECT 7\0", 9), error("SERROR\0C42P01\0\0", 15);
  clock.on_reply('C', 14, as_bytes(complete), start + milliseconds(9));
  clock.on_reply('E', 20, as_bytes(error), start + milliseconds(9));
  unsigned told = 0;
  const auto report = [&](const StatementClock::Finished& done) {
    ++told;
    CHECK(done.took == milliseconds(10));
    CHECK(done.to_first_byte == milliseconds(5));
    CHECK(done.blocked == milliseconds(2));
    CHECK(done.rows == 7);
    CHECK(done.bytes_in == out.size());
    CHECK(done.bytes_out == 154);
    CHECK(done.sqlstate == "42P01");
    CHECK(!done.cut);
  };
  clock.on_finished(1, start + milliseconds(10), report);
  CHECK(told == 1);
  clock.on_reply('D', 100, {}, start + milliseconds(11));   // nothing runs: nobody's
  Buffer next;
  compose::query(next, "select 2");
  input = next;
  clock.on_request(*framer.next(input), start + milliseconds(20));
  clock.on_finished(1, start + milliseconds(21), [&](const StatementClock::Finished& done) {
    CHECK(done.bytes_out == 0);
    CHECK(done.to_first_byte == milliseconds(1));
    CHECK(done.sqlstate.empty());
  });
}

namespace {

Buffer executions(unsigned count, const std::string& statement = "s") {
  Buffer out;
  for (unsigned i = 0; i < count; ++i) {
    compose::bind(out, "", statement);
    compose::execute(out, "");
  }
  return out;
}

// Sends the messages one by one, a Flush where the clock wants one; says in front of which.
std::vector<std::size_t> flushed(StatementClock& clock, const Buffer& messages, TimePoint now) {
  std::vector<std::size_t> places;
  Framer framer(Direction::from_client);
  Bytes input = messages;
  std::size_t number = 0;
  while (auto piece = framer.next(input)) {
    if (clock.wants_flush(*piece)) {
      places.push_back(number);
      clock.on_flush();
    }
    clock.on_request(*piece, now);
    ++number;
  }
  return places;
}

}  // namespace

TEST_CASE("rows of a portal that has more of them, which no command tag counts, are counted one by one") {
  StatementClock clock;
  Buffer out;
  compose::query(out, "select 1; select 2");
  Framer framer(Direction::from_client);
  Bytes input = out;
  clock.on_request(*framer.next(input), start);
  const auto rows = [&](int count) {
    while (count-- > 0) clock.on_reply('D', 10, {}, start);
  };
  rows(4);
  clock.on_reply('s', 5, {}, start);
  rows(2);
  clock.on_reply('C', 14, as_bytes(std::string_view("SELECT 2\0", 9)), start);
  rows(3);
  clock.on_reply('s', 5, {}, start);
  clock.on_finished(1, start, [&](const StatementClock::Finished& done) { CHECK(done.rows == 9); });
}

TEST_CASE("a Flush is wanted behind each execution that another follows in its batch, not at its Sync") {
  StatementClock clock;
  Buffer out = executions(3);
  compose::sync(out);
  CHECK(flushed(clock, out, start) == std::vector<std::size_t>{2, 4});
  CHECK(flushed(clock, out, start) == std::vector<std::size_t>{2, 4});
}

TEST_CASE("far into a batch a Flush is wanted where the statement changes, and each so many executions of one") {
  StatementClock clock;
  constexpr unsigned alone = StatementClock::alone_max;
  Buffer first;
  compose::parse(first, "s", "select 1");
  flushed(clock, first, start);
  flushed(clock, executions(alone + 1), start);
  CHECK(flushed(clock, executions(alone - 1), start).empty());
  CHECK(flushed(clock, executions(1), start).size() == 1);
  CHECK(flushed(clock, executions(2), start).empty());
  CHECK(flushed(clock, executions(1, "other"), start) == std::vector<std::size_t>{0});
  Buffer parsed;
  compose::parse(parsed, "other", "select 7");
  CHECK(flushed(clock, parsed, start).size() == 1);
}

TEST_CASE("executions that are answered together share the time") {
  Clock c;
  Buffer out = executions(4);
  compose::sync(out);
  c.send(out, start);
  for (int i = 0; i < 4; ++i) c.over(start + milliseconds(100));
  REQUIRE(c.lines.size() == 4);
  for (const auto& line : c.lines) CHECK(line.took == milliseconds(25));
  c.send(out, start + milliseconds(200));
  c.over(start + milliseconds(260));
  CHECK(c.lines.back().took == milliseconds(15));
  c.over(start + milliseconds(260), 3);
  CHECK(c.lines.back().took == milliseconds(45));
}

TEST_CASE("a closed statement's text is forgotten, and its place used again") {
  Clock c;
  Buffer out;
  compose::parse(out, "s", "select 1");
  compose::close(out, 'S', "s");
  compose::bind(out, "", "s");
  compose::execute(out, "");
  c.send(out, start);
  c.over(start);
  REQUIRE(c.lines.size() == 1);
  CHECK(c.lines[0].text.empty());
}

TEST_CASE("texts of many named statements stay within their bound") {
  Clock c;
  Buffer out;
  const std::string sql(StatementClock::text_bytes_max, 'x');
  for (int i = 0; i < 100; ++i) compose::parse(out, "s" + std::to_string(i), sql);
  compose::bind(out, "", "s99");
  compose::execute(out, "");
  compose::bind(out, "", "s0");
  compose::execute(out, "");
  c.send(out, start);
  c.over(start);
  c.over(start);
  REQUIRE(c.lines.size() == 2);
  CHECK(c.lines[0].text.size() == StatementClock::short_text_bytes);
  CHECK(c.lines[1].text.size() == StatementClock::text_bytes_max);
}

TEST_CASE("a FunctionCall is told by its number in PostgreSQL's words") {
  Clock c;
  Buffer out;
  const unsigned char call[] = {'F', 0, 0, 0, 14, 0, 0, 6, 0x3e, 0, 0, 0, 0, 0, 0};
  for (unsigned char byte : call) out.push_back(std::byte{byte});
  c.send(out, start);
  c.over(start + milliseconds(3));
  REQUIRE(c.lines.size() == 1);
  CHECK(c.lines[0].text == "fastpath function call: \"1598\" (OID 1598)");
  CHECK(!c.lines[0].simple);
}

TEST_CASE("names that are closed, deallocated or never closed are not kept for ever") {
  Clock c;
  for (int i = 0; i < 25'000; ++i) {
    Buffer out;
    const std::string name = "s" + std::to_string(i);
    compose::parse(out, name, "select 1");
    compose::bind(out, "p" + name, name);
    compose::execute(out, "p" + name);
    if (i < 5000) {
      compose::close(out, 'P', "p" + name);
      compose::close(out, 'S', name);
    }
    compose::sync(out);
    c.send(out, start);
    c.over(start + milliseconds(1));
    if (i == 4999) CHECK(c.clock.names() == 0);
  }
  CHECK(c.lines.size() == 25'000);
  CHECK(c.lines.back().text == "select 1");
  CHECK(c.clock.names() <= 2 * StatementClock::names_max);
  c.clock.forget_portals();
  CHECK(c.clock.names() <= StatementClock::names_max);
  c.clock.forget_statements();
  CHECK(c.clock.names() == 0);
}

TEST_CASE("the values of a Bind are told where they are wanted") {
  Clock c;
  const auto run = [&] {
    Buffer out;
    const std::optional<std::string_view> values[] = {"it's", std::nullopt, "a long one"};
    compose::parse(out, {}, "select $1, $2, $3");
    compose::bind(out, {}, {}, values);
    compose::execute(out, {});
    compose::sync(out);
    c.send(out, start);
    std::string told;
    c.clock.on_finished(1, start + milliseconds(1), [&](const StatementClock::Finished& done) { told = done.values; });
    return told;
  };
  CHECK(run().empty());
  c.clock.show_values(-1);
  CHECK(run() == "$1 = 'it''s', $2 = NULL, $3 = 'a long one'");
  c.clock.show_values(6);
  CHECK(run() == "$1 = 'it''s', $2 = NULL, $3 = 'a long...'");
  c.clock.show_values(0);
  CHECK(run().empty());
}
