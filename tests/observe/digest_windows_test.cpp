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

TEST_CASE("the first of a measure, without copying the others") {
  DigestTable table(100, 1 << 20);
  for (int i = 1; i <= 9; ++i) run(table, "select c" + std::to_string(i), milliseconds(i), 1);
  const auto ids = table.top([](const DigestStats& s) { return s.total.total_ms(); }, 3);
  REQUIRE(ids.size() == 3);
  CHECK(ids[0] == id_of(table, "c9"));
  CHECK(table.copy(std::vector<std::uint64_t>{ids[0]}).size() == 1);
  CHECK(table.top([](const DigestStats& s) { return s.total.total_ms(); }, 100).size() == 9);
}
