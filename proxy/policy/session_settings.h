// What a client has set for its session beyond what PostgreSQL reports: it follows the client from server to server.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::policy {

// Name in lower case and value, sorted by name.
using SessionSettings = std::vector<std::pair<std::string, std::string>>;
// Null: none. Equal pointers mean equal values.
using SharedSettings = std::shared_ptr<const SessionSettings>;

bool same_settings(const SharedSettings& a, const SharedSettings& b);
// The settings with one of them given another value, or, without a value, taken away.
SharedSettings with_setting(const SharedSettings& settings, std::string_view name, std::optional<std::string_view> value);

std::size_t settings_bytes(const SharedSettings& settings);   // that they take up

// How a server that has `there` is given `wanted`.
struct SettingsPlan {
  std::string resets;     // SQL; empty: none
  // For set_config(), in this order: who one is comes first, the role one takes last.
  std::vector<std::pair<std::string_view, std::string_view>> sets;   // points into `wanted`
};
SettingsPlan plan_settings(const SharedSettings& wanted, const SharedSettings& there);

// `a.b` as SQL: "a"."b".
std::string quote_setting(std::string_view name);
// A name that needs no thought when it stands in SQL: letters, digits, underscores, dollars, dots.
bool is_plain_setting(std::string_view name);

// SQL that tells what the session has set, for those names only.
std::string settings_question(const std::vector<std::string>& names);
// SQL that tells all of the session: `names` are looked at as well, since a setting of no module is in no list.
//
//   kind      name        value
//   setting   work_mem    4096
//   custom    app.tenant  7            also NULL
//   channel   news        (one row of each that is listened to)
//   lock      (one row of each other kind of thing, with its count)
//
// `of_functions`: also at those that the source of a function or a policy of the database names.
std::string session_question(const std::vector<std::string>& names, bool of_functions);

}  // namespace pgweir::policy
