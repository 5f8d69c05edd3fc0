#include "proxy/policy/prepared/sql_plan.h"

#include <doctest/doctest.h>

#include "proxy/policy/prepared/trace_comment.h"

using namespace pgweir;
using namespace pgweir::policy;

namespace {

std::string name_of(const StatementRef& statement) { return quoted_name(statement->id); }

struct Fixture {
  StatementStore store;
  SharedPlanning planning;
  ClientStatements client;
  ServerStatements server;

  SqlPlan plan(std::string_view sql) { return plan_sql(sql, verbs_in(sql), planning, client, server, store); }
  StatementRef by_sql(std::string_view rest) { return store.intern(as_bytes(rest), StatementKind::sql); }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "PREPARE gets the server's name, and its order tells what it makes") {
  const SqlPlan plan = this->plan("/* x */ prepare \"A\"(int) as select $1;");
  const StatementRef made = by_sql("(int) as select $1");
  CHECK(plan.text == "/* x */ prepare " + name_of(made) + "(int) as select $1;");
  REQUIRE(plan.orders.size() == 1);
  CHECK(plan.orders[0].name == "A");
  CHECK(plan.orders[0].statement.get() == made.get());
  CHECK(plan.made == 1);
}

TEST_CASE_FIXTURE(Fixture, "EXECUTE is preceded by the PREPARE that its server lacks") {
  const StatementRef known = by_sql(" as select 1 -- one");
  client.set("p", known);
  CHECK(plan("select 1; execute p").text ==
        "select 1; PREPARE " + name_of(known) + " as select 1 -- one\n; execute " + name_of(known));
  server.add(known, known->id);
  CHECK(plan("execute p").text == "execute " + name_of(known));
  ++known->version;
  CHECK(plan("execute p").in_the_way.size() == 1);
}

// The server has been with another worker, which found what we had prepared there out of date.
TEST_CASE_FIXTURE(Fixture, "what has come back under a name that is about to be given stands in the way") {
  const StatementRef known = by_sql(" as select 1");
  client.set("p", known);
  server.take_over({{std::make_shared<StatementText>(), known->id}});
  CHECK(plan("execute p").in_the_way.size() == 1);
  CHECK(plan("prepare q as select 1").in_the_way.size() == 1);
  CHECK(plan("prepare q as select 2").in_the_way.empty());
  (void)server.remove_foreign(known->id);
  CHECK(plan("execute p").in_the_way.empty());
}

TEST_CASE_FIXTURE(Fixture, "a statement that came by a message can only be made by one") {
  const StatementRef known = store.intern(as_bytes(std::string_view("select $1\0\0\1\0\0\0\x17", 16)));
  client.set("p", known);
  const SqlPlan plan = this->plan("explain analyze execute p(1)");
  CHECK(plan.text == "explain analyze execute " + name_of(known) + "(1)");
  REQUIRE(plan.needed.size() == 1);
  CHECK(plan.needed[0].get() == known.get());
}

TEST_CASE_FIXTURE(Fixture, "each statement of a string sees the names as those before it leave them") {
  const SqlPlan plan = this->plan("prepare p as select 1; execute p; deallocate all; execute p; prepare p as select 1");
  // The second one is not there, so that PostgreSQL is asked for the client's name.
  CHECK(plan.text.find("deallocate all; execute p; prepare") != std::string::npos);
  CHECK(plan.orders.size() == 2);
  CHECK(plan.orders[0].statement.get() != plan.orders[1].statement.get());
}

TEST_CASE_FIXTURE(Fixture, "DEALLOCATE takes away a stand-in, since others may use the statement") {
  client.set("p", by_sql(" as select 1"));
  const SqlPlan plan = this->plan("deallocate p");
  CHECK(plan.text.starts_with("PREPARE \"PGBOUNCER_"));
  REQUIRE(plan.orders.size() == 2);
  CHECK(plan.orders[0].ours);
  CHECK(plan.orders[1].name == "p");
  CHECK(this->plan("deallocate nobody").text.empty());
}

TEST_CASE_FIXTURE(Fixture, "a name that is taken is refused by the server, which has it") {
  const StatementRef known = by_sql(" as select 1");
  client.set("p", known);
  const SqlPlan plan = this->plan("prepare p as select 2");
  CHECK(plan.text == "PREPARE " + name_of(known) + " as select 1\n; prepare " + name_of(known) + " as select 2");
}

TEST_CASE("positions are those of the client's text") {
  const std::vector<SqlEdit> edits{{8, 1, 13}, {30, 0, 10}};
  CHECK(client_position(edits, 8) == 8);
  CHECK(client_position(edits, 9) == 9);           // in the name
  CHECK(client_position(edits, 22) == 10);
  CHECK(client_position(edits, 33) == 19);         // in what only we have written
  CHECK(client_position(edits, 41) == 19);
  CHECK(client_position(edits, 0) == 0);
}

TEST_CASE("verbs are found in strings of several statements and behind EXPLAIN and CREATE TABLE AS") {
  const auto verbs = verbs_in("select 'execute a'; explain (costs off) execute b(1); create table t as execute c; "
                              "deallocate prepare all; /* ; */ DISCARD ALL; prepare transaction 'x'; create view v as select 1");
  REQUIRE(verbs.size() == 4);
  CHECK(verbs[0].name == "b");
  CHECK(verbs[1].name == "c");
  CHECK(verbs[2].verb == Verb::forget_all);
  CHECK(verbs[3].verb == Verb::forget_all);
  for (const char* hostile : {"execute", "prepare \"", "explain (", "create", "deallocate /*", "execute $$", "prepare a as $x$", ";;"}) {
    CHECK(verbs_in(hostile).size() <= 1);
  }
}

TEST_CASE("a comment of pairs at the beginning or the end is a trace comment") {
  const auto kept = [](std::string text) {
    const WithoutTrace found = without_trace_comments(text);
    text.resize(found.end);
    for (std::size_t at = found.blank_begin; at < found.blank_end; ++at) text[at] = ' ';
    return text;
  };
  CHECK(kept("select 1 /*a='b'*/") == "select 1 ");
  CHECK(kept("select 1; /* application:x,id:7 */ ;") == "select 1; ");
  CHECK(kept("select 1 /* request_id=7f3a */") == "select 1 ");
  CHECK(kept("/*a='b'*/ select 1") == "          select 1");
  CHECK(kept(" /* a=1 */select '/*b:2*/' /*c:3*/") == "          select '/*b:2*/' ");
  for (const char* same : {"select 1 /*+ a:1 */", "select '/*a:1*/'", "select 1 -- /*a:1*/", "select 1 /* a */", "select /*a:1*/ 1",
                           "select E'\\' /*a:1*/", "select $$/*a:1*/", "*/", "/*a:1*/x*/", "select 1 /* /*a:1*/", "/*+ a:1 */ select 1",
                           "/*a:1*/ /*+ Set(b:2) */ select 1", "/*a:1", "/*:*/select 1", "/*a:\xc3\xa4*/ select 1", "/*a:1*/"}) {
    CHECK_MESSAGE(kept(same) == (same == std::string_view("/*a:1*/x*/") ? "       x*/" : same == std::string_view("/*a:1*/") ? "" : same), same);
  }
}
