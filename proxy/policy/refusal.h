// session_state=refuse: what is said to a client whose statement leaves what no other server can be given.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/sql/lasting.h"

namespace pgweir::policy {

inline constexpr std::string_view refusal_sqlstate = "0A000";   // feature_not_supported

struct Refusal {
  std::string message, hint;
};

// Before it has run: `statement` is named, as far as a line goes.
Refusal refusal_of(sql::Lasting what, std::string_view statement);
// After it has: a look has found it. Nothing: the look has failed. `functions`: those called whose source nobody reads.
std::string refusal_behind(std::optional<sql::Lasting> what, const std::vector<std::string>& functions);

// What the server is given in the statement's stead: PostgreSQL refuses to parse it, and its error bears the number.
std::string stand_in(std::uint64_t number);
// The number in an error's message; 0: it is about nothing of ours.
std::uint64_t stand_in_number(std::string_view message);

}  // namespace pgweir::policy
