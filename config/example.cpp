// settings.h's example_ini(): the commented file that lies in the root as pgbouncer.ini.example.
#include "config/settings.h"
#include "config/text.h"

namespace pgweir {

namespace {

constexpr std::string_view head =
    R"(; Every setting with its default. Lines starting with ; or # are comments; there are no comments
; behind a value. Times are seconds and may be fractions, switches are 0 or 1.
; This file is written by the program: pgweir's tests compare it with the table of settings.

[databases]
; NAME = key=value ... Values with blanks stand in '…', '' is one quote. "*" serves all other names.
;
;   dbname                     name of the database on the server; default: NAME
;   host                       name, address, /socket/dir, @abstract, or a comma list of them;
;                              default: the unix socket in unix_socket_dir
;   port                       5432
;   user, password             log in to the server as this user, whoever the client is
;   auth_user, auth_query, auth_dbname            instead of the settings of that name
;   pool_size, min_pool_size, reserve_pool_size   instead of default_pool_size and so on
;   pool_mode, session_state, query_wait_timeout  instead of the settings of that name
;   max_db_connections, max_db_client_connections instead of the settings; 0: the setting counts
;   server_lifetime            instead of the setting; 0: the setting counts
;   connect_query              run once after login to the server
;   load_balance_hosts         round-robin, or disable: stay with a host until a connect fails
;   client_encoding, datestyle, timezone, application_name    sent to the server at login
;
;app = host=127.0.0.1 port=5432 dbname=app pool_size=20
;* = host=127.0.0.1

[users]
; NAME = key=value ... These count before those of the database and the settings below.
;
;   pool_size, reserve_pool_size, pool_mode, session_state, max_user_connections, query_timeout,
;   idle_transaction_timeout, transaction_timeout             of the pool's user
;   query_wait_timeout, client_idle_timeout, max_user_client_connections   of the login user
;
;reports = pool_mode=session pool_size=5

[peers]
; ID = host=... port=6432 pool_size=...
;1 = host=127.0.0.1 port=6432

[pgbouncer]
)";

std::string_view when(Applies applies) {
  switch (applies) {
    case Applies::restart:
      return "Changes need a restart.";
    case Applies::at_once:
      return "Changes count at once.";
    case Applies::new_connections:
      return "Changes count for new connections.";
  }
  return "";
}

}  // namespace

std::string example_ini() {
  std::string text(head);
  for (const Setting& row : settings()) {
    text += concat({"\n; ", row.help, " ", when(row.applies), "\n"});
    if (!row.not_served.empty()) {
      text += concat({"; Not served yet: ", row.not_served, "."});
      if (!row.served_values.empty()) text += concat({" Served are: ", row.served_values, "."});
      text += "\n";
    }
    if (!row.no_effect.empty()) text += concat({"; Without effect: ", row.no_effect, ".\n"});
    text += concat({";", row.name, " ="});
    if (row.fallback && !row.fallback->empty()) text += concat({" ", *row.fallback});
    text += "\n";
  }
  return text;
}

}  // namespace pgweir
