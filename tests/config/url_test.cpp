#include <doctest/doctest.h>

#include "tests/config/memory_files.h"

using namespace pgweir;

namespace {

DatabaseConfig server_of(std::string_view url) {
  Loaded loaded = from_url(url);
  CHECK(lines_of(loaded.mistakes) == Lines{});
  REQUIRE(loaded.config);
  return *loaded.config->database("any");
}

Lines mistakes_of(std::string_view url) {
  return lines_of(from_url(url).mistakes);
}

}  // namespace

TEST_CASE("a URL makes a pool for one server on loopback") {
  Loaded loaded = from_url("postgres://me:pw@db.example:5433/app");
  CHECK(loaded.mistakes == Mistakes{});
  REQUIRE(loaded.config);
  const Config& c = *loaded.config;
  CHECK(c.listen_addresses == std::vector<std::string>{"127.0.0.1"});
  CHECK(c.globals.listen_port == 6432);
  CHECK(c.globals.auth_type == AuthType::any);
  CHECK(c.globals.pool_mode == PoolMode::transaction);
  REQUIRE(c.databases.size() == 1);
  DatabasePtr app = c.database("app");
  CHECK(!app->automatic);
  CHECK(app->user == "me");
  CHECK(app->password == "pw");
  CHECK(app->hosts == std::vector<std::string>{"db.example"});
  CHECK(app->port == 5433);
  CHECK(c.database("other")->server_database() == "other");
  CHECK(c.database("other")->user == "me");
}

TEST_CASE("parts of a URL are percent-decoded") {
  DatabaseConfig d = server_of("postgresql://m%40e:p%3Aw%2F+@h/a%20b");
  CHECK(d.user == "m@e");
  CHECK(d.password == "p:w/+");
  CHECK(from_url("postgres://u@h/a%20b").config->databases.begin()->first == "a b");
}

TEST_CASE("hosts of a URL may be IPv6, several, absent, or a socket folder") {
  CHECK(server_of("postgres://u@[::1]:99/d").hosts == std::vector<std::string>{"::1"});
  CHECK(server_of("postgres://u@[::1]:99/d").port == 99);
  CHECK(server_of("postgres://u@[fe80::1]").hosts == std::vector<std::string>{"fe80::1"});
  CHECK(server_of("postgres://u@a,b:7/d").hosts == std::vector<std::string>{"a", "b"});
  CHECK(server_of("postgres://u@/d").hosts.empty());
  CHECK(server_of("postgres://u@/d").port == 5432);
  CHECK(server_of("postgres://u@/d?host=/run/pg").hosts == std::vector<std::string>{"/run/pg"});
  CHECK(server_of("postgres://u@%2Frun%2Fpg/d").hosts == std::vector<std::string>{"/run/pg"});
}

TEST_CASE("parameters of a URL count where they mean something here") {
  Loaded loaded = from_url(
      "postgres:///?host=h&port=7&user=u&password=p%26w&dbname=d&application_name=a"
      "&connect_timeout=3&sslmode=disable");
  CHECK(loaded.mistakes == Mistakes{});
  REQUIRE(loaded.config);
  DatabasePtr d = loaded.config->database("d");
  CHECK(d->port == 7);
  CHECK(d->password == "p&w");
  CHECK(d->application_name == "a");
  CHECK(loaded.config->globals.server_connect_timeout == std::chrono::seconds(3));
  CHECK(loaded.config->globals.server_tls_sslmode == SslMode::disable);
  CHECK(mistakes_of("postgres://u@h/d?target_session_attrs=any&sslmode=require") ==
        Lines{"?URL:0 the URL's parameter target_session_attrs is ignored"});
}

TEST_CASE("a URL without a user takes the one handed in") {
  CHECK(mistakes_of("postgres://h/d") == Lines{"URL:0 the URL names no user"});
  CHECK(from_url("postgres://h/d", "os").config->database("d")->user == "os");
  CHECK(from_url("postgres://me@h/d", "os").config->database("d")->user == "me");
}

TEST_CASE("broken URLs are told, without the password in the text") {
  CHECK(mistakes_of("mysql://u@h/d").front() == "URL:0 not a postgres:// URL");
  CHECK(mistakes_of("postgres://u@h:x/d") == Lines{"URL:0 invalid port in the URL"});
  CHECK(mistakes_of("postgres://u@h:0/d") == Lines{"URL:0 invalid port in the URL"});
  CHECK(mistakes_of("postgres://u:secret%zz@h/d") ==
        Lines{"URL:0 invalid percent-encoding in the URL's password"});
  CHECK(mistakes_of("postgres://u:x%00@h/d").size() == 1);
  CHECK(mistakes_of("postgres://u:x%4@h/d").size() == 1);
  CHECK(mistakes_of("postgres://u@[::1/d") == Lines{"URL:0 the URL's host has no closing ]"});
  CHECK(mistakes_of("postgres://u@a:1,b:2/d") == Lines{"URL:0 the URL's hosts need one port"});
  CHECK(mistakes_of("postgres://u@h/d?sslmode=maybe").size() == 1);
  CHECK(mistakes_of("postgres://u@h/pgbouncer") ==
        Lines{"URL:0 database name \"pgbouncer\" is reserved"});
  CHECK(from_url("postgres://u@h:x/d").config == nullptr);
}

TEST_CASE("a URL is told from a file name by its scheme") {
  CHECK(looks_like_url("postgres://h"));
  CHECK(looks_like_url("postgresql://"));
  CHECK(!looks_like_url("pgbouncer.ini"));
  CHECK(!looks_like_url("/etc/postgres://x"));
}
