#include "proxy/policy/startup_wishes.h"

#include <doctest/doctest.h>

using namespace pgweir;
using namespace pgweir::policy;

namespace {

using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;

StartupWishes wishes_of(Pairs parameters, const std::vector<std::string>& ignored = {}, bool replicates = false) {
  const TrackedParameters tracked("");
  StartupPacket packet;
  packet.parameters = std::move(parameters);
  return read_wishes(packet, tracked, ignored, replicates);
}

std::string tracked_value(const StartupWishes& wishes, std::string_view name) {
  const auto* value = value_at(wishes.parameters, TrackedParameters("").place_of(name));
  return value && *value ? **value : "-";
}

}  // namespace

TEST_CASE("who it is, what every client has, and what is its own are told apart") {
  const StartupWishes wishes = wishes_of({{"user", "u"}, {"database", "d"}, {"application_name", "a"}, {"Work_Mem", "7MB"},
                                          {"options", "-c search_path=x -c timezone=UTC"}, {"_pq_.new", "1"}});
  CHECK(wishes.user == "u");
  CHECK(wishes.database == "d");
  CHECK(tracked_value(wishes, "application_name") == "a");
  CHECK(tracked_value(wishes, "TimeZone") == "UTC");
  REQUIRE(wishes.settings);
  CHECK(*wishes.settings == SessionSettings{{"search_path", "x"}, {"work_mem", "7MB"}});
  CHECK(wishes.unsupported == "unsupported startup parameter in options: search_path");
  CHECK_FALSE(wishes.impossible);
  CHECK_FALSE(wishes.bad_options);
}

TEST_CASE("what is ignored is no wish, in any case of its letters") {
  const StartupWishes wishes = wishes_of({{"user", "u"}, {"Extra_Float_Digits", "3"}, {"options", "-c work_mem=1 --nonsense"}},
                                         {"extra_float_digits", "options"});
  CHECK_FALSE(wishes.settings);
  CHECK(wishes.unsupported.empty());
  CHECK_FALSE(wishes.bad_options);
}

TEST_CASE("ignored options lose what is not understood or not known, and nothing beside it") {
  const StartupWishes wishes = wishes_of({{"options", "-c timezone=UTC -e -c work_mem=1MB -S 1000 --datestyle=SQL"}}, {"options"});
  CHECK(tracked_value(wishes, "TimeZone") == "UTC");
  CHECK(tracked_value(wishes, "DateStyle") == "SQL");
  CHECK_FALSE(wishes.settings);
  CHECK_FALSE(wishes.bad_options);
}

TEST_CASE("options that are not understood are told, and who asked for them") {
  const StartupWishes wishes = wishes_of({{"options", "-x"}, {"user", "u"}});
  CHECK(wishes.bad_options);
  CHECK(wishes.user == "u");
}

TEST_CASE("what stands beside the options has the last word, wherever it stands; of several options the last count") {
  const StartupWishes wishes = wishes_of({{"timezone", "UTC"}, {"work_mem", "7MB"}, {"options", "-c work_mem=1MB -c app.lost=1"},
                                          {"options", "-c timezone=Asia/Tokyo -c work_mem=8MB -c datestyle=SQL"}});
  CHECK(tracked_value(wishes, "TimeZone") == "UTC");
  CHECK(tracked_value(wishes, "DateStyle") == "SQL");
  REQUIRE(wishes.settings);
  CHECK(*wishes.settings == SessionSettings{{"work_mem", "7MB"}});
}

TEST_CASE("of a replication connection its own server judges what is not reported to everybody") {
  const Pairs asked{{"replication", "database"}, {"application_name", "a"}, {"options", "-c x"}, {"Work_Mem", "7MB"}};
  const StartupWishes wishes = wishes_of(asked, {}, true);
  CHECK(tracked_value(wishes, "application_name") == "a");
  CHECK(wishes.passed_on == std::vector<std::pair<std::string, std::string>>{{"options", "-c x"}, {"Work_Mem", "7MB"}});
  CHECK(wishes.unsupported.empty());
  CHECK_FALSE(wishes.settings);
  CHECK_FALSE(wishes.bad_options);
}

TEST_CASE("whether it replicates is no setting") {
  const StartupWishes wishes = wishes_of({{"replication", "off"}});
  CHECK(wishes.unsupported.empty());
  CHECK_FALSE(wishes.settings);
}

TEST_CASE("a setting whose name would need quotes is given to no server") {
  CHECK(wishes_of({{"a\"b", "1"}}).impossible);
}
