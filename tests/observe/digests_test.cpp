#include "proxy/observe/digests.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "proxy/observe/waits.h"

using namespace pgweir;

namespace {

Execution run(int server_ms, int queue_ms = 0) {
  Execution execution;
  execution.server = milliseconds(server_ms);
  execution.queue = milliseconds(queue_ms);
  execution.rows = 2;
  execution.who = "1.2.3.4:5";
  return execution;
}

}  // namespace

TEST_CASE("a bucket holds what lies between its floor and the next one's") {
  for (unsigned bucket = 0; bucket + 1 < Histogram::buckets_max; ++bucket) {
    CHECK(Histogram::bucket_of(Histogram::floor_of(bucket)) == bucket);
    CHECK(Histogram::bucket_of(Histogram::floor_of(bucket + 1) - 1) == bucket);
  }
  CHECK(Histogram::bucket_of(~std::uint64_t{0}) == Histogram::buckets_max - 1);
}

TEST_CASE("a spread knows mean, deviation and quantiles") {
  Spread spread;
  for (int ms = 1; ms <= 1000; ++ms) spread.add(milliseconds(ms));
  CHECK(spread.count() == 1000);
  CHECK(spread.total_ms() == doctest::Approx(500500));
  CHECK(spread.min_ms() == 1);
  CHECK(spread.max_ms() == 1000);
  CHECK(spread.stddev_ms() == doctest::Approx(std::sqrt((1000.0 * 1000 - 1) / 12)));
  CHECK(spread.quantile_ms(0.5) == doctest::Approx(500).epsilon(0.125));
  CHECK(spread.quantile_ms(0.99) == doctest::Approx(990).epsilon(0.125));
}

TEST_CASE("a spread tells a small deviation of long durations") {
  Spread spread;
  for (int i = 0; i < 1'000'000; ++i) spread.add(seconds(10) + microseconds(i % 2 == 0 ? 50 : -50));
  CHECK(spread.stddev_ms() == doctest::Approx(0.05).epsilon(0.05));
}

TEST_CASE("two spreads together are as one that saw all values") {
  Spread all, low, high;
  for (int ms = 1; ms <= 100; ++ms) {
    all.add(milliseconds(ms * ms));
    (ms <= 30 ? low : high).add(milliseconds(ms * ms));
  }
  low += high;
  low += Spread{};
  CHECK(low.stddev_ms() == doctest::Approx(all.stddev_ms()));
  CHECK(low.min_ms() == all.min_ms());
  CHECK(low.max_ms() == all.max_ms());
  CHECK(low.histogram().buckets() == all.histogram().buckets());
}

TEST_CASE("statements of one class are one entry for each database and user") {
  DigestTable table(100, 1 << 20);
  const auto one = table.origin("db", "anna"), two = table.origin("db", "otto");
  CHECK(table.origin("db", "anna") == one);
  for (int i = 0; i < 10; ++i) {
    const std::string statement = "select " + std::to_string(i);
    table.add(table.find(statement, false, one, {}), run(i, 1));
    table.add(table.find(statement, false, one, {}), run(i, 1));
  }
  auto failed = run(5);
  failed.sqlstate = "42P01";
  table.add(table.find("select 1", false, two, {}), failed);
  const auto rows = table.copy();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].id == rows[1].id);
  CHECK(rows[0].user == "anna");
  CHECK(rows[0].stats.calls == 20);
  CHECK(rows[0].stats.rows == 40);
  CHECK(rows[0].stats.part(TimePart::queue).total_ms() == 20);
  CHECK(rows[0].stats.part(TimePart::server).total_ms() == 90);
  CHECK(rows[0].stats.total.total_ms() == 110);
  CHECK(rows[0].stats.longest.took == milliseconds(10));
  CHECK(rows[1].stats.errors == 1);
  CHECK(std::string(rows[1].stats.last_sqlstate.data()) == "42P01");
}

TEST_CASE("a full table evicts what is used least, counts it, and keeps what is busy") {
  DigestTable table(50, 1 << 20);
  const auto origin = table.origin("db", "anna");
  for (int i = 0; i < 10'000; ++i) {
    table.add(table.find("select busy", false, origin, {}), run(1));
    table.add(table.find("select a" + std::to_string(i), false, origin, {}), run(1));
  }
  CHECK(table.counters().entries == 50);
  CHECK(table.counters().evicted == 10'001 - 50);
  std::uint64_t busy = 0;
  for (const auto& row : table.copy()) {
    if (*row.text == "select busy") busy = row.stats.calls;
  }
  CHECK(busy == 10'000);
}

TEST_CASE("a flood of classes that are seen once leaves alone what was there before, and what took its time") {
  DigestTable table(1000, 8 << 20);
  const auto origin = table.origin("db", "anna");
  const auto classes = [&](const std::string& name) {
    const auto rows = table.copy();
    return std::count_if(rows.begin(), rows.end(), [&](const auto& row) { return row.text->starts_with("select " + name); });
  };
  for (int i = 0; i < 500; ++i)
    for (int call = 0; call < 8; ++call) table.add(table.find("select old" + std::to_string(i), false, origin, {}), run(1));
  for (int i = 0; i < 4000; ++i) table.add(table.find("select once" + std::to_string(i), false, origin, {}), run(1));
  for (int i = 0; i < 100; ++i) table.add(table.find("select slow" + std::to_string(i), false, origin, {}), run(100));
  for (int i = 0; i < 600; ++i) table.add(table.find("select later" + std::to_string(i), false, origin, {}), run(1));
  CHECK(table.counters().entries == 1000);
  CHECK(classes("old") > 400);
  CHECK(classes("slow") == 100);
}

TEST_CASE("values that differ are one class, known text or not, and another word is another class") {
  DigestTable table(1000, 8 << 20);
  const auto origin = table.origin("db", "anna"), other_origin = table.origin("db", "bert");
  for (int i = 0; i < 20; ++i) {
    const std::string number = std::to_string(i);
    table.add(table.find("select a from t where b = " + number + " and c = 'x" + number + "'", false, origin, {}), run(1));
    table.add(table.find("select a from t where b = 1 and c = 'x'", false, i % 2 ? origin : other_origin, {}), run(1));
    table.add(table.find("select a from u where b = " + number + " and c = 'x'", false, origin, {}), run(1));
  }
  const auto rows = table.copy();
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].stats.calls == 30);
  CHECK(rows[1].stats.calls == 10);
  CHECK(rows[2].stats.calls == 20);
}

TEST_CASE("a table stays below its bytes") {
  DigestTable table(100'000, 256 * 1024);
  const auto origin = table.origin("db", "anna");
  for (int i = 0; i < 5'000; ++i) {
    table.add(table.find("select a" + std::to_string(i) + std::string(500, 'x'), false, origin, {}),
              run(i));
  }
  CHECK(table.counters().bytes <= 256 * 1024 + 4096);
  CHECK(table.counters().entries > 20);
}

TEST_CASE("what is said of an evicted or cleared entry is dropped") {
  DigestTable table(1, 1 << 20);
  const auto origin = table.origin("db", "anna");
  const auto first = table.find("select a", false, origin, {});
  const auto second = table.find("select b", false, origin, {});
  table.add(first, run(1));
  CHECK(table.copy().empty());
  table.add(second, run(1));
  table.add_idle(second, milliseconds(7));
  CHECK(table.copy().at(0).stats.part(TimePart::idle).total_ms() == 7);
  table.clear();
  table.add(second, run(1));
  CHECK(table.copy().empty());
  CHECK(table.find("select b", false, origin, {}).generation != second.generation);
}

TEST_CASE("tables of several workers make one row for each key") {
  DigestTable a(10, 1 << 20), b(10, 1 << 20);
  a.origin("other", "x");
  const auto in_a = a.origin("db", "anna"), in_b = b.origin("db", "anna");
  a.add(a.find("select 1", false, in_a, {}), run(10));
  b.add(b.find("select 2", false, in_b, {}), run(30));
  b.add(b.find("select x", false, in_b, {}), run(1));
  const auto rows = merge({a.copy(), b.copy()});
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].stats.calls == 2);
  CHECK(rows[0].stats.total.max_ms() == 30);
  CHECK(rows[0].stats.longest.took == milliseconds(30));
}

TEST_CASE("the ring of slow statements keeps the last hundred") {
  SlowRing ring;
  for (std::uint64_t i = 0; i < 250; ++i) ring.next().id = i;
  CHECK(ring.all().size() == 100);
  std::uint64_t least = 1000;
  for (const auto& slow : ring.all()) least = std::min(least, slow.id);
  CHECK(least == 150);
}

TEST_CASE("applications count apart where they are told, and only so many of them") {
  DigestTable table(10'000, 64 << 20);
  const auto shop = table.origin("db", "anna", "shop"), none = table.origin("db", "anna");
  CHECK(shop != none);
  CHECK(table.origin("db", "anna", "shop") == shop);
  table.add(table.find("select 1", false, shop, {}), run(1));
  table.add(table.find("select 1", false, none, {}), run(2));
  REQUIRE(table.copy().size() == 2);
  CHECK(table.copy()[0].application == "shop");
  for (int i = 0; i < 2000; ++i) table.origin("db", "anna", "made up " + std::to_string(i));
  CHECK(table.origin("db", "anna", "made up 1998") == table.origin("db", "anna", "made up 1999"));
  CHECK(table.origin("db", "anna", "shop") == shop);
}

TEST_CASE("a sample is of the longest run; its values are there only where they may be") {
  DigestTable table(10, 1 << 20);
  const auto origin = table.origin("db", "anna");
  Execution one = run(5);
  one.statement = "select $1 /*route='/cart'*/";
  one.values = "$1 = 'secret'";
  const auto ref = table.find("select $1", false, origin, {});
  table.add(ref, one);
  CHECK(table.copy()[0].stats.longest.tags == "route='/cart'");
  CHECK(table.copy()[0].stats.longest.values.empty());
  CHECK(table.copy()[0].stats.longest.statement.empty());
  one.server = milliseconds(9);
  one.show_values = true;
  table.add(ref, one);
  CHECK(table.copy()[0].stats.longest.values == "$1 = 'secret'");
  CHECK(table.copy()[0].stats.longest.statement == one.statement);
  table.add(ref, run(1));
  CHECK(table.copy()[0].stats.longest.values == "$1 = 'secret'");
}

TEST_CASE("values that are all the same have a histogram, too") {
  Spread same, other;
  for (int i = 0; i < 5; ++i) same.add(milliseconds(3));
  CHECK(same.bytes() == 0);
  CHECK(same.histogram().count() == 5);
  CHECK(same.quantile_ms(0.99) == 3);
  CHECK(same.stddev_ms() == 0);
  other.add(milliseconds(7));
  same += other;
  CHECK(same.histogram().count() == 6);
  CHECK(same.mean_ms() == doctest::Approx(22.0 / 6));
  same.add(milliseconds(1));
  CHECK(same.histogram().count() == 7);
  same.reset();
  CHECK(same.count() == 0);
  CHECK(same.histogram().count() == 0);
}

TEST_CASE("what the table says it takes is what it takes") {
  DigestTable table(200, 1 << 20);
  const auto origin = table.origin("db", "anna");
  for (int i = 0; i < 3000; ++i) {
    const auto ref = table.find("select a" + std::to_string(i % 300) + " from t where " + std::string(i % 200, 'x'), false, origin, {});
    table.add(ref, run(i % 7, i % 11));
    table.add_idle(ref, milliseconds(i));
  }
  std::size_t bytes = 0;
  for (const auto& row : table.copy()) bytes += row.text->capacity() + row.stats.bytes();
  CHECK(table.counters().bytes > bytes);
  table.clear();
  CHECK(table.counters().entries == 0);
  CHECK(table.counters().bytes < 1024 * 2048);   // the cache of texts
}
