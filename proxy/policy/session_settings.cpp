#include "proxy/policy/session_settings.h"

#include <algorithm>

#include "proxy/policy/parameters.h"

namespace pgweir::policy {
namespace {

constexpr std::string_view identity = "session_authorization", role = "role";

auto place_of(const SessionSettings& settings, std::string_view name) {
  return std::lower_bound(settings.begin(), settings.end(), name, [](const auto& entry, std::string_view n) { return entry.first < n; });
}

const std::string* value_of(const SharedSettings& settings, std::string_view name) {
  if (!settings) return nullptr;
  const auto found = place_of(*settings, name);
  return found != settings->end() && found->first == name ? &found->second : nullptr;
}

std::string reset_of(std::string_view name) {
  if (name == identity) return "RESET SESSION AUTHORIZATION;";
  return "RESET " + quote_setting(name) + ";";
}

// (VALUES ('a'),('b')) names(n): with columns of their own even when there is none.
std::string list_of(const std::vector<std::string>& names) {
  std::string list = "(VALUES (NULL)";
  for (const std::string& name : names) list += ",(" + quote_literal(name) + ")";
  return list + ") AS names(n) WHERE n IS NOT NULL";
}

std::string question_about(std::string_view kind, const std::vector<std::string>& names) {
  std::string sql = "SELECT '";
  sql += kind;
  return sql + "', n, pg_catalog.current_setting(n, true) FROM " + list_of(names);
}

}  // namespace

bool same_settings(const SharedSettings& a, const SharedSettings& b) {
  if (a == b) return true;
  const bool a_empty = !a || a->empty(), b_empty = !b || b->empty();
  return a_empty || b_empty ? a_empty && b_empty : *a == *b;
}

SharedSettings with_setting(const SharedSettings& settings, std::string_view name, std::optional<std::string_view> value) {
  const std::string* known = value_of(settings, name);
  if (value ? known && *known == *value : !known) return settings;
  SessionSettings changed = settings ? *settings : SessionSettings{};
  const auto place = changed.begin() + (place_of(changed, name) - changed.cbegin());
  if (!value) changed.erase(place);
  else if (known) place->second = *value;
  else changed.emplace(place, std::string(name), std::string(*value));
  if (changed.empty()) return nullptr;
  return std::make_shared<const SessionSettings>(std::move(changed));
}

std::size_t settings_bytes(const SharedSettings& settings) {
  std::size_t bytes = 0;
  if (settings) for (const auto& [name, value] : *settings) bytes += sizeof(SessionSettings::value_type) + name.size() + value.size();
  return bytes;
}

SettingsPlan plan_settings(const SharedSettings& wanted, const SharedSettings& there) {
  SettingsPlan plan;
  if (there) {
    // Rights come back first.
    for (const std::string_view name : {role, identity}) {
      if (value_of(there, name) && !value_of(wanted, name)) plan.resets += reset_of(name);
    }
    for (const auto& [name, value] : *there) {
      if (name != role && name != identity && !value_of(wanted, name)) plan.resets += reset_of(name);
    }
  }
  if (!wanted) return plan;
  const std::string* was = value_of(there, identity);
  const std::string* is = value_of(wanted, identity);
  const bool another = is && (!was || *was != *is);
  // A role is taken on behalf of the identity: it is taken anew.
  if (another && value_of(there, role)) plan.resets += reset_of(role);
  if (another) plan.sets.emplace_back(identity, *is);
  for (const auto& [name, value] : *wanted) {
    const std::string* known = value_of(there, name);
    if (name != role && name != identity && (!known || *known != value)) plan.sets.emplace_back(name, value);
  }
  const std::string* own_role = value_of(wanted, role);
  const std::string* known_role = value_of(there, role);
  if (own_role && (another || !known_role || *known_role != *own_role)) plan.sets.emplace_back(role, *own_role);
  return plan;
}

std::string quote_setting(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '.') quoted += "\".\"";
    else if (c == '"') quoted += "\"\"";
    else quoted += c;
  }
  return quoted + '"';
}

bool is_plain_setting(std::string_view name) {
  return !name.empty() && name.size() < 200 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || c == '.';
  });
}

std::string settings_question(const std::vector<std::string>& names) { return question_about("custom", names); }

std::string session_question(const std::vector<std::string>& names, bool of_functions) {
  // set_config('app.x', ...) and SET app.x in the sources of functions that are not PostgreSQL's own.
  static const std::string in_functions =
      " UNION ALL SELECT 'custom', f.n, pg_catalog.current_setting(f.n, true) FROM (SELECT DISTINCT pg_catalog.lower(m[1]) AS n "
      "FROM pg_catalog.pg_proc p, pg_catalog.regexp_matches("
      "CASE WHEN p.prosrc OPERATOR(pg_catalog.=) '' THEN pg_catalog.pg_get_functiondef(p.oid) ELSE p.prosrc END, "
      "E'(?:set_config\\\\s*\\\\(\\\\s*''|set\\\\s+(?:session\\\\s+)?)([a-z_0-9]+\\\\.[a-z_0-9.]+)', 'gi') m "
      "WHERE p.oid OPERATOR(pg_catalog.>=) 16384) f";
  // Nothing is looked up along the client's search_path.
  return "SELECT 'setting', s.name, s.setting FROM pg_catalog.pg_settings s WHERE s.source OPERATOR(pg_catalog.=) 'session' "
         "UNION ALL SELECT 'lock', '', pg_catalog.count(*)::pg_catalog.text FROM pg_catalog.pg_locks l "
         "WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() "
         "UNION ALL SELECT 'cursor', '', pg_catalog.count(*)::pg_catalog.text FROM pg_catalog.pg_cursors c WHERE c.is_holdable "
         "UNION ALL SELECT 'channel', c.name, 'listened' FROM pg_catalog.pg_listening_channels() AS c(name) "
         "UNION ALL SELECT 'temp', '', pg_catalog.count(*)::pg_catalog.text FROM (SELECT relnamespace FROM pg_catalog.pg_class "
         "UNION ALL SELECT pronamespace FROM pg_catalog.pg_proc UNION ALL SELECT typnamespace FROM pg_catalog.pg_type) t(n) "
         "WHERE t.n OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() "
         "UNION ALL " +
         question_about("custom", names) + (of_functions ? in_functions : std::string());
}

}  // namespace pgweir::policy
