// The configuration as an immutable value: what pgbouncer.ini, its includes and the userlist said.
//
// Built by config/loader, shared by every worker as shared_ptr<const Config>; a reload builds
// another one. Nothing in this room reads a clock or touches a socket.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/globals.h"
#include "config/hba.h"

namespace pgweir {

enum class LoadBalanceHosts : std::uint8_t { round_robin, disable };

// The database name under which the admin console answers; no entry of [databases] may bear it.
inline constexpr std::string_view console_database = "pgbouncer";

// One entry of [databases]; a missing value means "not given here": the global setting counts.
// Numbers that upstream reads as "not given" (negative sizes, limits of zero) are missing as well.
struct DatabaseConfig {
  std::string name;                // the name clients ask for; "*" for the fallback
  std::string dbname;              // empty: the name the client asked for
  std::vector<std::string> hosts;  // empty: unix socket in unix_socket_dir; "/dir", "@abstract"
  std::uint16_t port = 5432;
  std::string user;  // non-empty: the forced user, one pool for all clients
  std::optional<std::string> password;
  std::string auth_user, auth_query, auth_dbname;  // empty: the global setting
  std::optional<int> pool_size, min_pool_size, reserve_pool_size;
  std::optional<int> max_db_connections, max_db_client_connections;  // never <= 0
  std::optional<PoolMode> pool_mode;
  std::optional<SessionState> session_state;
  std::optional<Micros> query_wait_timeout;  // 0 is a value: it disables the timeout
  std::optional<Micros> server_lifetime;     // never 0: that means "the global one" here
  std::string connect_query;                 // run once after login; empty: none
  LoadBalanceHosts load_balance_hosts = LoadBalanceHosts::round_robin;
  std::string client_encoding, datestyle, timezone, application_name;  // empty: not sent
  bool automatic = false;  // made from the fallback because a client asked for the name
  bool operator==(const DatabaseConfig&) const = default;

  // What to ask the server for: `dbname`, or the entry's own name.
  const std::string& server_database() const { return dbname.empty() ? name : dbname; }
};

// One entry of [users]; a missing value means the database's or the global setting counts.
struct UserConfig {
  std::string name;
  std::optional<int> pool_size, reserve_pool_size;
  std::optional<int> max_user_connections, max_user_client_connections;  // never <= 0
  std::optional<PoolMode> pool_mode;
  std::optional<SessionState> session_state;
  std::optional<Micros> query_wait_timeout;  // 0 is a value: it disables the timeout
  std::optional<Micros> query_timeout, idle_transaction_timeout, transaction_timeout,
      client_idle_timeout;  // never 0
  bool operator==(const UserConfig&) const = default;
};

// One entry of [peers].
struct PeerConfig {
  int id = 0;
  std::string host;
  std::uint16_t port = 6432;
  int pool_size = 0;  // 0: default_pool_size
  bool operator==(const PeerConfig&) const = default;
};

using DatabasePtr = std::shared_ptr<const DatabaseConfig>;

struct Config {
  Globals globals;
  std::map<std::string, DatabasePtr, std::less<>> databases;  // without the fallback
  DatabasePtr fallback;  // the entry "*"; null when there is none
  std::map<std::string, UserConfig, std::less<>> users;
  std::map<std::string, std::string, std::less<>> userlist;  // user -> secret as auth_file has it
  // False when auth_file is set but cannot be read; a reload keeps the old userlist then.
  bool userlist_read = true;
  std::shared_ptr<const Hba> hba;  // of auth_hba_file and auth_ident_file; null unless auth_type=hba
  // False when one of these files has mistakes; a reload keeps the old rules then.
  bool hba_good = true;
  LdapOptions ldap;                // auth_ldap_options, taken apart
  std::map<int, PeerConfig> peers;
  std::string path;  // the file this was read from; empty for a URL

  // Comma lists of `globals`, taken apart by split_lists().
  std::vector<std::string> admin_users, stats_users, listen_addresses, unix_socket_dirs;
  std::vector<std::string> ignored_startup_parameters, extra_parameters;

  // The entry of that name, else a copy of the fallback bearing it (`automatic` is set), else null.
  // The console's name has no entry. The copy is new at every call: callers keep what they use.
  DatabasePtr database(std::string_view name) const;
  // The entry of [users]; null when there is none. Valid as long as this Config.
  const UserConfig* user(std::string_view name) const;
  // The secret of auth_file; null when the user is not in it. Valid as long as this Config.
  const std::string* secret(std::string_view name) const;
  bool is_admin(std::string_view name) const;
  bool is_stats_user(std::string_view name) const;
};

// Fills the lists of `config` from its globals; to be called after a setting was changed by name.
void split_lists(Config& config);

// "a, b ,c" -> {a, b, c}; blanks around a name and empty names vanish.
std::vector<std::string> split_commas(std::string_view list);

// The names of the ini, case-insensitive; nothing when the text is none of them.
std::optional<PoolMode> pool_mode_named(std::string_view text);
std::optional<SessionState> session_state_named(std::string_view text);
std::optional<AuthType> auth_type_named(std::string_view text);
std::optional<SslMode> ssl_mode_named(std::string_view text);
std::optional<EventLoop> event_loop_named(std::string_view text);
std::optional<LoadBalanceHosts> load_balance_hosts_named(std::string_view text);
std::string_view name_of(PoolMode mode);
std::string_view name_of(SessionState state);
std::string_view name_of(AuthType type);
std::string_view name_of(SslMode mode);
std::string_view name_of(EventLoop loop);
std::optional<LogFormat> log_format_named(std::string_view text);
std::string_view name_of(LogFormat format);
std::string_view name_of(LoadBalanceHosts way);

}  // namespace pgweir
