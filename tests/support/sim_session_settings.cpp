// The settings of a simulated session.
#include <strings.h>

#include <algorithm>

#include "tests/support/sim_session.h"
#include "tests/support/sim_wire.h"

namespace pgweir::sim {
namespace {
std::string trim(std::string_view text) {
  const std::size_t first = std::min(text.find_first_not_of(' '), text.size());
  return std::string(text.substr(first, text.find_last_not_of(' ') + 1 - first));
}

}  // namespace

ParameterMap default_parameters() {
  return {{"client_encoding", "UTF8"}, {"DateStyle", "ISO, MDY"},
          {"TimeZone", "Etc/UTC"},     {"standard_conforming_strings", "on"},
          {"application_name", ""},    {"server_version", "15.6"},
          {"integer_datetimes", "on"}};
}

std::string spelled(const std::string& name, const std::string& value) {
  return name == "DateStyle" && strcasecmp(value.c_str(), "iso") == 0 ? "ISO, MDY" : value;
}

ParameterMap::const_iterator find_parameter(const ParameterMap& map, std::string_view name) {
  const std::string wanted(name);
  const auto same = [&](const auto& p) { return strcasecmp(p.first.c_str(), wanted.c_str()) == 0; };
  return std::find_if(map.begin(), map.end(), same);
}

void SimSession::put(const std::string& name, const std::string& value, std::string& out) {
  if (parameters_[name] == value) return;
  parameters_[name] = value;
  out += parameter(name, value);
}

void SimSession::set(std::string_view assignment, std::string& out, bool& failed) {
  const std::size_t equals = std::min(assignment.find('='), assignment.size());
  const std::string name = trim(assignment.substr(0, equals));
  std::string value = trim(assignment.substr(std::min(equals + 1, assignment.size())));
  if (value.starts_with("E'")) value.erase(0, 1);
  if (value.size() >= 2 && value.front() == '\'' && value.back() == '\'')
    value = value.substr(1, value.size() - 2);
  const auto known = find_parameter(parameters_, name);
  failed = known == parameters_.end() || value == "bad";
  if (failed)
    return fail("22023", "invalid value for parameter \"" + name + "\": \"" + value + "\"", out);
  const std::string place = known->first;
  put(place, spelled(place, value), out);
  out += complete("SET");
}

void SimSession::discard_all(std::string& out) {
  prepared_.clear();
  portals_.clear();
  for (const auto& [name, value] : defaults_) put(name, value, out);
  out += complete("DISCARD ALL");
}

}  // namespace pgweir::sim
