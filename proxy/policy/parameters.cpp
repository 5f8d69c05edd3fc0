#include "proxy/policy/parameters.h"

#include <algorithm>
#include <functional>

namespace pgweir::policy {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// PostgreSQL spells these its own way (`ISO` becomes `ISO, MDY`), so that case says nothing; of the others it does.
bool is_case_blind(std::string_view name) {
  return !equal_ignoring_case(name, "application_name") && !equal_ignoring_case(name, "search_path");
}

// Reported, but nobody can set them.
bool can_be_set(std::string_view name) {
  constexpr std::string_view facts[] = {"in_hot_standby", "integer_datetimes", "is_superuser", "server_encoding", "server_version"};
  return std::none_of(std::begin(facts), std::end(facts), [&](std::string_view fact) { return equal_ignoring_case(name, fact); });
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string folded(text);
  std::transform(folded.begin(), folded.end(), folded.begin(), lower);
  return folded;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

TrackedParameters::TrackedParameters(std::string_view extra)
    : names_{"client_encoding", "DateStyle", "TimeZone", "standard_conforming_strings",
             "application_name"} {
  while (!extra.empty()) {
    const std::size_t comma = std::min(extra.find(','), extra.size());
    const std::string_view name = trim(extra.substr(0, comma));
    extra.remove_prefix(std::min(comma + 1, extra.size()));
    if (!name.empty() && place_of(name) == none) names_.emplace_back(name);
  }
}

std::size_t TrackedParameters::place_of(std::string_view name) const {
  for (std::size_t i = 0; i < names_.size(); ++i)
    if (equal_ignoring_case(names_[i], name)) return i;
  return none;
}

SharedParameters with_value(const SharedParameters& values, std::size_t place, std::string_view value,
                            std::size_t size) {
  const auto* old = value_at(values, place);
  if (old && *old && **old == value) return values;
  auto changed = values ? std::make_shared<ParameterValues>(*values) : std::make_shared<ParameterValues>(size);
  changed->resize(size);
  (*changed)[place] = std::string(value);
  return changed;
}

const std::optional<std::string>* value_at(const SharedParameters& values, std::size_t place) {
  return values && place < values->size() ? &(*values)[place] : nullptr;
}

SharedParameters ParameterPool::same_as(SharedParameters values) {
  if (!values) return values;
  std::size_t hash = 0;
  for (const auto& value : *values) hash = hash * 31 + std::hash<std::optional<std::string>>{}(value);
  SharedParameters& known = known_[(hash ^ hash >> 32) & (lines - 1)];
  if (!known || *known != *values) known = std::move(values);
  return known;
}

std::string quote_literal(std::string_view text) {
  const bool escaped = text.find('\\') != std::string_view::npos;
  std::string quoted = escaped ? "E'" : "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += c;
    quoted += c;
  }
  return quoted += '\'';
}

std::string difference(const TrackedParameters& tracked, const SharedParameters& client,
                       const SharedParameters& server) {
  std::string sql;
  if (client == server) return sql;
  for (std::size_t i = 0; i < tracked.size(); ++i) {
    const auto* wanted = value_at(client, i);
    const auto* has = value_at(server, i);
    if (!wanted || !has || !*wanted || !*has || **wanted == **has) continue;
    if (!can_be_set(tracked.name(i))) continue;
    if (is_case_blind(tracked.name(i)) && equal_ignoring_case(**wanted, **has)) continue;
    if (equal_ignoring_case(tracked.name(i), "search_path")) {
      // A list of identifiers, reported quoted: SET would want it bare, and bare text from a client is no place for
      // SQL of ours. set_config reads the list out of a literal.
      sql += "SELECT set_config('search_path'," + quote_literal(**wanted) + ",false);";
    } else {
      sql += "SET " + tracked.name(i) + "=" + quote_literal(**wanted) + ";";
    }
  }
  return sql;
}

}  // namespace pgweir::policy
