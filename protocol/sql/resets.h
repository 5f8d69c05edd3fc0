// Which statements of a text give settings back the value they had as the session began: RESET, DISCARD ALL, SET ... TO
// DEFAULT, set_config(..., NULL, ...). What a function or DO does is not in the text, nor is a value that is bound.
//
// Source: PostgreSQL 15 documentation, "RESET", "SET", "DISCARD", "SET SESSION AUTHORIZATION".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::sql {

struct Reset {
  enum class What : std::uint8_t {
    setting,       // `name`
    all,           // RESET ALL: all but who one is
    everything,    // DISCARD ALL
    identity,      // RESET SESSION AUTHORIZATION, which takes the role along
    set_default,   // SET name TO DEFAULT: the word stands from `from` to `to`
    null_value,    // set_config('name', NULL, ...): so does that one
  };
  What what = What::setting;
  std::string name;                  // in lower case
  std::size_t from = 0, to = 0;
  std::size_t end = 0;               // behind the last token of its statement
};

struct Resets {
  std::vector<Reset> found;          // in the order of the text
  std::vector<std::size_t> sets;     // ends of the statements that are answered by SET
  std::size_t statements = 0;
};

// False: none of them is in the text. Cheap; may say yes for too many.
bool may_reset(std::string_view sql);
Resets resets_in(std::string_view sql);

}  // namespace pgweir::sql
