// What a reload changes: old configuration against new.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace pgweir {

struct Changes {
  // Named in the old [databases], not in the new: their clients get `database removed`.
  std::vector<std::string> databases_removed;
  std::vector<std::string> databases_added;
  // Server connections of these are closed when released, because where or how to connect changed.
  // A name added that the fallback served before counts here too when it now leads elsewhere.
  std::vector<std::string> databases_to_recycle;
  bool fallback_removed = false;     // automatic databases go
  bool fallback_to_recycle = false;  // the servers of automatic databases are closed when released
  std::vector<std::string> settings_changed;          // in force with the new configuration
  std::vector<std::string> settings_needing_restart;  // asked for, but the old value stays
  bool server_tls_changed = false;   // filled in by who reads the files: connections to servers are made anew
  bool userlist_changed = false;
  bool users_changed = false;
};

// `fresh` as it was read, before apply_reload_rules.
Changes compare(const Config& old, const Config& fresh);

// `fresh` with the settings that need a restart at their old values, and with the old userlist when
// the new auth_file cannot be read. (Unlike in PgBouncer, what was removed from the file is gone:
// entries of [users], of auth_file, user= of a database, and settings without a default.)
Config apply_reload_rules(const Config& old, Config fresh);

// True when connections made under `old` must not serve `fresh`: dbname, host, port, user,
// connect_query, auth_dbname, auth_query or load_balance_hosts differ.
bool must_recycle(const DatabaseConfig& old, const DatabaseConfig& fresh);

}  // namespace pgweir
