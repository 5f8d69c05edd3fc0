#include <doctest/doctest.h>

#include "proxy/policy/prepared/assumptions.h"
#include "proxy/policy/prepared/proven_texts.h"
#include "proxy/policy/prepared/sql_verb.h"

using namespace pgweir;
using namespace pgweir::policy;

TEST_CASE("T24: texts of the same hash are different statements") {
  StatementStore store(1, 1, 0, [](Bytes, std::uint64_t) -> std::uint64_t { return 7; });
  const StatementRef a = store.intern(as_bytes("a")), b = store.intern(as_bytes("b"));
  CHECK(a.get() != b.get());
  CHECK(store.intern(as_bytes("a")).get() == a.get());
}

TEST_CASE("what a text's effects and verb take up counts against the bound") {
  StatementStore plain, rich;
  std::string settings = "select 1", longer = "execute a";
  for (int i = 0; i < 200; ++i) settings += ", set_config('app.a_setting_with_quite_a_long_name', '1', false)";
  const StatementRef effects = rich.intern(as_bytes(settings));
  REQUIRE(effects->text->effects);
  CHECK(effects->text->effects->heap_bytes() >= 32);
  CHECK(rich.bytes() >= sizeof(Statement) + settings.size() + sizeof(sql::SessionEffects) + effects->text->effects->heap_bytes());
  const StatementRef none = plain.intern(as_bytes("select 1;"));
  const std::size_t before = plain.bytes();
  const StatementRef verb = plain.intern(as_bytes(longer));
  CHECK(plain.bytes() - before >= before + sizeof(SqlVerb));
  std::string functions = "select f0()";
  for (int i = 1; i < 500; ++i) functions += ", my.function_number_" + std::to_string(i) + "()";
  StatementStore many;
  for (int i = 0; i < 400; ++i) (void)many.intern(as_bytes(functions + std::to_string(i)));
  CHECK(many.count() < 130);      // 400 texts would be 16 KB each beside what their functions take: more than 4 MB
  CHECK(many.unused_bytes() <= StatementStore::unused_bytes_max);
}

TEST_CASE("T27: a text is another statement for who has set something else") {
  StatementStore store;
  TrackedParameters tracked("");
  PlanningCache cache;
  const auto parameters = [&](const char* zone) { return with_value(nullptr, tracked.place_of("timezone"), zone, tracked.size()); };
  const SharedPlanning berlin = cache.of(tracked, parameters("Europe/Berlin"), nullptr), utc = cache.of(tracked, parameters("UTC"), nullptr);
  const StatementRef a = store.intern(as_bytes("a"), StatementKind::parsed, berlin), b = store.intern(as_bytes("a"), StatementKind::parsed, utc);
  CHECK(a.get() != b.get());
  CHECK(store.intern(as_bytes("a"), StatementKind::parsed, cache.of(tracked, parameters("EUROPE/berlin"), nullptr)).get() == a.get());
  CHECK(store.find(*b->text) == b.get());
  CHECK(cache.of(tracked, nullptr, with_setting(nullptr, "app.tenant", "7")) == nullptr);
  CHECK(cache.of(tracked, nullptr, with_setting(nullptr, "statement_timeout", "7")) == nullptr);
  CHECK(cache.of(tracked, nullptr, with_setting(nullptr, "search_path", "7"))->words == std::string("search_path=7\0", 14));
  for (const char* name : {"role", "enable_seqscan", "work_mem", "jit", "datestyle", "something_new"}) CHECK(changes_planning(name));
  for (const char* name : {"lock_timeout", "log_duration", "application_name", "zero_damaged_pages", "a.b"}) CHECK(!changes_planning(name));
}

TEST_CASE("the values of a set_config() are found where they stand") {
  std::vector<std::uint16_t> numbers;
  CHECK(planning_values("select set_config('search_path', $1, true), set_config('a.b', $2, true), SET_CONFIG ( 'Role' , $11::text, true)", numbers));
  CHECK(numbers == std::vector<std::uint16_t>{1, 11});
  CHECK(planning_values("select set_config('search_path', 'x', true), 'set_config($1, 2)'", numbers));
  CHECK(numbers.empty());
  for (const char* unclear : {"select set_config($1, $2, true)", "select set_config('role', lower($1), true)", "select set_config('role', $1 || $2, true)",
                              "select set_config('ro''le', $1, true)", "select set_config", "select set_config('role', 'x' || $1, true)"})
    CHECK(!planning_values(unclear, numbers));
  CHECK(may_undo("select 1; /* x */ ROLLBACK TO s"));
  CHECK(!may_undo("select 'rollback', case when true then 1 end"));
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

TEST_CASE("what a server of one worker has accepted is proven for the others' clients of that pool, and for nothing else") {
  ProvenTexts proofs(17);
  StatementStore one(1, 2, 3), other(2, 2, 4), alone(3, 2, 5);
  one.share_proofs(&proofs);
  other.share_proofs(&proofs);
  TrackedParameters tracked("");
  PlanningCache cache;
  const SharedPlanning utc = cache.of(tracked, with_value(nullptr, tracked.place_of("timezone"), "UTC", tracked.size()), nullptr);
  const StatementRef accepted = one.intern(as_bytes("a")), same = other.intern(as_bytes("a"));
  Assumptions log;
  log.push({Assumption::What::prepared, false, accepted, {}, {}, {}});
  CHECK_FALSE(other.is_proven(*same, 5));
  CHECK(log.settle(1, 5));
  CHECK(one.is_proven(*accepted, 5));
  CHECK(other.is_proven(*same, 5));
  CHECK_FALSE(other.is_proven(*same, 6));
  CHECK_FALSE(other.is_proven(*other.intern(as_bytes("b")), 5));
  CHECK_FALSE(other.is_proven(*other.intern(as_bytes("a"), StatementKind::sql), 5));
  CHECK_FALSE(other.is_proven(*other.intern(as_bytes("a"), StatementKind::parsed, utc), 5));
  CHECK_FALSE(alone.is_proven(*alone.intern(as_bytes("a")), 5));
}

TEST_CASE("of what is proven the latest are remembered, and not without bound") {
  ProvenTexts proofs(17);
  StatementStore store;
  store.share_proofs(&proofs);
  const auto text = [&](std::size_t number) { return store.intern(as_bytes("t" + std::to_string(number))); };
  for (std::size_t number = 0; number < 3 * ProvenTexts::kept; ++number) store.note_proven(*text(number), 5);
  CHECK(proofs.has(5, *text(3 * ProvenTexts::kept - 1)->text));
  CHECK(proofs.has(5, *text(2 * ProvenTexts::kept)->text));
  CHECK_FALSE(proofs.has(5, *text(0)->text));
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
