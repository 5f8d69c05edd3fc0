// What a statement does to the session that runs it, beyond its transaction. One pass over the text.
//
// Source: PostgreSQL 15 documentation, "SQL Commands" and "System Administration Functions". What a function of the
// user's or DO does cannot be read from the text: such code is told of, not judged. Triggers are not seen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::sql {

struct SessionEffects {
  // Settings it may change, in lower case: SET, RESET, set_config() with a name that can be read.
  std::vector<std::string> settings;
  // Numbers of the parameters ($1 is 1) that hold the names of such settings.
  std::vector<std::uint16_t> setting_parameters;
  bool all_settings = false;      // RESET ALL, or a setting whose name cannot be read
  bool unreadable_setting = false;  // set_config() of a computed name
  // Something may now be there that cannot be given to another server: a lock, a temporary table, a cursor, a channel.
  bool leaves_something = false;
  // ... which, as far as the text tells.
  bool locks = false, makes_temporary = false, holds_cursor = false, listens = false;
  unsigned temporary_tables = 0;    // CREATE TEMP TABLE, for sure: PostgreSQL answers each with CREATE TABLE
  // Such a thing may be gone.
  bool takes_something_away = false;
  // It changes, or asks for, what is listened to: UNLISTEN, DISCARD ALL, pg_listening_channels().
  bool needs_channels = false;
  // Functions that are not PostgreSQL's own, in lower case: what they do is not in the text.
  std::vector<std::string> functions;
  // Prepared statements that are executed by name, as PostgreSQL folds it.
  std::vector<std::string> executed;
  bool loads_library = false;     // LOAD: it stays for as long as the session
  bool runs_code = false;         // DO: whatever it does is not in the text
  bool makes_code = false;        // ... and it may make functions, triggers, views

  bool none() const {
    return settings.empty() && setting_parameters.empty() && functions.empty() && executed.empty() && !all_settings &&
           !unreadable_setting && !leaves_something && !takes_something_away && !loads_library && !runs_code;
  }
  std::size_t heap_bytes() const;   // what it has allocated beside itself
};

// False: none of its statements has an effect. Cheap, for the many statements that have none; may say yes for too many.
bool may_affect_session(std::string_view sql);

// Of all statements of the text together.
SessionEffects session_effects(std::string_view sql);

}  // namespace pgweir::sql
