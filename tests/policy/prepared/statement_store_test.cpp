#include <doctest/doctest.h>

#include "proxy/policy/prepared/assumptions.h"
#include "proxy/policy/prepared/sql_verb.h"

using namespace pgweir;
using namespace pgweir::policy;

TEST_CASE("T24: texts of the same hash are different statements") {
  StatementStore store(1, 1, [](Bytes) -> std::uint64_t { return 7; });
  const StatementRef a = store.intern(as_bytes("a")), b = store.intern(as_bytes("b"));
  CHECK(a.get() != b.get());
  CHECK(store.intern(as_bytes("a")).get() == a.get());
}

TEST_CASE("T25: what is used in this epoch is not dropped") {
  StatementStore store;
  ServerStatements there;
  const StatementRef a = store.intern(as_bytes("a"));
  there.add(a, a->id);
  CHECK(!there.drop_surplus(0));
  there.begin_epoch();
  CHECK(there.drop_surplus(0)->id == a->id);
  CHECK(there.count() == 0);
}

TEST_CASE("a failed batch gives a name its old meaning back") {
  StatementStore store;
  ServerStatements there;
  ClientStatements client;
  Assumptions log;
  const StatementRef a = store.intern(as_bytes("a")), b = store.intern(as_bytes("b"));
  client.set("s", b);
  log.push({Assumption::What::named, false, b, a, "s", {}});
  log.take_back(1, true, client, there);
  CHECK(client.find("s")->get() == a.get());
  CHECK(log.empty());
}

TEST_CASE("EXECUTE and DEALLOCATE are recognised with their folded name") {
  CHECK(recognise("/* x */ deallocate PREPARE Foo;").name == "foo");
  CHECK(recognise("execute \"A\"\"b\" ('x;y')").name == "A\"b");
  CHECK(recognise("deallocate all").verb == Verb::forget_all);
  CHECK(recognise("execute a; select 1").verb == Verb::other);
  CHECK(touches_statements("select 1; DISCARD ALL"));
  CHECK(!touches_statements("select 'deallocate'"));
}
