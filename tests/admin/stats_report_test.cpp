#include "proxy/admin/stats_report.h"

#include <doctest/doctest.h>

using namespace pgweir;

TEST_CASE("counts and bytes are averaged per second, times per what they belong to") {
  PoolStats counted;
  counted.server_assignments = 40;
  counted.xacts = 120;
  counted.queries = 240;
  counted.received_bytes = 6000;
  counted.sent_bytes = 60'000;
  counted.xact_us = 12'000;
  counted.query_us = 12'000;
  counted.wait_us = 80;
  counted.client_parses = 60;
  counted.server_parses = 59;
  counted.binds = 600;
  counted.client_logins = 180;
  const PoolStats a = averages(counted, seconds(60));
  CHECK(a.server_assignments == 0);
  CHECK(a.xacts == 2);
  CHECK(a.queries == 4);
  CHECK(a.received_bytes == 100);
  CHECK(a.sent_bytes == 1000);
  CHECK(a.xact_us == 100);
  CHECK(a.query_us == 50);
  CHECK(a.wait_us == 2);
  CHECK(a.client_parses == 1);
  CHECK(a.server_parses == 0);
  CHECK(a.binds == 10);
  CHECK(a.client_logins == 3);
}

TEST_CASE("a period in which nothing happened, and one that never was, have averages of zero") {
  PoolStats counted;
  counted.xact_us = 5;
  CHECK(averages(counted, seconds(60)).xact_us == 0);
  counted.xacts = 5;
  CHECK(averages(counted, Duration{}).xacts == 0);
  CHECK(averages(counted, Duration{}).xact_us == 0);
}

TEST_CASE("terabytes per period do not overflow") {
  PoolStats counted;
  counted.sent_bytes = 600'000'000'000'000;
  CHECK(averages(counted, seconds(60)).sent_bytes == 10'000'000'000'000);
}

TEST_CASE("the stats line is PgBouncer's") {
  PoolStats a;
  a.xacts = 12;
  a.queries = 13;
  a.client_logins = 3;
  a.received_bytes = 1;
  a.sent_bytes = 2;
  a.xact_us = 4;
  a.query_us = 5;
  a.wait_us = 6;
  a.client_parses = 7;
  a.server_parses = 8;
  a.binds = 9;
  CHECK(stats_line(a) ==
        "stats: 12 xacts/s, 13 queries/s, 7 client parses/s, 8 server parses/s, 9 binds/s, "
        "3 client logins/s, in 1 B/s, out 2 B/s, xact 4 us, query 5 us, wait 6 us");
}
