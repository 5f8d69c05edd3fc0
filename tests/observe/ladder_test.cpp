#include "proxy/observe/ladder.h"

#include <doctest/doctest.h>

#include <vector>

#include "proxy/observe/tally.h"

using namespace pgweir;

TEST_CASE("a duration counts below the first bound that is not smaller") {
  Ladder ladder;
  ladder.add(microseconds(100));
  ladder.add(microseconds(101));
  ladder.add(seconds(61));
  CHECK(ladder.counts()[0] == 1);
  CHECK(ladder.counts()[1] == 1);
  CHECK(ladder.counts().back() == 1);
  CHECK(ladder.count() == 3);
  CHECK(ladder.sum_us() == 61'000'201);
  CHECK(ladder.longer_than(250) == 1);
  CHECK(ladder.longer_than(100) == 2);
}

TEST_CASE("every bound, and what lies just below or above it, counts where a look at all of them puts it") {
  std::vector<std::uint64_t> values = {0, 1, 2, ~std::uint64_t{0} >> 12};
  for (const std::uint64_t bound : Ladder::bounds_us) values.insert(values.end(), {bound - 1, bound, bound + 1});
  for (unsigned bit = 1; bit < 40; ++bit) values.insert(values.end(), {(1ull << bit) - 1, 1ull << bit});
  for (const std::uint64_t us : values) {
    Ladder ladder;
    ladder.add(microseconds(static_cast<std::int64_t>(us)));
    std::size_t step = 0;
    while (step < Ladder::bounds_us.size() && us > Ladder::bounds_us[step]) ++step;
    CAPTURE(us);
    CHECK(ladder.counts()[step] == 1);
  }
}

TEST_CASE("a quantile lies within the step of its value") {
  Ladder ladder;
  for (int i = 0; i < 99; ++i) ladder.add(milliseconds(2));
  ladder.add(milliseconds(700));
  CHECK(ladder.quantile_ms(0.5) >= 1.0);
  CHECK(ladder.quantile_ms(0.5) <= 2.5);
  CHECK(ladder.quantile_ms(0.999) > 500);
  CHECK(Ladder{}.quantile_ms(0.5) == 0);
}

TEST_CASE("what came since a copy, and nothing when the counters have begun anew") {
  Ladder ladder;
  ladder.add(milliseconds(2));
  const Ladder before = ladder;
  ladder.add(milliseconds(3));
  CHECK(ladder.since(before).count() == 1);
  CHECK(ladder.since(before).sum_us() == 3000);
  CHECK(before.since(ladder).count() == 0);
}

TEST_CASE("error codes are bounded in number") {
  ErrorCounts errors;
  for (int i = 0; i < 500; ++i) errors.add("X" + std::to_string(1000 + i));
  errors.add("22012");
  errors.add("22012");
  errors.add("");
  CHECK(errors.counts().size() == ErrorCounts::codes_max);
  CHECK(errors.all() == 503);
  CHECK(errors.other() == 403);
}
