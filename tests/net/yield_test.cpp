// Yield is plain data, told what happened.
#include "proxy/net/yield.h"

#include <doctest/doctest.h>

using namespace pgweir;

namespace {

constexpr std::size_t many = Yield::events_min;

// How many turns pass before the next yield.
unsigned turns_without(Yield& yield) {
  unsigned turns = 0;
  while (!yield.wanted(many)) ++turns;
  return turns;
}

}  // namespace

TEST_CASE("a worker lets others run after a turn that brought much") {
  Yield yield;
  CHECK(!yield.wanted(0));
  CHECK(!yield.wanted(many - 1));
  CHECK(yield.wanted(many));
  yield.took(microseconds(100));
  CHECK(yield.wanted(many));
}

TEST_CASE("where nobody waits for the core a few turns pass without a yield") {
  Yield yield;
  unsigned longest = 0;
  for (int i = 0; i < 10; ++i) {
    yield.took(microseconds(1));
    const unsigned turns = turns_without(yield);
    CHECK(turns >= longest);
    longest = turns;
  }
  CHECK(longest == Yield::short_rest_max);
  yield.took(microseconds(50));
  CHECK(turns_without(yield) == 0);
}

TEST_CASE("behind somebody who computes yields become rare, and frequent again when he is gone") {
  Yield yield;
  unsigned last = 0;
  for (int i = 0; i < 20; ++i) {
    yield.took(milliseconds(3));
    const unsigned turns = turns_without(yield);
    CHECK(turns == (i == 0 ? Yield::rest_min : std::min(2 * last, Yield::rest_max)));
    last = turns;
  }
  CHECK(last == Yield::rest_max);
  for (int i = 0; i < 2000; ++i) yield.took(microseconds(50));
  yield.took(milliseconds(3));
  CHECK(turns_without(yield) == Yield::rest_min);
}
