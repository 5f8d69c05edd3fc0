#include "bench/script.h"

#include <doctest/doctest.h>

#include <stdexcept>

#include "protocol/framer.h"

using namespace pgweir;
using namespace pgweir::bench;

namespace {
// The message types of what a client says.
std::string tags_of(const Buffer& bytes) {
  Framer framer(Direction::from_client);
  Bytes input(bytes);
  std::string tags;
  while (const auto piece = framer.next(input))
    if (piece->starts) tags.push_back(piece->tag);
  CHECK_FALSE(framer.failed());
  return tags;
}
}  // namespace

TEST_CASE("durations have a unit") {
  CHECK(parse_duration("5ms") == milliseconds(5));
  CHECK(parse_duration("1.5s") == milliseconds(1500));
  CHECK(parse_duration("100us") == microseconds(100));
  CHECK(parse_duration("2m") == seconds(120));
  for (const char* wrong : {"5", "ms", "-1s", "", "5 ms", "1e30s"})
    CHECK_THROWS_AS(parse_duration(wrong), std::runtime_error);
}

TEST_CASE("think time is constant, uniform or exponential") {
  std::minstd_rand random(1);
  CHECK(parse_think("5ms").draw(random) == milliseconds(5));
  const Think uniform = parse_think("5ms..20ms");
  for (int i = 0; i < 100; ++i) {
    const Duration drawn = uniform.draw(random);
    CHECK(drawn >= milliseconds(5));
    CHECK(drawn <= milliseconds(20));
  }
  const Think exponential = parse_think("~10ms");
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) sum += static_cast<double>(exponential.draw(random).count());
  CHECK(sum / 10'000 == doctest::Approx(10e6).epsilon(0.05));
  CHECK_THROWS_AS(parse_think("20ms..5ms"), std::runtime_error);
}

TEST_CASE("a script has a statement or a pause a line, and parameters behind an arrow") {
  const Script script = parse_script("# hello\n\n begin\nselect $1, $2 <- abc x*5\r\nthink 5ms\n");
  REQUIRE(script.lines.size() == 3);
  CHECK(script.lines[0].sql == "begin");
  CHECK(script.lines[1].sql == "select $1, $2");
  CHECK(script.lines[1].parameters == std::vector<std::string>{"abc", "xxxxx"});
  CHECK(script.lines[2].sql.empty());
  CHECK(script.lines[2].think.from == milliseconds(5));
}

TEST_CASE("a mistake in a script names its line") {
  CHECK_THROWS_WITH(parse_script("select 1\nthink soon\n"),
                    "line 2: 'soon' is no duration like 5ms or 1.5s");
}

TEST_CASE("each protocol says a statement in its own messages") {
  const Script script = parse_script("select 1\nselect 2\nselect 1\n");
  const Program simple = compile(script, Protocol::simple, false);
  const Program extended = compile(script, Protocol::extended, false);
  const Program prepared = compile(script, Protocol::prepared, false);
  CHECK(tags_of(simple.steps.at(0).bytes) == "Q");
  CHECK(tags_of(extended.steps.at(0).bytes) == "PBDES");
  CHECK(tags_of(prepared.steps.at(0).bytes) == "BDES");
  CHECK(simple.setup.empty());
  CHECK(tags_of(prepared.setup) == "PSPS");
  CHECK(prepared.setup_readies == 2);
}

TEST_CASE("a merged program is one round trip of all its statements") {
  const Program program =
      compile(parse_script("begin\nselect 1\ncommit\n"), Protocol::simple, true);
  REQUIRE(program.steps.size() == 1);
  CHECK(program.steps[0].readies == 3);
  CHECK(tags_of(program.steps[0].bytes) == "QQQ");
}

TEST_CASE("what cannot be said is refused") {
  CHECK_THROWS_AS(compile(parse_script("select $1 <- a"), Protocol::simple, false),
                  std::runtime_error);
  CHECK_THROWS_AS(compile(parse_script("select 1\nthink 1ms"), Protocol::simple, true),
                  std::runtime_error);
  CHECK_THROWS_AS(compile(parse_script("think 1ms"), Protocol::simple, false), std::runtime_error);
  CHECK_THROWS_AS(built_in("dance", Protocol::simple, {}), std::runtime_error);
}

TEST_CASE("every built-in workload compiles in every protocol") {
  for (const char* name : {"select1", "transaction", "result", "parameter", "churn", "idle"})
    for (const auto protocol : {Protocol::simple, Protocol::extended, Protocol::prepared})
      CHECK_NOTHROW(compile(built_in(name, protocol, {}), protocol, false));
  CHECK(compile(built_in("churn", Protocol::simple, {}), Protocol::simple, false).reconnect);
  CHECK(compile(built_in("idle", Protocol::simple, {}), Protocol::simple, false).silent);
}
