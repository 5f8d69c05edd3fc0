// Pools as a worker keeps them: made when somebody asks, settled by the configuration.
#include <algorithm>

#include "proxy/session/worker.h"

namespace pgweir {

Route& Worker::route(const std::string& database, const std::string& user, const DatabasePtr& entry) {
  auto& place = routes_[{database, user}];
  if (!place) place = std::make_unique<Route>(Route{database, user, nullptr, {}});
  place->desk = &desk_for(entry, database, std::string(pool_user(*entry, user)));
  place->limits = client_limits(*config_, *entry, user);
  return *place;
}

PoolDesk& Worker::desk_for(const DatabasePtr& entry, const std::string& database, const std::string& user) {
  PoolAccount& account = shared_.ledger.account(database, user);
  auto& place = desks_[account.key];
  if (!place) {
    place = std::make_unique<PoolDesk>(account, number_);
    place->database = entry;
    if (entry->automatic && shared_.ledger.register_database(database)) {
      log::line(log::Level::log, "registered new auto-database: {}", database);
    }
    place->config_generation = account.config_generation.load();
    settle(*place);
  } else if (place->removed) {
    place->removed = false;
    place->database = entry;
    settle(*place);
  }
  return *place;
}

void Worker::settle(PoolDesk& desk) {
  const Globals& globals = config_->globals;
  desk.limits = pool_limits(*config_, *desk.database, desk.pool.user());
  desk.mode = desk.limits.pool_mode;
  PoolSettings& s = desk.pool.settings;
  s.limits = {desk.limits.pool_size, desk.limits.reserve_pool_size, desk.limits.max_db_connections,
              desk.limits.max_user_connections};
  s.min_pool_size = desk.limits.min_pool_size;
  s.connect_parallel = std::max(1, globals.server_connect_parallel);
  s.reserve_timeout = desk.limits.reserve_pool_timeout;
  s.server_lifetime = desk.limits.server_lifetime;
  s.server_idle_timeout = desk.limits.server_idle_timeout;
  s.check_delay = globals.server_check_delay;
  s.login_retry = globals.server_login_retry;
  s.query_timeout = desk.limits.query_timeout;
  s.transaction_timeout = desk.limits.transaction_timeout;
  s.idle_transaction_timeout = desk.limits.idle_transaction_timeout;
  s.lifetime_jitter_percent = static_cast<unsigned>(std::clamp(globals.server_lifetime_jitter, 0, 100));
  s.round_robin = globals.server_round_robin;
  s.forced_user = desk.database->user == desk.pool.user();
  desk.pool.paused = paused_all_ || database_paused(desk.pool.database());
  (void)is_over_size(desk);
}

// Pools with a forced user keep their min_pool_size without any client; one worker sees to it.
void Worker::prepare_forced_pools() {
  if (number_ != 0) return;
  for (const auto& [name, entry] : config_->databases) {
    if (entry->user.empty() || pool_limits(*config_, *entry, entry->user).min_pool_size <= 0) continue;
    (void)desk_for(entry, name, entry->user);
  }
}

}  // namespace pgweir
