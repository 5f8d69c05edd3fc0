#include "proxy/policy/parameters.h"

#include <doctest/doctest.h>

#include <initializer_list>
#include <utility>

using namespace pgweir;
using namespace pgweir::policy;

namespace {

SharedParameters values(const TrackedParameters& tracked,
                        std::initializer_list<std::pair<const char*, const char*>> given) {
  SharedParameters result;
  for (const auto& [name, value] : given)
    result = with_value(result, tracked.place_of(name), value, tracked.size());
  return result;
}

}  // namespace

TEST_CASE("five settings are followed, and those of track_extra_parameters") {
  const TrackedParameters usual("");
  CHECK(usual.size() == 5);
  CHECK(usual.place_of("timezone") == usual.place_of("TimeZone"));
  CHECK(usual.place_of("search_path") == TrackedParameters::none);
  const TrackedParameters more("search_path, IntervalStyle ,TimeZone,");
  CHECK(more.size() == 7);
  CHECK(more.place_of("intervalstyle") == 6);
}

TEST_CASE("what nobody can set is never set") {
  const TrackedParameters tracked("in_hot_standby,is_superuser,server_version,server_encoding,integer_datetimes,session_authorization");
  const auto client = values(tracked, {{"in_hot_standby", "on"}, {"is_superuser", "off"}, {"server_version", "15.1"},
                                       {"server_encoding", "x"}, {"integer_datetimes", "off"}, {"session_authorization", "a"}});
  const auto server = values(tracked, {{"in_hot_standby", "off"}, {"is_superuser", "on"}, {"server_version", "15.2"},
                                       {"server_encoding", "y"}, {"integer_datetimes", "on"}, {"session_authorization", "b"}});
  CHECK(difference(tracked, client, server) == "SET session_authorization='a';");
}

TEST_CASE("the SQL names only what both know and where they differ") {
  const TrackedParameters tracked("search_path");
  struct Case {
    SharedParameters client, server;
    std::string sql;
  };
  for (const Case& c : {
           Case{values(tracked, {{"TimeZone", "UTC"}}), values(tracked, {{"TimeZone", "UTC"}}), ""},
           {values(tracked, {{"TimeZone", "Europe/Berlin"}}),
            values(tracked, {{"TimeZone", "UTC"}}), "SET TimeZone='Europe/Berlin';"},
           {values(tracked, {{"TimeZone", "Europe/Berlin"}}),
            values(tracked, {{"DateStyle", "ISO"}}), ""},
           {nullptr, values(tracked, {{"TimeZone", "UTC"}}), ""},
           {values(tracked, {{"client_encoding", "utf8"}}),
            values(tracked, {{"client_encoding", "UTF8"}}), ""},
           {values(tracked, {{"application_name", "App"}}),
            values(tracked, {{"application_name", "app"}}), "SET application_name='App';"},
           {values(tracked, {{"application_name", "it's"}}),
            values(tracked, {{"application_name", ""}}), "SET application_name='it''s';"},
           {values(tracked, {{"application_name", "a\\'; DROP"}}),
            values(tracked, {{"application_name", ""}}), "SET application_name=E'a\\\\''; DROP';"},
           {values(tracked, {{"search_path", "a, \"b c\""}}),
            values(tracked, {{"search_path", "public"}}),
            "SELECT set_config('search_path','a, \"b c\"',false);"},
       }) {
    CHECK(difference(tracked, c.client, c.server) == c.sql);
  }
}

TEST_CASE("setting the same value again keeps the shared object") {
  const TrackedParameters tracked("");
  const SharedParameters one = values(tracked, {{"TimeZone", "UTC"}});
  CHECK(with_value(one, tracked.place_of("TimeZone"), "UTC", tracked.size()) == one);
  const SharedParameters two = with_value(one, tracked.place_of("TimeZone"), "GMT", tracked.size());
  CHECK(two != one);
  CHECK(**value_at(one, tracked.place_of("TimeZone")) == "UTC");
}

TEST_CASE("clients that come with equal values share them as a rule, and all have their own") {
  const TrackedParameters tracked("");
  ParameterPool pool;
  CHECK(pool.same_as(nullptr) == nullptr);
  const SharedParameters one = pool.same_as(values(tracked, {{"application_name", "web"}, {"TimeZone", "UTC"}}));
  const SharedParameters other = pool.same_as(values(tracked, {{"application_name", "jobs"}, {"TimeZone", "UTC"}}));
  CHECK(one != other);
  CHECK(pool.same_as(values(tracked, {{"application_name", "web"}, {"TimeZone", "UTC"}})) == one);
  CHECK(**value_at(other, tracked.place_of("application_name")) == "jobs");
  // What is kept is bounded: of many, all are right.
  for (int i = 0; i < 10'000; ++i) {
    const std::string name = "app" + std::to_string(i);
    CHECK(**value_at(pool.same_as(values(tracked, {{"application_name", name.c_str()}})), tracked.place_of("application_name")) == name);
  }
}
