#include "bench/histogram.h"

#include <doctest/doctest.h>

using namespace pgweir;
using pgweir::bench::Histogram;

TEST_CASE("an empty histogram has no latency") {
  const Histogram empty;
  CHECK(empty.count() == 0);
  CHECK(empty.quantile(0.99) == Duration{0});
  CHECK(empty.mean() == Duration{0});
}

TEST_CASE("small values are exact and the maximum always is") {
  Histogram h;
  for (int i = 1; i <= 10; ++i) h.add(Duration(i));
  CHECK(h.quantile(0.5) == Duration(5));
  CHECK(h.quantile(0.9) == Duration(9));
  CHECK(h.quantile(0.0) == Duration(1));
  h.add(Duration(123'456'789));
  CHECK(h.max() == Duration(123'456'789));
  CHECK(h.quantile(1.0) == Duration(123'456'789));
}

TEST_CASE("every quantile is at most two per cent too high and never too low") {
  Histogram h;
  constexpr int values = 100'000;
  for (int i = 1; i <= values; ++i) h.add(Duration(std::int64_t{i} * 997));
  for (const double q : {0.01, 0.1, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = q * values * 997;
    const auto told = static_cast<double>(h.quantile(q).count());
    CHECK(told >= exact * 0.99999);
    CHECK(told <= exact * 1.02);
  }
}

TEST_CASE("the longest representable latency has a bucket") {
  Histogram h;
  h.add(Duration::max());
  h.add(Duration(-5));
  CHECK(h.quantile(0.5) == Duration(0));
  CHECK(h.quantile(1.0) == Duration::max());
}

TEST_CASE("merging histograms is the same as adding all their values to one") {
  Histogram a, b, both;
  for (int i = 0; i < 1000; ++i) {
    Histogram& half = i % 3 == 0 ? a : b;
    half.add(Duration(i * i));
    both.add(Duration(i * i));
  }
  a.merge(b);
  CHECK(a.count() == both.count());
  CHECK(a.quantile(0.9) == both.quantile(0.9));
  CHECK(a.mean() == both.mean());
  CHECK(a.max() == both.max());
}
