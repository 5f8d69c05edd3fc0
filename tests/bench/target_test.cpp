#include "bench/target.h"

#include <doctest/doctest.h>

#include <stdexcept>

using namespace pgweir::bench;

TEST_CASE("a target names its user, password, place, database and processes") {
  const Target t = parse_target("a=postgres://me:s%40cret@127.0.0.1:6432/db,pid=12,pid=34");
  CHECK(t.name == "a");
  CHECK(t.user == "me");
  CHECK(t.password == "s@cret");
  CHECK(t.database == "db");
  CHECK(t.address.port() == 6432);
  CHECK(t.address.is_local());
  CHECK(t.pids == std::vector<int>{12, 34});
}

TEST_CASE("a host that begins with a slash is the folder of a Unix socket") {
  const Target t = parse_target("u=postgresql:///db?host=/tmp/pg&port=7000&user=joe");
  CHECK(t.address.is_unix());
  CHECK(t.address.text == "/tmp/pg/.s.PGSQL.7000");
  CHECK(t.database == "db");
  CHECK(t.user == "joe");
}

TEST_CASE("an IPv6 address stands in brackets") {
  const Target t = parse_target("six=postgres://[::1]:7001/db");
  CHECK(t.address.family() == AF_INET6);
  CHECK(t.address.port() == 7001);
}

TEST_CASE("a target without a name, a scheme or with an unknown parameter is refused") {
  for (const char* wrong : {"postgres://x", "=postgres://x", "a=http://x", "a=postgres:///d?tls=1",
                            "a=postgres://127.0.0.1/d,cpu=1", "a=postgres://127.0.0.1/d,pid=0"})
    CHECK_THROWS_AS(parse_target(wrong), std::runtime_error);
}

TEST_CASE("TLS is asked for as libpq does, and without it there is none") {
  CHECK(parse_target("a=postgres://127.0.0.1/d").tls == nullptr);
  CHECK(parse_target("a=postgres://127.0.0.1/d?sslmode=disable").tls == nullptr);
  CHECK_FALSE(parse_target("a=postgres://127.0.0.1/d?sslmode=require").tls->direct());
  CHECK(parse_target("a=postgres://127.0.0.1/d?sslmode=require&sslnegotiation=direct")
            .tls->direct());
  for (const char* wrong :
       {"a=postgres://127.0.0.1/d?sslmode=verify-full", "a=postgres://127.0.0.1/d?sslcert=a&sslkey=b",
        "a=postgres://127.0.0.1/d?sslmode=require&sslcert=a",
        "a=postgres:///d?host=/tmp&sslmode=require",
        "a=postgres://127.0.0.1/d?sslmode=require&sslcert=/no&sslkey=/no"})
    CHECK_THROWS_AS(parse_target(wrong), std::runtime_error);
}
