#include "protocol/sql/session_effects.h"

#include <doctest/doctest.h>

using namespace pgweir;
using sql::session_effects;
using Names = std::vector<std::string>;

TEST_CASE("SET and RESET name the settings that they change for the session") {
  CHECK(session_effects("SET search_path TO a, b").settings == Names{"search_path"});
  CHECK(session_effects("/* x */ set Session work_mem = '4MB';").settings == Names{"work_mem"});
  CHECK(session_effects("set app.Tenant = 5").settings == Names{"app.tenant"});
  CHECK(session_effects("set \"App\".\"x\"\"y\" = 5").settings == Names{"app.x\"y"});
  CHECK(session_effects("set schema 'x'").settings == Names{"search_path"});
  CHECK(session_effects("set time zone 'UTC'").settings == Names{"timezone"});
  CHECK(session_effects("set role alice").settings == Names{"role"});
  CHECK(session_effects("set session authorization bob").settings == Names{"session_authorization", "role"});
  CHECK(session_effects("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY").settings.size() == 3);
  CHECK(session_effects("reset statement_timeout").settings == Names{"statement_timeout"});
  CHECK(session_effects("select 1; set a.b to 'x'; select 2; reset c").settings == Names{"a.b", "c"});
  CHECK(session_effects("reset all").all_settings);
  CHECK(session_effects("discard all").all_settings);
}

TEST_CASE("what ends with the transaction is no effect on the session") {
  for (const char* sql : {"set local search_path to x", "set transaction read only", "set constraints all deferred",
                          "select set_config('a.b', 'x', true)", "select pg_advisory_xact_lock(1)", "begin", "commit",
                          "select 'set_config(1)' from t", "update t set a = 1", "declare c cursor for select 1",
                          "create table temperature (x int)", "insert into t select x from temp_a", "notify x", ""}) {
    INFO(sql);
    CHECK(session_effects(sql).none());
  }
}

TEST_CASE("set_config names its setting by a literal, a parameter, or in no way that can be read") {
  CHECK(session_effects("select set_config('App.Tenant', $1, false)").settings == Names{"app.tenant"});
  CHECK(session_effects("SELECT pg_catalog.SET_CONFIG('a.b'::text, f(1, 2), $2), 1").settings == Names{"a.b"});
  CHECK(session_effects("select set_config /* */ ($2, $1, false)").setting_parameters == std::vector<std::uint16_t>{2});
  CHECK(session_effects("with x as (select \"set_config\"('a.b', '1', false)) select * from x").settings == Names{"a.b"});
  CHECK(session_effects("select set_config(name, 'x', false) from t").unreadable_setting);
  CHECK(session_effects("select set_config('a' || 'b', 'x', false)").unreadable_setting);
  CHECK(session_effects("select set_config(E'a\\x2eb', 'x', false)").unreadable_setting);
  CHECK(session_effects("select set_config('a.b', set_config('c.d', 'x', false), true)").settings == Names{"c.d"});
  CHECK(session_effects("select set_config('a.b', \"set_config\"('c.d', 'x', false), true)").settings == Names{"c.d"});
  CHECK(session_effects("select set_config('a.b', login(pg_advisory_lock(1)), true)").functions == Names{"login"});
  CHECK(session_effects("select set_config('a.b', login(pg_advisory_lock(1)), true)").leaves_something);
  CHECK(session_effects("select set_config('a.' || $1, $2, true)").none());
  CHECK(session_effects("select set_config($1::text, $2, true::boolean), set_config($1::text, $2, 'f')").setting_parameters.size() == 1);
  CHECK(session_effects("select U&\"set\\005fconfig\"('a.b', 'x', false)").unreadable_setting);
  CHECK(session_effects("select U&\"set!005fconfig\" uescape '!' ('a.b', 'x', false)").unreadable_setting);
  CHECK(session_effects("prepare p as select set_config('a.b', $1, false)").unreadable_setting);
  const auto both = session_effects("select set_config('a.b', '1', false), set_config('c.d', '2', false)");
  CHECK(both.settings == Names{"a.b", "c.d"});
}

TEST_CASE("of what stays with the session it is told which kind it is") {
  CHECK(session_effects("listen x").listens);
  CHECK(session_effects("select pg_advisory_lock(1)").locks);
  CHECK(session_effects("create temp table x (a int)").makes_temporary);
  CHECK(session_effects("select 1 into temp x").makes_temporary);
  CHECK(session_effects("declare c cursor with hold for select 1").holds_cursor);
  const auto both = session_effects("create temp table x (a int); listen y");
  CHECK((both.makes_temporary && both.listens && !both.locks && !both.holds_cursor));
}

TEST_CASE("what cannot be given to another server is told when it comes and when it may go") {
  for (const char* sql : {"listen x", "select pg_advisory_lock(1)", "select pg_try_advisory_lock_shared(1, 2)",
                          "create temp table x (a int)", "CREATE LOCAL TEMPORARY VIEW v AS SELECT 1",
                          "create table pg_temp.x (a int)", "select 1 into temp x", "create temp table x as select 1",
                          "declare c cursor with hold for select 1", "with a as (select pg_advisory_lock(1)) select * from a"}) {
    INFO(sql);
    CHECK(session_effects(sql).leaves_something);
  }
  for (const char* sql : {"unlisten *", "select pg_advisory_unlock(1)", "drop table x", "close c", "discard temp", "discard all"}) {
    INFO(sql);
    CHECK(session_effects(sql).takes_something_away);
  }
  CHECK(session_effects("load 'auto_explain'").loads_library);
  CHECK(session_effects("do $$ begin end $$").runs_code);
}

TEST_CASE("functions that are not PostgreSQL's own are named, its own and what looks like a call are not") {
  CHECK(session_effects("call F()").functions == Names{"f"});
  CHECK(session_effects("select lower(a), public.\"login\"(1) from my_rows (2) t").functions == Names{"login", "my_rows"});
  for (const char* sql : {"insert into t (a, b) values (lower($1), coalesce($2, now()))", "insert into s.t (a) select count(*) from x",
                          "select a from t where a in (1, 2) and exists (select 1) and b = any($1)", "create table t (a int default f(1))",
                          "select cast(a as varchar(10)), row_number() over (partition by b), extract(year from c) from t",
                          "alter table t add column x numeric(10, 2)", "select 'f(1)'", "update t set (a, b) = (1, 2)"}) {
    INFO(sql);
    CHECK(session_effects(sql).functions.empty());
  }
}

TEST_CASE("what is executed by name is told, as PostgreSQL folds it") {
  CHECK(session_effects("EXECUTE Plan_1(1, 'x')").executed == Names{"plan_1"});
  CHECK(session_effects("explain analyze execute \"Plan 1\"").executed == Names{"Plan 1"});
}

TEST_CASE("no spelling hides a call or a temporary object") {
  for (const char* sql : {"select set_config\t('app.x','ws',false)", "select set_config -- (\n('app.x','ws',false)",
                          "select set_config\r\n('app.x','ws',false)", "do $$begin perform set_config('app.x','u',false); end$$",
                          "do $body$ begin perform set_config('app.x', 'u', false); end $body$"}) {
    INFO(std::string(sql));
    CHECK(session_effects(sql).settings == Names{"app.x"});
  }
  for (const char* sql : {"create table \"pg_temp\".q2()", "create table U&\"pg\\005ftemp\".q8()", "select 1 as a into table pg_temp.q4",
                          "create function pg_temp.f() returns int language sql as 'select 1'", "select pg_advisory_lock -- (\n(6)"}) {
    INFO(std::string(sql));
    CHECK(session_effects(sql).leaves_something);
  }
  CHECK(session_effects("set search_path to pg_temp; create table q9()").unreadable_setting);
  CHECK(session_effects("update pg_settings set setting = '1' where name = 'work_mem'").all_settings);
  CHECK(session_effects("select ts_rewrite('a'::tsquery, 'select set_config(1)')").runs_code);
  CHECK(session_effects("select pg_create_logical_replication_slot('s', 'test_decoding', true)").unreadable_setting);
  CHECK(session_effects("select query_to_xml('select set_config(1)', true, true, '')").runs_code);
}

TEST_CASE("the columns of a table that is written to are no call, what is selected into it is") {
  for (const char* sql : {"insert into t select pg_advisory_lock(1)", "insert into s.t (a) select pg_advisory_lock(1)",
                          "insert into t values (pg_advisory_lock(1))", "insert into t as x select pg_advisory_lock(1)",
                          "merge into t using pg_advisory_lock(1) l on true when matched then do nothing",
                          "select a into table t from pg_advisory_lock(1) a", "select 1 into unlogged table s.t where pg_advisory_lock(1) is null"}) {
    INFO(std::string(sql));
    CHECK(session_effects(sql).leaves_something);
  }
  for (const char* sql : {"insert into t (a, b) select 1, 2", "insert into s.t(a) values (1)", "insert into \"s\" . \"t\" as x (a) values (1)",
                          "insert into temp_t (a) values (1)"}) {
    INFO(std::string(sql));
    CHECK(session_effects(sql).functions.empty());
  }
}

TEST_CASE("a literal that ends elsewhere under other settings is not trusted") {
  CHECK(session_effects("select lower('\\''), pg_advisory_lock(1), lower('\\''')").runs_code);
  CHECK(session_effects("select lower(E'\x83\\'), pg_advisory_lock(1) --'").runs_code);
  CHECK(session_effects("select f(E'it\\'s', 'a\\b', $$\\$$)").functions == Names{"f"});
  CHECK_FALSE(session_effects("select f(E'it\\'s', 'a\\b', $$\\$$)").runs_code);
}

TEST_CASE("a prefix that is a keyword is a prefix") {
  for (const char* name : {"session.user", "local.x", "role.x", "time.x", "schema.x", "names.x", "transaction.x", "xml.x", "seed.x"}) {
    INFO(std::string(name));
    CHECK(session_effects("set " + std::string(name) + " = 1").settings == Names{name});
    CHECK(session_effects("reset " + std::string(name)).settings == Names{name});
  }
  CHECK(session_effects("set session session.user = 1").settings == Names{"session.user"});
  CHECK(session_effects("set app." + std::string(70, 'x') + " = 1").settings == Names{"app." + std::string(63, 'x')});
  CHECK(session_effects("set U&\"work\\005fmem\" = '7MB'").unreadable_setting);
}

TEST_CASE("a function of another schema is foreign, whatever its name") {
  CHECK(session_effects("select app.lower(a), pg_catalog.upper(b), \"pg_catalog\" . \"upper\" (c) from t").functions == Names{"lower"});
  CHECK(session_effects("select \"my app\".\"now\"()").functions == Names{"now"});
  CHECK(session_effects("select " + std::string(70, 'f') + "(1)").functions.size() == 1);
  for (const char* sql : {"select pg_catalog.lower(a) from s.t", "select t.a from t where t.b in (1) and t.c = (2)", "select (a).b, count(t.x) from t"}) {
    INFO(std::string(sql));
    CHECK(session_effects(sql).functions.empty());
  }
}

TEST_CASE("the search_path of a function is not the session's") {
  CHECK_FALSE(session_effects("create function f() returns int language sql set search_path = app, pg_temp as 'select 1'").unreadable_setting);
  CHECK_FALSE(session_effects("alter function f() set search_path = app, pg_temp").unreadable_setting);
  CHECK(session_effects("set local work_mem = 1; set search_path = app, pg_temp").unreadable_setting);
  CHECK(session_effects("select set_config('search_path', 'pg_temp', false)").unreadable_setting);
}

TEST_CASE("a text that is cut anywhere is read without harm") {
  const std::string sql = "select set_config('a.b', $1, false); create temp table x (a int); set \"a\".b = 'x'";
  for (std::size_t size = 0; size <= sql.size(); ++size) (void)session_effects(std::string_view(sql).substr(0, size));
}

TEST_CASE("what changes or asks for the channels is told, so that they can be there first") {
  for (const char* sql : {"unlisten x", "UNLISTEN *", "discard all", "select pg_listening_channels()", "select 1; unlisten \"A b\"",
                          "select * from pg_catalog.PG_LISTENING_CHANNELS () c", "do $$ begin execute 'unlisten ' || x; end $$"}) {
    INFO(sql);
    CHECK(sql::may_affect_session(sql));
    CHECK(session_effects(sql).needs_channels);
    CHECK(!session_effects(sql).none());
  }
  for (const char* sql : {"listen x", "notify x", "discard temp", "discard plans", "reset all", "select 'unlisten'",
                          "do $$ begin perform 1; end $$", "close c"}) {
    INFO(sql);
    CHECK(!session_effects(sql).needs_channels);
  }
}

TEST_CASE("of DO it is told which settings and functions its code names, and whether it computes a name") {
  const auto known = session_effects("do $$begin set app.first = '1'; if true then\n set work_mem = 3; end if; perform mine(); end$$");
  CHECK(known.settings == Names{"app.first", "work_mem"});
  CHECK(known.functions == Names{"mine"});
  CHECK(!known.unreadable_setting);
  CHECK(session_effects("do 'begin perform set_config(''app.x'', ''1'', false); end'").settings == Names{"app.x"});
  CHECK(session_effects("do $a$begin execute 'set app.x = 1'; execute $q$set app.y to 1$q$; end$a$").settings == Names{"app.x", "app.y"});
  for (const char* computed : {"do $$begin perform set_config('app.' || 'x', '1', false); end$$", "do $$begin execute 'set app.' || 'x to 3'; end$$",
                               "do $$begin execute format('set %I to 3', 'app.x'); end$$", "do 'begin execute ''reset app.'' || n; end'",
                               "do $$begin execute 'set ' || n || ' to 3'; end$$"}) {
    CAPTURE(computed);
    CHECK(session_effects(computed).unreadable_setting);
  }
  for (const char* not_computed : {"do $$begin perform set_config('app.' || 'x', '1', true); end$$", "do $$begin execute 'set local app.' || 'x to 3'; end$$",
                                   "do $$begin execute format('update %I set x = 3', 'a'); set local work_mem = 3; end$$", "do 'begin execute ''reset all''; end'"}) {
    CAPTURE(not_computed);
    CHECK(!session_effects(not_computed).unreadable_setting);
  }
}
