#include "config/change.h"

#include <doctest/doctest.h>

#include "tests/config/memory_files.h"

using namespace pgweir;

namespace {

Config config_of(const std::string& text, std::map<std::string, std::string> others = {}) {
  Loaded loaded = load_text("[pgbouncer]\n" + text, std::move(others));
  REQUIRE(loaded.config);
  return *loaded.config;
}

// What changes for one database when its connection string does.
Lines recycled(const std::string& before, const std::string& after) {
  return compare(config_of("[databases]\na = " + before + "\n"),
                 config_of("[databases]\na = " + after + "\n"))
      .databases_to_recycle;
}

}  // namespace

TEST_CASE("nothing changes when the file does not") {
  const std::string text = "pool_mode=transaction\n[databases]\na = host=h\n* =\n[users]\nu = \n";
  Changes changes = compare(config_of(text), config_of(text));
  CHECK(changes.databases_removed.empty());
  CHECK(changes.databases_added.empty());
  CHECK(changes.databases_to_recycle.empty());
  CHECK(!changes.fallback_removed);
  CHECK(!changes.fallback_to_recycle);
  CHECK(changes.settings_changed.empty());
  CHECK(changes.settings_needing_restart.empty());
  CHECK(!changes.userlist_changed);
  CHECK(!changes.users_changed);
}

TEST_CASE("databases are told as removed and added; a new one recycles nothing") {
  Changes changes =
      compare(config_of("[databases]\na =\nb =\n"), config_of("[databases]\nb =\nc ="));
  CHECK(changes.databases_removed == Lines{"a"});
  CHECK(changes.databases_added == Lines{"c"});
  CHECK(changes.databases_to_recycle.empty());
}

TEST_CASE("a change of where or how to connect recycles the servers") {
  CHECK(recycled("host=h", "host=i") == Lines{"a"});
  CHECK(recycled("host=h,i", "host=i,h") == Lines{"a"});
  CHECK(recycled("host=h", "host=h port=1") == Lines{"a"});
  CHECK(recycled("host=h", "host=h dbname=b") == Lines{"a"});
  CHECK(recycled("host=h", "host=h user=u") == Lines{"a"});
  CHECK(recycled("host=h", "host=h connect_query=q") == Lines{"a"});
  CHECK(recycled("host=h", "host=h auth_dbname=q") == Lines{"a"});
  CHECK(recycled("host=h", "host=h auth_query=q") == Lines{"a"});
  CHECK(recycled("host=h", "host=h load_balance_hosts=disable") == Lines{"a"});
}

TEST_CASE("a change of password, sizes, mode or encoding keeps the servers") {
  CHECK(recycled("host=h user=u", "host=h user=u password=x") == Lines{});
  CHECK(recycled("host=h", "host=h pool_size=1 min_pool_size=1 reserve_pool_size=1") == Lines{});
  CHECK(recycled("host=h", "host=h pool_mode=statement server_lifetime=1") == Lines{});
  CHECK(recycled("host=h", "host=h client_encoding=UTF8 timezone=GMT") == Lines{});
  CHECK(recycled("host=h port=5432", "host=h dbname=a") == Lines{});
}

TEST_CASE("an entry added for a name the fallback served recycles only if it leads elsewhere") {
  Config old = config_of("[databases]\n* = host=h\n");
  Changes changes = compare(old, config_of("[databases]\n* = host=h\nx = host=h user=u\n"));
  CHECK(changes.databases_added == Lines{"x"});
  CHECK(changes.databases_to_recycle == Lines{"x"});
  CHECK(!changes.fallback_removed);
  CHECK(!changes.fallback_to_recycle);
  changes = compare(old, config_of("[databases]\n* = host=h\nx = host=h pool_size=3\n"));
  CHECK(changes.databases_added == Lines{"x"});
  CHECK(changes.databases_to_recycle == Lines{});
}

TEST_CASE("the fallback stays, is recycled, or goes") {
  Config old = config_of("[databases]\n* = host=h\n");
  CHECK(compare(old, config_of("[databases]\n* = host=i\n")).fallback_to_recycle);
  CHECK(compare(old, config_of("[databases]\n")).fallback_removed);
  CHECK(!compare(config_of("[databases]\n"), old).fallback_removed);
}

TEST_CASE("a reload keeps settings that need a restart and tells them") {
  Config old = config_of("listen_port = 7000\nquery_timeout = 1\nlisten_addr = ::1\n");
  Config fresh = config_of("listen_port = 7001\nquery_timeout = 2\nlisten_addr = *\n");
  Changes changes = compare(old, fresh);
  CHECK(changes.settings_needing_restart == Lines{"listen_addr", "listen_port"});
  CHECK(changes.settings_changed == Lines{"query_timeout"});
  Config after = apply_reload_rules(old, fresh);
  CHECK(after.globals.listen_port == 7000);
  CHECK(after.listen_addresses == Lines{"::1"});
  CHECK(after.globals.query_timeout == std::chrono::seconds(2));
}

TEST_CASE("a line removed from the file is the default again after a reload") {
  Config after = apply_reload_rules(config_of("query_timeout = 1\n"), config_of(""));
  CHECK(after.globals.query_timeout == Micros(0));
}

TEST_CASE("an auth_file that vanishes leaves the users as they were") {
  const std::string text = "auth_file = u.txt\n";
  Config old = config_of(text, {{"u.txt", "\"a\" \"1\"\n"}});
  Config fresh = config_of(text);
  CHECK(!compare(old, fresh).userlist_changed);
  Config after = apply_reload_rules(old, fresh);
  REQUIRE(after.secret("a"));
  CHECK(*after.secret("a") == "1");
  fresh = config_of(text, {{"u.txt", "\"b\" \"1\"\n"}});
  CHECK(compare(old, fresh).userlist_changed);
  after = apply_reload_rules(old, fresh);
  CHECK(after.secret("a") == nullptr);
  CHECK(after.secret("b") != nullptr);
}

TEST_CASE("changed limits of users are told") {
  CHECK(compare(config_of("[users]\nu = pool_size=1\n"), config_of("[users]\nu = pool_size=2\n"))
            .users_changed);
}
