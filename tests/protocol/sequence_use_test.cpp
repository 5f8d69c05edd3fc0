#include "protocol/sql/sequence_use.h"

#include <doctest/doctest.h>

using namespace pgweir::sql;

TEST_CASE("calls that tell, take or seed are seen") {
  CHECK(sequence_use("select lastval()").asks);
  CHECK(sequence_use("SELECT pg_catalog.\"currval\" ('s')").asks);
  CHECK(sequence_use("insert into t values (nextval('s')) returning CURRVAL('s')").asks);
  CHECK(sequence_use("insert into t values (nextval('s'))").advances);
  CHECK_FALSE(sequence_use("insert into t values (nextval('s'))").asks);
  CHECK(sequence_use("select setval('s', 1)").advances);
  CHECK(sequence_use("select setseed(0.5)").seeds);
  CHECK(sequence_use("set seed to 0.5").seeds);
  CHECK(sequence_use(" SET session seed = 0.5").seeds);
}

TEST_CASE("others are not") {
  for (const char* text : {"select 1", "select lastval", "select my_lastval()", "select lastvalue()", "set search_path to seed",
                           "select f(x), g (y)", "", "("})
    CHECK_MESSAGE(sequence_use(text).none(), text);
}

TEST_CASE("what may give its session a number") {
  for (const char* text : {"INSERT INTO t DEFAULT VALUES", "with a as (insert into t values (1)) select 1", "copy t from stdin",
                           "do $$x$$", "call p()", "execute p(1)", "merge into t"})
    CHECK_MESSAGE(may_advance_sequences(text), text);
  for (const char* text : {"select 1", "update t set a = 1", "select document from t", "select reinsert from t", "delete from t"})
    CHECK_MESSAGE(!may_advance_sequences(text), text);
}
