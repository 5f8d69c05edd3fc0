#include "proxy/policy/startup_wishes.h"

#include <algorithm>

#include "protocol/startup_options.h"

namespace pgweir::policy {
namespace {

class Reader {
 public:
  Reader(StartupWishes& wishes, const TrackedParameters& tracked, const std::vector<std::string>& ignored, bool replicates)
      : wishes_(wishes), tracked_(tracked), ignored_(ignored), replicates_(replicates) {}

  void read(std::string_view name, std::string_view value) {
    if (name == "database") wishes_.database = value;
    else if (name == "user") wishes_.user = value;
    else if (name == "replication" || is_protocol_extension(name)) return;
    else if (name == "options" && replicates_) wishes_.passed_on.emplace_back(name, value);
    else if (name == "options") read_options(value);
    else if (take(name, value)) return;
    else if (replicates_) wishes_.passed_on.emplace_back(name, value);
    else keep(name, value, "unsupported startup parameter: ");
  }

 private:
  void read_options(std::string_view text) {
    const bool lenient = std::find(ignored_.begin(), ignored_.end(), "options") != ignored_.end();
    auto options = parse_startup_options(text);
    if (!options && lenient) options = understood_startup_options(text);
    wishes_.bad_options = !options;
    if (!options) return;
    for (const auto& [name, value] : *options)
      if (!take(name, value) && !lenient) keep(name, value, "unsupported startup parameter in options: ");
  }

  bool take(std::string_view name, std::string_view value) {
    if (const std::size_t place = tracked_.place_of(name); place != TrackedParameters::none) {
      wishes_.parameters = with_value(wishes_.parameters, place, value, tracked_.size());
      return true;
    }
    return std::any_of(ignored_.begin(), ignored_.end(), [&](const std::string& i) { return equal_ignoring_case(i, name); });
  }

  void keep(std::string_view name, std::string_view value, std::string_view refusal) {
    const std::string setting = lower_case(name);
    wishes_.impossible |= !is_plain_setting(setting);
    wishes_.settings = with_setting(wishes_.settings, setting, value);
    if (wishes_.unsupported.empty()) wishes_.unsupported.append(refusal).append(name);
  }

  StartupWishes& wishes_;
  const TrackedParameters& tracked_;
  const std::vector<std::string>& ignored_;
  const bool replicates_;
};

}  // namespace

StartupWishes read_wishes(const StartupPacket& packet, const TrackedParameters& tracked, const std::vector<std::string>& ignored,
                          bool replicates) {
  StartupWishes wishes;
  Reader reader(wishes, tracked, ignored, replicates);
  // As PostgreSQL does: the last `options` count, and what stands beside them has the last word.
  if (const auto options = packet.parameter("options")) reader.read("options", *options);
  for (const auto& [name, value] : packet.parameters)
    if (name != "options") reader.read(name, value);
  return wishes;
}

}  // namespace pgweir::policy
