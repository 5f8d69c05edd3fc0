#include "config/config.h"

#include <algorithm>
#include <array>

#include "config/text.h"

namespace pgweir {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

template <typename E>
struct Named {
  std::string_view name;
  E value;
};

constexpr std::array pool_modes{
    Named<PoolMode>{"session", PoolMode::session},
    Named<PoolMode>{"transaction", PoolMode::transaction},
    Named<PoolMode>{"statement", PoolMode::statement},
};
constexpr std::array session_states{
    Named<SessionState>{"isolate", SessionState::isolate},
    Named<SessionState>{"pin", SessionState::pin},
    Named<SessionState>{"refuse", SessionState::refuse},
    Named<SessionState>{"off", SessionState::off},
};
constexpr std::array auth_types{
    Named<AuthType>{"any", AuthType::any},
    Named<AuthType>{"trust", AuthType::trust},
    Named<AuthType>{"plain", AuthType::plain},
    Named<AuthType>{"md5", AuthType::md5},
    Named<AuthType>{"cert", AuthType::cert},
    Named<AuthType>{"hba", AuthType::hba},
    Named<AuthType>{"ldap", AuthType::ldap},
    Named<AuthType>{"pam", AuthType::pam},
    Named<AuthType>{"scram-sha-256", AuthType::scram_sha_256},
};
constexpr std::array ssl_modes{
    Named<SslMode>{"disable", SslMode::disable},
    Named<SslMode>{"allow", SslMode::allow},
    Named<SslMode>{"prefer", SslMode::prefer},
    Named<SslMode>{"require", SslMode::require},
    Named<SslMode>{"verify-ca", SslMode::verify_ca},
    Named<SslMode>{"verify-full", SslMode::verify_full},
};
constexpr std::array event_loops{
    Named<EventLoop>{"auto", EventLoop::automatic},
    Named<EventLoop>{"io_uring", EventLoop::io_uring},
    Named<EventLoop>{"epoll", EventLoop::epoll},
};
constexpr std::array log_formats{
    Named<LogFormat>{"text", LogFormat::text},
    Named<LogFormat>{"json", LogFormat::json},
    Named<LogFormat>{"postgres", LogFormat::postgres},
};
constexpr std::array load_balance_ways{
    Named<LoadBalanceHosts>{"round-robin", LoadBalanceHosts::round_robin},
    Named<LoadBalanceHosts>{"disable", LoadBalanceHosts::disable},
};

template <typename E, std::size_t N>
std::optional<E> find_value(const std::array<Named<E>, N>& names, std::string_view text) {
  for (const auto& row : names) {
    if (same_word(row.name, text)) return row.value;
  }
  return std::nullopt;
}

template <typename E, std::size_t N>
std::string_view find_name(const std::array<Named<E>, N>& names, E value) {
  for (const auto& row : names) {
    if (row.value == value) return row.name;
  }
  return "?";
}

bool contains(const std::vector<std::string>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

}  // namespace

namespace {
// PostgreSQL cuts a longer name to so many bytes, and refuses a startup packet of 10 kB without a word.
constexpr std::size_t automatic_name_max = 63;
}  // namespace

DatabasePtr Config::database(std::string_view name) const {
  if (name == console_database) return nullptr;
  if (auto found = databases.find(name); found != databases.end()) return found->second;
  if (!fallback || name.size() > automatic_name_max) return nullptr;
  auto copy = std::make_shared<DatabaseConfig>(*fallback);
  copy->name = name;
  copy->automatic = true;
  return copy;
}

const UserConfig* Config::user(std::string_view name) const {
  auto found = users.find(name);
  return found == users.end() ? nullptr : &found->second;
}

const std::string* Config::secret(std::string_view name) const {
  auto found = userlist.find(name);
  return found == userlist.end() ? nullptr : &found->second;
}

bool Config::is_admin(std::string_view name) const {
  return contains(admin_users, name);
}
bool Config::is_stats_user(std::string_view name) const {
  return contains(stats_users, name);
}

void split_lists(Config& config) {
  const Globals& globals = config.globals;
  config.admin_users = split_commas(globals.admin_users);
  config.stats_users = split_commas(globals.stats_users);
  config.listen_addresses = split_commas(globals.listen_addr);
  config.unix_socket_dirs = split_commas(globals.unix_socket_dir);
  config.ignored_startup_parameters = split_commas(globals.ignore_startup_parameters);
  config.extra_parameters = split_commas(globals.track_extra_parameters);
}

std::vector<std::string> split_commas(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    std::string_view name = list.substr(0, list.find(','));
    list.remove_prefix(std::min(name.size() + 1, list.size()));
    name = trim(name);
    if (!name.empty()) names.emplace_back(name);
  }
  return names;
}

std::optional<PoolMode> pool_mode_named(std::string_view text) {
  return find_value(pool_modes, text);
}
std::optional<SessionState> session_state_named(std::string_view text) {
  return find_value(session_states, text);
}
std::optional<AuthType> auth_type_named(std::string_view text) {
  return find_value(auth_types, text);
}
std::optional<SslMode> ssl_mode_named(std::string_view text) {
  return find_value(ssl_modes, text);
}
std::optional<EventLoop> event_loop_named(std::string_view text) {
  return find_value(event_loops, text);
}
std::optional<LogFormat> log_format_named(std::string_view text) {
  return find_value(log_formats, text);
}
std::optional<LoadBalanceHosts> load_balance_hosts_named(std::string_view text) {
  return find_value(load_balance_ways, text);
}

std::string_view name_of(PoolMode mode) {
  return find_name(pool_modes, mode);
}
std::string_view name_of(SessionState state) {
  return find_name(session_states, state);
}
std::string_view name_of(AuthType type) {
  return find_name(auth_types, type);
}
std::string_view name_of(SslMode mode) {
  return find_name(ssl_modes, mode);
}
std::string_view name_of(EventLoop loop) {
  return find_name(event_loops, loop);
}
std::string_view name_of(LogFormat format) {
  return find_name(log_formats, format);
}
std::string_view name_of(LoadBalanceHosts way) {
  return find_name(load_balance_ways, way);
}

}  // namespace pgweir
