// The variables of the image bitnami/pgbouncer: PGBOUNCER_..., POSTGRESQL_..., each also as NAME_FILE.
#include <algorithm>

#include "config/environment.h"
#include "config/settings.h"
#include "config/text.h"
#include "config/userlist.h"

namespace pgweir {

namespace {

// What that image's scripts do with them has no counterpart here, or is done by the container's runtime.
constexpr std::string_view without_meaning[] = {
    "INIT_SLEEP_TIME", "INIT_MAX_RETRIES", "FORCE_INITSCRIPTS", "EXTRA_FLAGS", "DAEMON_USER", "DAEMON_GROUP",
    "BASE_DIR", "CONF_DIR", "CONF_FILE", "TMP_DIR", "LOG_DIR", "VOLUME_DIR", "MOUNTED_CONF_DIR", "INITSCRIPTS_DIR",
    "AUTH_FILE", "PID_FILE", "FAIL_ON_INVALID_DSN_FILE",
};
// Those with a meaning of their own; the rest are settings in capitals.
constexpr std::string_view known[] = {
    "DATABASE", "PORT", "LISTEN_ADDRESS", "AUTH_TYPE", "STATS_USERS", "USERLIST", "SET_DATABASE_USER",
    "SET_DATABASE_PASSWORD", "CONNECT_QUERY", "LOG_FILE", "SOCKET_DIR", "SOCKET_MODE", "SOCKET_GROUP",
};

bool is_yes(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text == "1" || text == "yes" || text == "true";
}

bool is_setting(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return find_setting(name) != nullptr;
}

bool means_something(std::string_view name) {
  if (name.ends_with("_FILE") && !is_setting(std::string(name))) name.remove_suffix(5);
  const auto in = [&](const auto& list) { return std::find(std::begin(list), std::end(list), name) != std::end(list); };
  return in(known) || in(without_meaning) || name.starts_with("DSN_") || is_setting(std::string(name));
}

}  // namespace

void EnvironmentReader::read_bitnami() {
  const struct { const char *setting, *name, *fallback; } renamed[] = {
      {"listen_addr", "LISTEN_ADDRESS", "0.0.0.0"},
      {"listen_port", "PORT", "6432"},
      {"unix_socket_dir", "SOCKET_DIR", "/tmp/"},
      {"unix_socket_mode", "SOCKET_MODE", "0777"},
      {"unix_socket_group", "SOCKET_GROUP", ""},
      {"auth_type", "AUTH_TYPE", "scram-sha-256"},
      {"ignore_startup_parameters", "IGNORE_STARTUP_PARAMETERS", "extra_float_digits"},
      {"client_tls_ciphers", "CLIENT_TLS_CIPHERS", "fast"},
      {"server_tls_ciphers", "SERVER_TLS_CIPHERS", "fast"},
      {"server_tls_sslmode", "SERVER_TLS_SSLMODE", "disable"},
      {"logfile", "LOG_FILE", ""},
  };
  std::vector<std::string_view> done = {"user", "conffile", "job_name", "service_name", "admin_users", "auth_file"};
  for (const auto& row : renamed) {
    const std::string name = std::string("PGBOUNCER_") + row.name;
    if (const std::string text = value(name, row.fallback); !text.empty()) set(row.setting, text, name);
    done.push_back(row.setting);
  }
  const std::string user = value("POSTGRESQL_USERNAME", "postgres");
  const std::string password = value("POSTGRESQL_PASSWORD");
  set("admin_users", user, "POSTGRESQL_USERNAME");
  set_all("PGBOUNCER_", done);

  const std::string database = value("PGBOUNCER_DATABASE", "postgres");
  const std::string there = value("POSTGRESQL_DATABASE", database == "*" ? "" : database);
  Pairs pairs = {{"host", value("POSTGRESQL_HOST", "postgresql")}, {"port", value("POSTGRESQL_PORT", "5432")}};
  if (database != "*") pairs.push_back({"dbname", there});
  if (is_yes(value("PGBOUNCER_SET_DATABASE_USER", "no"))) pairs.push_back({"user", user});
  if (is_yes(value("PGBOUNCER_SET_DATABASE_PASSWORD", "no"))) pairs.push_back({"password", password});
  pairs.push_back({"connect_query", value("PGBOUNCER_CONNECT_QUERY")});
  add_database(database, pairs, "POSTGRESQL_HOST");
  // NAME=CONNECTION STRING, as a line of [databases].
  for (int i = 0; is_set("PGBOUNCER_DSN_" + std::to_string(i)); ++i) {
    const std::string from = "PGBOUNCER_DSN_" + std::to_string(i), text = value(from);
    const std::size_t at = text.find('=');
    if (at == std::string::npos || trim(std::string_view(text).substr(0, at)).empty()) {
      complain(from, "is not NAME=CONNECTION STRING");
      continue;
    }
    databases_.entries.push_back({std::string(trim(std::string_view(text).substr(0, at))),
                                  std::string(trim(std::string_view(text).substr(at + 1))), "environment variable " + from, 0});
  }
  add_user(user, password);
  const Userlist list = parse_userlist(value("PGBOUNCER_USERLIST"), "environment variable PGBOUNCER_USERLIST");
  for (const auto& [name, secret] : list.secrets) add_user(name, secret);
  mistakes_.insert(mistakes_.end(), list.mistakes.begin(), list.mistakes.end());
  for (const auto& [name, text] : variables_) {
    if (name.starts_with("PGBOUNCER_") && !means_something(std::string_view(name).substr(10))) {
      complain(name, "is not known", true);
    }
  }
}

}  // namespace pgweir
