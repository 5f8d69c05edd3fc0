#include "proxy/policy/startup_values.h"

#include <doctest/doctest.h>

using namespace pgweir;
using namespace pgweir::policy;

namespace {

SharedSettings said() {
  return std::make_shared<const SessionSettings>(SessionSettings{
      {"app.x", "it's"}, {"role", "alice"}, {"search_path", "One, \"Two, 2\""}, {"timezone", "Asia/Tokyo"}, {"work_mem", "3MB"}});
}

std::string names(const SessionSettings& settings) {
  std::string all;
  for (const auto& [name, value] : settings) all += name + ' ';
  return all;
}

}  // namespace

TEST_CASE("what was reset alone is set again behind it") {
  for (const bool parse : {false, true}) {
    CHECK(names(restoring("reset work_mem ;", said(), parse).behind) == "work_mem ");
    CHECK(names(restoring("reset all", said(), parse).behind) == "app.x search_path timezone work_mem ");
    CHECK(names(restoring("discard all", said(), parse).behind) == "app.x role search_path timezone work_mem ");
    CHECK(names(restoring("reset session authorization", said(), parse).behind) == "role ");
    CHECK(restoring("discard all", said(), parse).discards);
    CHECK(restoring("reset statement_timeout", said(), parse).behind.empty());
    CHECK(restoring("reset work_mem", said(), parse).text.empty());
  }
}

TEST_CASE("a word that stands for the first value gives way to the value") {
  CHECK(restoring("set work_mem to default", said(), true).text == "set work_mem to '3MB'");
  CHECK(restoring("set local search_path = DEFAULT", said(), false).text == "set local search_path = 'one','Two, 2'");
  CHECK(restoring("select set_config('search_path', null, true)", said(), true).text ==
        "select set_config('search_path', 'One, \"Two, 2\"', true)");
  CHECK(restoring("set time zone local", said(), false).text == "set time zone 'Asia/Tokyo'");
  CHECK(restoring("set app.x to default", said(), false).text == "set app.x to 'it''s'");
  CHECK(restoring("set statement_timeout to default", said(), false).text.empty());
}

TEST_CASE("among other statements it is set again in their midst, and the client hears of its own SETs only") {
  const RestoringText text = restoring("set a = 1; reset work_mem -- x\n; set constraints all deferred; set b = 2", said(), false);
  CHECK(text.text == "set a = 1; reset work_mem;SET \"work_mem\" TO '3MB' -- x\n; set constraints all deferred; set b = 2");
  CHECK(text.sets == std::vector<bool>{false, true, false});
  CHECK(text.behind.empty());
  // Behind what is ours, an error is where the client wrote it.
  const auto at = static_cast<std::uint32_t>(text.text.find("b = 2")) + 1;
  CHECK(client_position(text.edits, at) == std::string_view("set a = 1; reset work_mem -- x\n; set constraints all deferred; ").size() + 5);
}

TEST_CASE("what no text could say in every encoding is left to the look behind it") {
  const auto odd = std::make_shared<const SessionSettings>(SessionSettings{{"app.x", "back\\slash"}, {"search_path", "\"open"}});
  CHECK(restoring("set app.x to default", odd, false).text.empty());
  CHECK(restoring("set search_path to default", odd, false).text.empty());
  CHECK(names(restoring("reset app.x", odd, false).behind) == "app.x ");
}

TEST_CASE("a look's settings are completed by what is not set any more") {
  const TrackedParameters tracked("");
  const auto told = std::make_shared<const SessionSettings>(SessionSettings{{"app.x", ""}, {"work_mem", "4096"}});
  CHECK(names(*with_startup(told, said(), tracked)) == "app.x search_path work_mem ");
  CHECK(with_startup(told, nullptr, tracked) == told);
}
