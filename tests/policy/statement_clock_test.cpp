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
