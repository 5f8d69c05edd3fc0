// Prepared statements when something else changes: settings, tables, what SQL does to them, a transaction that failed.
#include "tests/session/prepared_fixture.h"

using namespace pgweir;
using namespace pgweir::sim;

TEST_CASE("T27: what its client has set is a part of a statement") {
  House house(1);
  const auto in = [](ParameterList parameters) { return Identity{.user = "u1", .database = "db", .password = "secret", .parameters = std::move(parameters)}; };
  Teller a(house, in({{"TimeZone", "Asia/Tokyo"}})), b(house, in({{"TimeZone", "Europe/Berlin"}}));
  Teller c(house, in({{"TimeZone", "Asia/Tokyo"}, {"application_name", "c"}}));
  for (Teller* each : {&a, &b, &c}) each->prepare("s", "any LITERAL");
  for (int turn = 0; turn < 2; ++turn) {
    for (Teller* each : {&a, &b, &c}) {
      CHECK(each->say(run("s")) == "2DCZ");
      CHECK(each->value() == (each == &b ? "any LITERAL=Europe/Berlin" : "any LITERAL=Asia/Tokyo"));
    }
  }
  CHECK(house.names().size() == 2);
}

TEST_CASE("T28: a described batch is said again after a result type has changed; others hear of it once") {
  House house(2);
  Teller a(house), b(house), owner(house, {.user = "u1", .database = "db2", .password = "secret", .parameters = {}});
  a.prepare("s", star);
  b.prepare("s", star);
  for (int change = 0; change < 3; ++change) {
    CHECK(a.say(described("s")) == "2TDCZ");
    CHECK(b.ask("c2.1 BEGIN") == "CZ");
    CHECK(a.say(described("s")) == "2TDCZ");          // on the other server
    CHECK(b.ask("c2.2 COMMIT") == "CZ");
    (void)owner.ask("c3.1 ALTER");
    CHECK(a.say(described("s")) == "2TDCZ");
    CHECK(a.value() == "any STAR=" + std::to_string(house.postgres.schema));
    CHECK(b.say(run("s")) == "2DCZ");                 // prepared anew for everybody
  }
  (void)owner.ask("c3.2 ALTER");
  CHECK(a.say(run("s")) == "EZ(0A000)");
  CHECK(a.say(run("s")) == "2DCZ");
  CHECK(a.ask("c1.1 BEGIN") == "CZ");
  (void)owner.ask("c3.3 ALTER");
  CHECK(a.say(described("s")) == "EZ(0A000)");        // within a transaction it has to be told
  CHECK(a.ask("c1.2 ROLLBACK") == "CZ");
  CHECK(a.say(described("s")) == "2TDCZ");
}

TEST_CASE("T32: PREPARE and EXECUTE in SQL, through Parse, across servers") {
  House house(2);
  Teller a(house), b(house);
  CHECK(a.say(by_message("PREPARE p AS any SHOW TimeZone")) == "12CZ");
  for (const bool switching : {false, true, false}) {
    if (switching) CHECK(b.ask("c2.1 BEGIN") == "CZ");
    CHECK(a.say(by_message("EXECUTE p")) == "12DCZ");
    CHECK(a.say(query("EXECUTE p")) == "TDCZ");
    if (switching) CHECK(b.ask("c2.2 COMMIT") == "CZ");
  }
  CHECK(a.say(by_message("DEALLOCATE p")) == "12CZ");
  CHECK(a.say(by_message("EXECUTE p")) == "12EZ(26000)");
  CHECK(a.say(query("PREPARE q AS any SELECT; EXECUTE q; DEALLOCATE q; EXECUTE q")) == "CTDCCEZ(26000)");
}

TEST_CASE("T70: EXECUTE and DEALLOCATE reach what was prepared by message, and the reverse") {
  House house(2);
  Teller a(house), b(house);
  a.prepare("s", "any SELECT");
  b.prepare("s", "any SELECT");
  CHECK(b.ask("c2.1 BEGIN") == "CZ");
  CHECK(a.say(query("EXECUTE s")) == "TDCZ");
  CHECK(a.say(by_message("EXECUTE s")) == "12DCZ");
  CHECK(a.say(query("DEALLOCATE s")) == "CZ");
  CHECK(a.say(run("s")) == "EZ(26000)");
  CHECK(b.say(run("s")) == "2DCZ");
  CHECK(a.say(query("PREPARE p AS any SHOW TimeZone")) == "CZ");
  CHECK(b.ask("c2.2 COMMIT") == "CZ");
  CHECK(a.say(run("p")) == "2DCZ");
  CHECK(a.say(parse("p", "any SELECT") + sync_message()) == "EZ(42P05)");
  CHECK(a.say(close_message('S', "p") + sync_message()) == "3Z");
  CHECK(a.say(query("EXECUTE p")) == "EZ(26000)");
}

TEST_CASE("T71: after a change the driver's own way out works, and new clients inherit no error") {
  House house(2);
  Teller a(house), b(house), owner(house, {.user = "u1", .database = "db2", .password = "secret", .parameters = {}});
  a.prepare("s", star);
  CHECK(a.say(query("PREPARE p AS any STAR")) == "CZ");
  CHECK(a.say(query("EXECUTE p")) == "TDCZ");
  CHECK(a.say(run("s")) == "2DCZ");
  (void)owner.ask("c3.1 ALTER");
  Teller fresh(house);
  fresh.prepare("mine", star);
  CHECK(a.say(run("s")) == "EZ(0A000)");
  CHECK(a.say(query("EXECUTE p")) == "EZ(0A000)");
  for (const bool switching : {false, true}) {
    if (switching) CHECK(b.ask("c2.1 BEGIN") == "CZ");
    CHECK(a.say(close_message('S', "s") + parse("s", star) + sync_message()) == "31Z");
    CHECK(a.say(run("s")) == "2DCZ");
    CHECK(a.say(query("EXECUTE p")) == "TDCZ");
    CHECK(fresh.say(run("mine")) == "2DCZ");
  }
  Teller later(house);
  later.prepare("s", star);
  CHECK(later.say(run("s")) == "2DCZ");
}

TEST_CASE("T72: a Parse in a failed transaction leaves no name behind") {
  House house(1);
  Teller a(house), b(house);
  b.prepare("known", "any SELECT");
  CHECK(a.ask("c1.1 BEGIN") == "CZ");
  CHECK(a.ask("c1.2 FAIL") == "EZ");
  CHECK(a.say(parse("s", "any SELECT") + sync_message()) == "EZ(25P02)");
  CHECK(a.say(parse("t", "c1.3 SELECT") + sync_message()) == "EZ(25P02)");
  CHECK(a.say(query("PREPARE u AS any SELECT")) == "EZ(25P02)");
  CHECK(a.ask("c1.4 ROLLBACK") == "CZ");
  for (const char* name : {"s", "t", "u"}) CHECK(a.say(run(name)) == "EZ(26000)");
  a.prepare("s", "c1.5 SELECT");
  CHECK(a.say(run("s")) == "2DCZ");
}
