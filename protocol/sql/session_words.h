// The words by which a statement's effects on its session are known; for the two files that look for them.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "protocol/sql/builtin_functions.h"

namespace pgweir::sql {

inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// `word` is in lower case.
inline bool is(std::string_view text, std::string_view word) {
  return text.size() == word.size() &&
         std::equal(text.begin(), text.end(), word.begin(), [](char a, char b) { return lower(a) == b; });
}

template <std::size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return is(text, word); });
}

inline constexpr std::array<std::string_view, 4> locking_functions{"pg_advisory_lock", "pg_advisory_lock_shared",
                                                                   "pg_try_advisory_lock", "pg_try_advisory_lock_shared"};
inline constexpr std::array<std::string_view, 3> unlocking_functions{"pg_advisory_unlock", "pg_advisory_unlock_shared",
                                                                     "pg_advisory_unlock_all"};
// First words of statements that act on the session by themselves.
inline constexpr std::array<std::string_view, 14> session_verbs{"set",  "reset", "discard", "listen", "unlisten", "load",    "do",
                                                                "call", "declare", "close", "create", "drop",     "prepare", "execute"};

// What they leave lives as long as the session, and no look at it tells of them: dblink's named connections, a replication
// origin, temporary replication slots.
inline bool hides(std::string_view function) {
  constexpr std::array<std::string_view, 6> functions{"pg_replication_origin_session_setup", "pg_replication_origin_session_reset",
                                                      "pg_create_logical_replication_slot",  "pg_create_physical_replication_slot",
                                                      "pg_copy_logical_replication_slot",    "pg_copy_physical_replication_slot"};
  return is(function.substr(0, 14), "dblink_connect") || is_one_of(function, functions);
}

// They run SQL that they are given as a text.
inline bool runs_text(std::string_view function) {
  return is(function.substr(0, 12), "query_to_xml") || is(function, "ts_stat") || is(function, "ts_rewrite");
}

// PostgreSQL cuts longer ones.
inline constexpr std::size_t name_bytes_max = 63;

// A plain name that is none of PostgreSQL's.
inline bool is_foreign(std::string_view function) {
  char folded[name_bytes_max];
  if (function.size() > name_bytes_max) return true;
  if (function.empty() || (function[0] >= '0' && function[0] <= '9') || function[0] == '$') return false;
  std::transform(function.begin(), function.end(), folded, lower);
  return !is_builtin_function({folded, function.size()});
}

// A name in quotation marks, without them, that is no name of PostgreSQL's as it is spelled: "Lower", "1lower".
inline bool is_odd(std::string_view quoted) {
  const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  return quoted.empty() || quoted[0] == '$' || (quoted[0] >= '0' && quoted[0] <= '9') || std::any_of(quoted.begin(), quoted.end(), upper);
}

// Its functions may bear the names of PostgreSQL's.
inline bool is_foreign_schema(std::string_view schema) { return !schema.empty() && !is(schema, "pg_catalog") && schema != "\"pg_catalog\""; }

inline bool affects(std::string_view function) {
  const char last = function.empty() ? '\0' : lower(function.back());
  if (last != 'k' && last != 'd' && last != 'l' && last != 'g' && last != 's') return false;      // most names: one look
  return is(function, "set_config") || is(function, "pg_listening_channels") || is_one_of(function, locking_functions) || is_one_of(function, unlocking_functions);
}

}  // namespace pgweir::sql
