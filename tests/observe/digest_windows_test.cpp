#include <doctest/doctest.h>

#include "proxy/observe/digests.h"

using namespace pgweir;

namespace {

WallTime at(int second) { return WallTime{seconds(1'700'000'000 / 60 * 60 + second)}; }

void run(DigestTable& table, const std::string& sql, Duration server, int second) {
  Execution once;
  once.server = server;
  once.at = at(second);
  table.add(table.find(sql, false, table.origin("db", "me"), once.at), once);
}

std::uint64_t id_of(const DigestTable& table, const std::string& text) {
  for (const DigestRow& row : table.copy())
    if (row.text->find(text) != std::string::npos) return row.id;
  return 0;
}

}  // namespace

TEST_CASE("each window tells what a class did in it, and the running one what it has done so far") {
  DigestTable table(100, 1 << 20);
  table.turn_window(at(0), seconds(60), 48);
  run(table, "select a", milliseconds(10), 1);
  run(table, "select a", milliseconds(20), 2);
  table.turn_window(at(60), seconds(60), 48);
  run(table, "select a", milliseconds(5), 61);
  table.turn_window(at(70), seconds(60), 48);
  const auto windows = table.windows(id_of(table, "a"), "db", "me");
  REQUIRE(windows.size() == 2);
  CHECK(windows[0].calls == 2);
  CHECK(windows[0].total_ms == doctest::Approx(30));
  CHECK(windows[0].from == at(0));
  CHECK(windows[0].until == at(60));
  CHECK(windows[1].calls == 1);
  CHECK(windows[1].parts_ms[static_cast<std::size_t>(TimePart::server)] == doctest::Approx(5));
  CHECK(windows[1].until == at(70));
  CHECK(table.windows(id_of(table, "a"), "db", "other").empty());
}

TEST_CASE("so many windows are kept, each with the classes that took the most time") {
  DigestTable table(1000, 8 << 20);
  table.turn_window(at(0), seconds(60), 3);
  for (int i = 0; i < 300; ++i) run(table, "select c" + std::to_string(i) + " from t", milliseconds(i + 1), 1);
  for (int minute = 1; minute <= 5; ++minute) {
    table.turn_window(at(60 * minute), seconds(60), 3);
    run(table, "select c299 from t", milliseconds(1), 60 * minute + 1);
  }
  CHECK(table.windows(id_of(table, "c299"), "db", "me").size() == 4);   // three closed, one running
  CHECK(table.windows(id_of(table, "c0 "), "db", "me").empty());
  table.turn_window(at(400), seconds(0), 3);
  CHECK(table.windows(id_of(table, "c299"), "db", "me").empty());
}

TEST_CASE("a class that is not used any more keeps its share of the window it was used in last") {
  DigestTable table(100, 1 << 20);
  table.turn_window(at(0), seconds(60), 48);
  run(table, "select once", milliseconds(10), 1);
  for (int minute = 1; minute <= 3; ++minute) table.turn_window(at(60 * minute), seconds(60), 48);
  auto windows = table.windows(id_of(table, "once"), "db", "me");
  REQUIRE(windows.size() == 1);
  CHECK(windows[0].from == at(0));
  CHECK(windows[0].until == at(60));
  run(table, "select once", milliseconds(3), 181);
  windows = table.windows(id_of(table, "once"), "db", "me");
  REQUIRE(windows.size() == 2);
  CHECK(windows[0].total_ms == doctest::Approx(10));
  CHECK(windows[1].total_ms == doctest::Approx(3));
}

TEST_CASE("a class that has made room is remembered in the history, and its return adds to that") {
  DigestTable table(1, 1 << 20);
  table.turn_window(at(0), seconds(60), 48);
  run(table, "select once", milliseconds(10), 1);
  const std::uint64_t id = id_of(table, "once");
  run(table, "select other", milliseconds(1), 2);
  run(table, "select once", milliseconds(5), 3);
  CHECK(table.counters().evicted == 2);
  DigestTable::Selection selection{{id}, true};
  while (!table.select(selection)) {
  }
  const auto rows = merge({selection.rows});
  REQUIRE(rows.size() == 1);
  REQUIRE(rows[0].windows.size() == 1);
  CHECK(rows[0].windows[0].calls == 2);
  CHECK(rows[0].windows[0].total_ms == doctest::Approx(15));
}

TEST_CASE("the first of a measure, and their rows, in slices") {
  DigestTable table(10'000, 64 << 20);
  const int count = 3 * DigestTable::slice / 2;
  for (int i = 1; i <= count; ++i) run(table, "select c" + std::to_string(i) + " from t", milliseconds(i), 1);
  DigestTable::Ranking ranking{[](const DigestStats& s) { return s.total.total_ms(); }, 3};
  CHECK(!table.rank(ranking));
  CHECK(table.rank(ranking));
  const auto ids = ranking.ids();
  REQUIRE(ids.size() == 3);
  CHECK(ids[0] == id_of(table, "c" + std::to_string(count) + " "));
  DigestTable::Selection selection{{ids[0]}};
  CHECK(!table.select(selection));
  CHECK(table.select(selection));
  CHECK(selection.rows.size() == 1);
}
