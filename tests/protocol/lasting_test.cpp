#include "protocol/sql/lasting.h"

#include <doctest/doctest.h>

#include <string>

#include "protocol/sql/session_effects.h"

using namespace pgweir;
using sql::first_lasting;
using sql::Lasting;

namespace {

struct Case {
  Lasting what;
  const char* sql;
};

}  // namespace

TEST_CASE("what lasts is told with its statement") {
  const Case cases[] = {
      {Lasting::advisory_lock, "select pg_advisory_lock(7)"},
      {Lasting::advisory_lock, "SELECT a, pg_catalog . \"pg_try_advisory_lock\" /* */ (1, 2) from t"},
      {Lasting::advisory_lock, "with l as (select pg_advisory_lock_shared(1)) select * from l"},
      {Lasting::advisory_lock, "insert into t select pg_advisory_lock(1)"},
      {Lasting::advisory_lock, "create table t as select pg_advisory_lock(1)"},
      {Lasting::advisory_lock, "prepare p as select pg_advisory_lock(1)"},
      {Lasting::temporary, "create temp table x (a int)"},
      {Lasting::temporary, "CREATE OR REPLACE LOCAL TEMPORARY VIEW v AS SELECT 1"},
      {Lasting::temporary, "create table if not exists pg_temp.x (a int) on commit delete rows"},
      {Lasting::temporary, "create function \"pg_temp\".f() returns int language sql as 'select 1'"},
      {Lasting::temporary, "select 1 into temp x"},
      {Lasting::temporary, "select 1 into local temporary table x from t"},
      {Lasting::temporary, "select 1 into pg_temp.x"},
      {Lasting::held_cursor, "declare c scroll cursor with hold for select 1"},
      {Lasting::channel, "listen \"News\""},
      {Lasting::library, "load 'auto_explain'"},
      {Lasting::connection, "select dblink_connect('a', 'dbname=x')"},
      {Lasting::unreadable_setting, "select set_config('app.' || $1, $2, false)"},
      {Lasting::unreadable_setting, "select set_config(name, setting, false) from t"},
  };
  for (const Case& one : cases) {
    INFO(std::string(one.sql));
    const std::string text = "begin; select 1;  " + std::string(one.sql) + " ; commit";
    const auto found = first_lasting(text);
    REQUIRE(found);
    CHECK(found->what == one.what);
    CHECK(found->text == one.sql);
    const auto effects = sql::session_effects(text);
    CHECK((effects.leaves_something || effects.loads_library || effects.unreadable_setting));
  }
}

TEST_CASE("what may leave nothing is not said to last") {
  for (const char* sql :
       {"select pg_advisory_xact_lock(7)", "select pg_advisory_unlock(7)", "select 'pg_advisory_lock(7)'", "select my.pg_advisory_lock(7)",
        "explain select pg_advisory_lock(7)", "create temp table x (a int) on commit drop",
        "create temp table x on commit drop as select 1", "select * from pg_temp.x", "drop table pg_temp.x",
        "insert into temp (a) values (1)", "select a into temp from t", "insert into t select 1 from temp",
        "declare c cursor without hold for select 1", "declare c cursor for select 1", "unlisten *", "notify x",
        "select set_config('a.b', 'x', false), set_config($1, 'x', false)", "select set_config('a.' || $1, 'x', true)",
        "create function f() returns void language sql begin atomic; select pg_advisory_lock(1); end; select pg_advisory_lock(2)",
        "create view v as select pg_advisory_lock(1)", "set search_path = pg_temp", "do $$ begin perform pg_advisory_lock(1); end $$",
        "select pg_advisory_lock(1) 'cut", "select \"", "", ";;", "listen", "load x", "create", "select set_config("}) {
    INFO(std::string(sql));
    CHECK_FALSE(first_lasting(sql));
  }
}
