#include "config/connstr.h"

#include <algorithm>
#include <array>

#include "config/numbers.h"
#include "config/text.h"

namespace pgweir {

namespace {

std::string_view skip_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  return text;
}

// Takes a value off the front of `rest`; nothing when it is empty or its quote does not end.
std::optional<std::string> take_value(std::string_view& rest) {
  std::string value;
  if (rest.empty() || rest.front() != '\'') {
    while (!rest.empty() && !is_blank(rest.front())) {
      value += rest.front();
      rest.remove_prefix(1);
    }
    return value.empty() ? std::nullopt : std::optional(value);
  }
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] != '\'') {
      value += rest[i];
    } else if (i + 1 < rest.size() && rest[i + 1] == '\'') {
      value += rest[i++];
    } else {
      rest.remove_prefix(i + 1);
      return value.empty() ? std::nullopt : std::optional(value);
    }
  }
  return std::nullopt;
}

// The readers below put `text` into a member and return false when it cannot be one.

bool read_text(std::string_view text, std::string& out) {
  out = text;
  return true;
}

bool read_password(std::string_view text, std::optional<std::string>& out) {
  out = text;
  return true;
}

std::optional<int> int_of(std::string_view text) {
  auto number = parse_decimal(text);
  if (!number || *number < INT32_MIN || *number > INT32_MAX) return std::nullopt;
  return static_cast<int>(*number);
}

// Negative means "not given", as upstream has it.
bool read_size(std::string_view text, std::optional<int>& out) {
  auto number = int_of(text);
  if (number) out = *number < 0 ? std::nullopt : number;
  return number.has_value();
}

// Zero means "not given" as well.
bool read_limit(std::string_view text, std::optional<int>& out) {
  auto number = int_of(text);
  if (number) out = *number <= 0 ? std::nullopt : number;
  return number.has_value();
}

// Zero is a value, negative means "not given".
bool read_timeout(std::string_view text, std::optional<Micros>& out) {
  auto whole = parse_decimal(text);
  auto seconds = parse_seconds(text);
  const bool negative = whole && *whole < 0;
  out = seconds;
  return negative || seconds.has_value();
}

bool read_positive_timeout(std::string_view text, std::optional<Micros>& out) {
  if (!read_timeout(text, out)) return false;
  if (out == Micros(0)) out.reset();
  return true;
}

bool read_mode(std::string_view text, std::optional<PoolMode>& out) {
  out = pool_mode_named(text);
  return out.has_value();
}

bool read_state(std::string_view text, std::optional<SessionState>& out) {
  out = session_state_named(text);
  return out.has_value();
}

bool read_port(std::string_view text, std::uint16_t& out) {
  auto number = parse_decimal(text);
  if (!number || *number < 1 || *number > UINT16_MAX) return false;
  out = static_cast<std::uint16_t>(*number);
  return true;
}

// Empty names between commas are passed over.
bool read_hosts(std::string_view text, std::vector<std::string>& out) {
  out = split_commas(text);
  return !out.empty();
}

bool read_balance(std::string_view text, LoadBalanceHosts& out) {
  auto way = load_balance_hosts_named(text);
  if (way) out = *way;
  return way.has_value();
}

bool read_peer_pool_size(std::string_view text, int& out) {
  auto number = int_of(text);
  if (number) out = std::max(*number, 0);
  return number.has_value();
}

// One key of a section: how its value gets into the entry.
template <typename T>
struct Key {
  std::string_view name;
  bool (*read)(std::string_view text, T& into);
  std::string_view not_served = {};  // as in the table of settings
};

// The reader of a member, as a plain function.
template <auto read, auto member, typename T>
bool into(std::string_view text, T& entry) {
  return read(text, entry.*member);
}

using D = DatabaseConfig;
constexpr std::array database_keys{
    Key<D>{"dbname", into<read_text, &D::dbname>},
    Key<D>{"host", into<read_hosts, &D::hosts>},
    Key<D>{"port", into<read_port, &D::port>},
    Key<D>{"user", into<read_text, &D::user>},
    Key<D>{"password", into<read_password, &D::password>},
    Key<D>{"auth_user", into<read_text, &D::auth_user>},
    Key<D>{"auth_query", into<read_text, &D::auth_query>},
    Key<D>{"auth_dbname", into<read_text, &D::auth_dbname>},
    Key<D>{"pool_size", into<read_size, &D::pool_size>},
    Key<D>{"min_pool_size", into<read_size, &D::min_pool_size>},
    Key<D>{"reserve_pool_size", into<read_size, &D::reserve_pool_size>},
    Key<D>{"reserve_pool", into<read_size, &D::reserve_pool_size>},
    Key<D>{"max_db_connections", into<read_limit, &D::max_db_connections>},
    Key<D>{"max_db_client_connections", into<read_limit, &D::max_db_client_connections>},
    Key<D>{"pool_mode", into<read_mode, &D::pool_mode>},
    Key<D>{"session_state", into<read_state, &D::session_state>},
    Key<D>{"query_wait_timeout", into<read_timeout, &D::query_wait_timeout>},
    Key<D>{"server_lifetime", into<read_positive_timeout, &D::server_lifetime>},
    Key<D>{"connect_query", into<read_text, &D::connect_query>},
    Key<D>{"load_balance_hosts", into<read_balance, &D::load_balance_hosts>},
    Key<D>{"client_encoding", into<read_text, &D::client_encoding>},
    Key<D>{"datestyle", into<read_text, &D::datestyle>},
    Key<D>{"timezone", into<read_text, &D::timezone>},
    Key<D>{"application_name", into<read_text, &D::application_name>},
};

using U = UserConfig;
constexpr std::array user_keys{
    Key<U>{"pool_size", into<read_size, &U::pool_size>},
    Key<U>{"reserve_pool_size", into<read_size, &U::reserve_pool_size>},
    Key<U>{"reserve_pool", into<read_size, &U::reserve_pool_size>},
    Key<U>{"pool_mode", into<read_mode, &U::pool_mode>},
    Key<U>{"session_state", into<read_state, &U::session_state>},
    Key<U>{"max_user_connections", into<read_limit, &U::max_user_connections>},
    Key<U>{"max_user_client_connections", into<read_limit, &U::max_user_client_connections>},
    Key<U>{"query_timeout", into<read_positive_timeout, &U::query_timeout>},
    Key<U>{"query_wait_timeout", into<read_timeout, &U::query_wait_timeout>},
    Key<U>{"idle_transaction_timeout", into<read_positive_timeout, &U::idle_transaction_timeout>},
    Key<U>{"transaction_timeout", into<read_positive_timeout, &U::transaction_timeout>},
    Key<U>{"client_idle_timeout", into<read_positive_timeout, &U::client_idle_timeout>},
};

using P = PeerConfig;
constexpr std::array peer_keys{
    Key<P>{"host", into<read_text, &P::host>},
    Key<P>{"port", into<read_port, &P::port>},
    Key<P>{"pool_size", into<read_peer_pool_size, &P::pool_size>},
};

void complain(const IniEntry& at, Mistakes& mistakes, std::string text, bool warning = false) {
  mistakes.push_back({at.file, at.line, std::move(text), warning});
}

void complain_of_value(const IniEntry& at, Mistakes& mistakes, std::string_view key,
                       std::string_view value) {
  complain(at, mistakes,
           concat({"invalid value \"", value, "\" for parameter ", key, " in configuration (",
                   at.file, ":", std::to_string(at.line), ")"}));
}

// Reads all pairs of the entry into `out` by the rows of `keys`.
template <typename T, std::size_t N>
void read_pairs(const IniEntry& entry, const std::array<Key<T>, N>& keys, T& out,
                Mistakes& mistakes) {
  auto pairs = split_connstr(entry.value);
  if (!pairs) {
    return complain(entry, mistakes, concat({"syntax error in connection string of ", entry.key}));
  }
  for (const auto& [name, value] : *pairs) {
    auto row = std::find_if(keys.begin(), keys.end(),
                            [&name = name](const Key<T>& key) { return key.name == name; });
    if (row == keys.end()) {
      complain(entry, mistakes, concat({"unrecognized connection parameter: ", name}));
    } else if (!row->read(value, out)) {
      complain_of_value(entry, mistakes, name, value);
    } else if (!row->not_served.empty()) {
      complain(entry, mistakes,
               concat({"[databases] ", name, " is known but not served yet: ", row->not_served}),
               true);
    }
  }
}

}  // namespace

std::optional<std::vector<KeyValue>> split_connstr(std::string_view text) {
  std::vector<KeyValue> pairs;
  for (text = trim(text); !text.empty(); text = skip_blanks(text)) {
    auto end = std::find_if(text.begin(), text.end(),
                            [](char c) { return c == '=' || is_blank(c) || c == '\''; });
    std::string key(text.begin(), end);
    text = skip_blanks(text.substr(key.size()));
    if (key.empty() || text.empty() || text.front() != '=') return std::nullopt;
    text = skip_blanks(text.substr(1));
    auto value = take_value(text);
    if (!value) return std::nullopt;
    pairs.emplace_back(std::move(key), std::move(*value));
  }
  return pairs;
}

DatabaseConfig parse_database(const IniEntry& entry, Mistakes& mistakes) {
  DatabaseConfig database;
  database.name = entry.key;
  if (entry.key.empty()) complain(entry, mistakes, "a database name must not be empty");
  if (entry.key == console_database) {
    complain(entry, mistakes, concat({"database name \"", entry.key, "\" is reserved"}));
  }
  read_pairs(entry, database_keys, database, mistakes);
  if (database.auth_dbname == console_database) {
    complain(entry, mistakes, "cannot use the reserved \"pgbouncer\" database as an auth_dbname");
  }
  return database;
}

UserConfig parse_user(const IniEntry& entry, Mistakes& mistakes) {
  UserConfig user;
  user.name = entry.key;
  if (entry.key.empty()) complain(entry, mistakes, "a user name must not be empty");
  read_pairs(entry, user_keys, user, mistakes);
  return user;
}

PeerConfig parse_peer(const IniEntry& entry, Mistakes& mistakes) {
  PeerConfig peer;
  auto id = parse_decimal(entry.key);
  if (id && *id >= 1 && *id <= 16383) {
    peer.id = static_cast<int>(*id);
  } else {
    complain(entry, mistakes, concat({"invalid peer_id \"", entry.key, "\": 1 to 16383"}));
  }
  const std::size_t before = mistakes.size();
  read_pairs(entry, peer_keys, peer, mistakes);
  if (peer.host.empty() && mistakes.size() == before) {
    complain(entry, mistakes, concat({"peer ", entry.key, " has no host"}));
  }
  return peer;
}

}  // namespace pgweir
