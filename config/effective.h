// Which of the many places a limit can be set in counts: user > database > global.
//
// The pool's user decides about the pool (the forced user, where the database has one), the login
// user about the client.
#pragma once

#include <string_view>

#include "config/config.h"

namespace pgweir {

// Limits of 0 mean unlimited, timeouts of 0 mean off, unless said otherwise.
struct PoolLimits {
  int pool_size = 0;
  int min_pool_size = 0;  // never above pool_size
  int reserve_pool_size = 0;
  Micros reserve_pool_timeout{};
  PoolMode pool_mode{};
  SessionState session_state{};
  int max_db_connections = 0;
  int max_user_connections = 0;
  Micros server_lifetime{};  // 0: a connection is used once
  Micros server_idle_timeout{};
  Micros query_timeout{};
  Micros idle_transaction_timeout{};
  Micros transaction_timeout{};
  bool operator==(const PoolLimits&) const = default;
};

struct ClientLimits {
  int max_client_conn = 0;  // all clients of the process
  int max_db_client_connections = 0;
  int max_user_client_connections = 0;
  Micros query_wait_timeout{};
  Micros client_idle_timeout{};
  bool operator==(const ClientLimits&) const = default;
};

// The user whose pool serves `login_user`: the forced user, or the login user itself.
std::string_view pool_user(const DatabaseConfig& database, std::string_view login_user);

PoolLimits pool_limits(const Config& config, const DatabaseConfig& database,
                       std::string_view pool_user);
ClientLimits client_limits(const Config& config, const DatabaseConfig& database,
                           std::string_view login_user);

}  // namespace pgweir
