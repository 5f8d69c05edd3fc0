#include "proxy/policy/prepared/text_facts.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace pgweir::policy;

namespace {

bool same(const TextFacts& a, const TextFacts& b) {
  return a.affects_session == b.affects_session && a.resets == b.resets && a.touches_statements == b.touches_statements &&
         a.vacates_database == b.vacates_database && a.asks_sequences == b.asks_sequences &&
         a.advances_sequences == b.advances_sequences && a.seeds_random == b.seeds_random;
}

}  // namespace

TEST_CASE("a text tells what a worker has to do about it") {
  CHECK(same(facts_of("select id, name from people where id = 42"), {}));
  CHECK(same(facts_of(""), {}));
  CHECK(facts_of("set work_mem to '1MB'").affects_session);
  CHECK(facts_of("select 1; reset all").resets);
  CHECK(facts_of("deallocate all").touches_statements);
  CHECK(facts_of("drop database shop").vacates_database);
  CHECK(facts_of("select lastval()").asks_sequences);
  CHECK(facts_of("select nextval('s')").advances_sequences);
  CHECK(facts_of("select setseed(0.5)").seeds_random);
}

TEST_CASE("what is known of a text is what it says, however many others have come in between") {
  KnownTexts known;
  const std::vector<std::string> parts = {"select ", "set x to ", "reset ", "prepare a as ", "drop database ", "lastval() ", "nextval('s') ", "setseed(1) ", "; "};
  std::uint32_t random = 1;
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    random = random * 1664525 + 1013904223;
    for (std::uint32_t rest = random >> 8; rest > 0; rest /= 11) text += rest % 11 < parts.size() ? parts[rest % 11] : std::to_string(rest % 3);
    const TextFacts first = known.of(text), again = known.of(text);
    REQUIRE_MESSAGE(same(first, facts_of(text)), text);
    REQUIRE_MESSAGE(same(again, first), text);
  }
}

TEST_CASE("a text that comes again is not read again, unless it is long") {
  KnownTexts known;
  const std::string text = "select * from t where id = 1";
  for (int i = 0; i < 100; ++i) (void)known.of(text);
  CHECK(known.misses() == 1);
  const std::string longer = "select '" + std::string(KnownTexts::text_bytes_max, 'x') + "'";
  for (int i = 0; i < 10; ++i) (void)known.of(longer);
  CHECK(known.misses() == 11);
}

TEST_CASE("texts that share a line of the cache are told apart") {
  KnownTexts known;
  // More texts than lines: some share one.
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < 4 * KnownTexts::lines; ++i) {
      const std::string number = std::to_string(i);
      CHECK_FALSE(known.of("select " + number).affects_session);
      CHECK(known.of("set a.b to " + number).affects_session);
    }
  }
}
