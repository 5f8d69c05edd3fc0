#include "protocol/sql/resets.h"

#include <doctest/doctest.h>

using namespace pgweir;
using sql::Reset;
using What = sql::Reset::What;

namespace {

// What is found, with its name and the word that a value may take the place of.
std::string told(std::string_view text) {
  std::string all;
  for (const Reset& reset : sql::resets_in(text).found) {
    constexpr const char* names[] = {"setting", "all", "everything", "identity", "default", "null"};
    all += std::string(all.empty() ? "" : " ") + names[static_cast<int>(reset.what)] + ":" + reset.name;
    if (reset.to > 0) all += "[" + std::string(text.substr(reset.from, reset.to - reset.from)) + "]";
  }
  return all;
}

}  // namespace

TEST_CASE("what gives a setting its first value back is found, however it is said") {
  CHECK(told("RESET work_mem") == "setting:work_mem");
  CHECK(told("/* x */ reset -- y\n \"App\" . x;") == "setting:app.x");
  CHECK(told("reset time zone") == "setting:timezone");
  CHECK(told("reset role; reset all") == "setting:role all:");
  CHECK(told("discard all") == "everything:");
  CHECK(told("reset session authorization") == "identity:");
  CHECK(told("reset session_authorization") == "identity:");
  CHECK(told("set session session authorization default") == "");
  CHECK(told("SET SESSION AUTHORIZATION DEFAULT") == "identity:");
  CHECK(told("set local session_authorization to default") == "identity:");
  CHECK(told("set work_mem to default") == "default:work_mem[default]");
  CHECK(told("SET LOCAL Work_Mem = DEFAULT ; select 1") == "default:work_mem[DEFAULT]");
  CHECK(told("set time zone local") == "default:timezone[local]");
  CHECK(told("set session time zone default") == "default:timezone[default]");
  CHECK(told("set names default") == "default:client_encoding[default]");
  CHECK(told("select set_config('Work_mem', NULL, false)") == "null:work_mem[NULL]");
  CHECK(told("with a as (select pg_catalog.\"set_config\"('a.b', null::text, true)) table a; reset c") == "null:a.b[null] setting:c");
}

TEST_CASE("what sets a value, or only looks like it, is none") {
  for (const char* text : {"set work_mem = '1MB'", "select 1", "discard plans", "reset transaction isolation level",
                           "set transaction read only", "set session characteristics as transaction read only",
                           "select set_config('a', 'b', false)", "select 'reset all'", "select set_config($1, null, false)",
                           "select set_config('a', null || 'b', false)", "select $$;reset all$$",
                           "-- reset all\nselect 1", "create rule r as on insert to t do also (select 1; select 2)", "", ";;"})
    CHECK_MESSAGE(told(text) == "", text);
}

TEST_CASE("statements end where their last token does, and those answered by SET are told") {
  const std::string_view text = "reset a /* b */ ; set c = 1;; set constraints all deferred; select ';' -- ;\n";
  const sql::Resets resets = sql::resets_in(text);
  CHECK(resets.statements == 4);
  REQUIRE(resets.found.size() == 1);
  CHECK(text.substr(0, resets.found[0].end) == "reset a");
  REQUIRE(resets.sets.size() == 1);
  CHECK(text.substr(0, resets.sets[0]).ends_with("set c = 1"));
}

TEST_CASE("most texts are left alone after a glance") {
  CHECK_FALSE(sql::may_reset("select a_b from c where d = $1"));
  CHECK_FALSE(sql::may_reset("insert into reset values (1); select 1"));
  CHECK(sql::may_reset("select 1;reset a"));
  CHECK(sql::may_reset("select SET_CONFIG('a', null, true)"));
}
