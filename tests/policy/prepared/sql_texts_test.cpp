#include "proxy/policy/prepared/sql_texts.h"

#include <doctest/doctest.h>

using namespace pgweir::policy;

TEST_CASE("an EXECUTE is what was prepared under its name, until it is deallocated") {
  SqlTexts texts;
  texts.on_done("PREPARE one (int, varchar(10)) AS select * from t where a = $1");
  texts.on_done("prepare \"Two\" as /* a */ update t set b = $1; ");
  CHECK(texts.executed("execute one(1, 'x')") == "select * from t where a = $1");
  CHECK(texts.executed("EXECUTE  ONE (2, 'y');") == "select * from t where a = $1");
  CHECK(texts.executed("explain analyze execute \"Two\"(3)") == "update t set b = $1");
  CHECK(texts.executed("execute three").empty());
  CHECK(texts.executed("select 1").empty());
  const auto change = texts.on_done("deallocate prepare one");
  CHECK(change.one);
  CHECK(change.name == "one");
  CHECK(texts.executed("execute one(1)").empty());
  CHECK(texts.on_done("DISCARD ALL").all);
  CHECK(texts.executed("execute \"Two\"(3)").empty());
}

TEST_CASE("only so many are kept") {
  SqlTexts texts;
  for (int i = 0; i < 3000; ++i) texts.on_done("prepare s" + std::to_string(i) + " as select " + std::to_string(i));
  CHECK(texts.executed("execute s999") == "select 999");
  CHECK(texts.executed("execute s2999").empty());
  texts.on_done("prepare s5 as select 'five'");
  CHECK(texts.executed("execute s5") == "select 'five'");
}

TEST_CASE("few texts begin with a verb") {
  CHECK(begins_with_verb(" /* a */ Execute x"));
  CHECK(begins_with_verb("-- c\nprepare x as select 1"));
  CHECK(begins_with_verb("deallocate all"));
  CHECK(begins_with_verb("DISCARD ALL"));
  CHECK(!begins_with_verb("executed"));
  CHECK(!begins_with_verb("delete from t"));
  CHECK(!begins_with_verb("end"));
  CHECK(!begins_with_verb(""));
  CHECK(!begins_with_verb("/* open"));
}
