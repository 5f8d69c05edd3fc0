// Which statement of a text leaves in its session what no other session can be given, as far as the text says so for sure.
//
// session_effects() never sees too little, so that nothing leaks; this never says too much, so that nobody is refused what
// would have left nothing: a temporary table ON COMMIT DROP, EXPLAIN, the body of a function.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace pgweir::sql {

enum class Lasting : std::uint8_t {
  advisory_lock,
  temporary,           // a table, view, sequence, function, ...
  held_cursor,         // WITH HOLD
  channel,             // LISTEN
  library,             // LOAD
  connection,          // dblink_connect
  unreadable_setting,  // set_config() with a name that is computed
};

struct LastingStatement {
  Lasting what;
  std::string_view text;   // the statement, without its semicolon; points into the text
};

// The first one; nothing: none of them does for sure.
std::optional<LastingStatement> first_lasting(std::string_view sql);

}  // namespace pgweir::sql
