#include "config/effective.h"

#include <algorithm>

namespace pgweir {

namespace {

// The first of the places that says something.
template <typename T>
T first_given(const std::optional<T>& user, const std::optional<T>& database, const T& global) {
  if (user) return *user;
  return database.value_or(global);
}

// Global limits below zero mean unlimited, like zero.
int limit(const std::optional<int>& own, int global) {
  return std::max(own.value_or(global), 0);
}

}  // namespace

std::string_view pool_user(const DatabaseConfig& database, std::string_view login_user) {
  return database.user.empty() ? login_user : std::string_view(database.user);
}

PoolLimits pool_limits(const Config& config, const DatabaseConfig& database,
                       std::string_view pool_user) {
  static const UserConfig unlisted;
  const Globals& global = config.globals;
  const UserConfig* listed = config.user(pool_user);
  const UserConfig& user = listed ? *listed : unlisted;

  PoolLimits limits;
  limits.pool_size =
      std::max(first_given(user.pool_size, database.pool_size, global.default_pool_size), 0);
  limits.min_pool_size = std::max(database.min_pool_size.value_or(global.min_pool_size), 0);
  if (limits.pool_size > 0) {
    limits.min_pool_size = std::min(limits.min_pool_size, limits.pool_size);
  }
  limits.reserve_pool_size = std::max(
      first_given(user.reserve_pool_size, database.reserve_pool_size, global.reserve_pool_size), 0);
  limits.reserve_pool_timeout = global.reserve_pool_timeout;
  limits.pool_mode = first_given(user.pool_mode, database.pool_mode, global.pool_mode);
  limits.session_state = first_given(user.session_state, database.session_state, global.session_state);
  limits.max_db_connections = limit(database.max_db_connections, global.max_db_connections);
  limits.max_user_connections = limit(user.max_user_connections, global.max_user_connections);
  limits.server_lifetime = database.server_lifetime.value_or(global.server_lifetime);
  limits.server_idle_timeout = global.server_idle_timeout;
  limits.query_timeout = user.query_timeout.value_or(global.query_timeout);
  limits.idle_transaction_timeout =
      user.idle_transaction_timeout.value_or(global.idle_transaction_timeout);
  limits.transaction_timeout = user.transaction_timeout.value_or(global.transaction_timeout);
  return limits;
}

ClientLimits client_limits(const Config& config, const DatabaseConfig& database,
                           std::string_view login_user) {
  static const UserConfig unlisted;
  const Globals& global = config.globals;
  const UserConfig* listed = config.user(login_user);
  const UserConfig& user = listed ? *listed : unlisted;

  ClientLimits limits;
  limits.max_client_conn = std::max(global.max_client_conn, 0);
  limits.max_db_client_connections =
      limit(database.max_db_client_connections, global.max_db_client_connections);
  limits.max_user_client_connections =
      limit(user.max_user_client_connections, global.max_user_client_connections);
  limits.query_wait_timeout =
      first_given(user.query_wait_timeout, database.query_wait_timeout, global.query_wait_timeout);
  limits.client_idle_timeout = user.client_idle_timeout.value_or(global.client_idle_timeout);
  return limits;
}

}  // namespace pgweir
