// What the console and the process order, on one worker; the caller sends the order to all of them.
#include <algorithm>

#include "proxy/session/server_login.h"
#include "proxy/session/worker.h"

namespace pgweir {

namespace {

// Unix sockets carry no TLS, so that its settings do not matter to their servers.
bool reaches_over_tcp(const DatabaseConfig& entry, const Config& config) {
  const auto is_unix = [](const std::string& host) { return host.empty() || host[0] == '/' || host[0] == '@'; };
  if (entry.hosts.empty()) return config.unix_socket_dirs.empty();
  return !std::all_of(entry.hosts.begin(), entry.hosts.end(), is_unix);
}

}  // namespace

void Worker::apply_config(std::shared_ptr<const Config> fresh, const Changes& changes) {
  config_ = std::move(fresh);
  ++recycle_orders_;
  const auto listed = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (auto& [key, desk] : desks_) {
    const std::string& name = desk->pool.database();
    const bool automatic = desk->database->automatic;
    if (listed(changes.databases_removed, name) || (automatic && changes.fallback_removed)) {
      remove_database(*desk);
      continue;
    }
    DatabasePtr entry = config_->database(name);
    if (!entry) {
      remove_database(*desk);
      continue;
    }
    const bool recycle = listed(changes.databases_to_recycle, name) || (automatic && changes.fallback_to_recycle) ||
                         (changes.server_tls_changed && reaches_over_tcp(*entry, *config_));
    desk->database = std::move(entry);
    if (recycle) stale(*desk);
    desk->pool.forget_failures();
    settle(*desk);
    look_again_.push_back(key);
  }
  for (auto& [names, route] : routes_) {
    if (!route->desk || route->desk->removed) continue;
    // A database whose forced user changed is another pool for whoever logs in from now on.
    route->limits = client_limits(*config_, *route->desk->database, route->user);
  }
  find_shortest_client_idle();
  settle_watch();
  prepare_forced_pools();
  if (changes.userlist_changed) shared_.credentials.forget_derived();
}

void Worker::remove_database(PoolDesk& desk) {
  log::line(log::Level::log, "dropping database '{}' as it does not exist anymore or inactive auto-database",
            desk.pool.database());
  desk.removed = true;
  paused_.erase(desk.pool.database());
  disabled_.erase(desk.pool.database());
  stale(desk);
  clients_.for_each([&](ClientSession& client) {
    if (client.desk() == &desk) end_client(client, CloseReason::database_removed);
  });
  while (Waiter* waiter = desk.pool.waiters().front()) refuse_waiter(*waiter, CloseReason::database_removed);
  close_unused(desk, CloseReason::database_removed);
}

// Connections made so far are closed as soon as nobody uses them; what they told at login counts no more.
void Worker::stale(PoolDesk& desk) {
  desk.config_generation = recycle_orders_;
  auto& known = desk.pool.account().config_generation;
  for (std::uint64_t seen = known; seen < recycle_orders_ && !known.compare_exchange_weak(seen, recycle_orders_);) {
  }
  desk.welcome_known = false;
  shared_.ledger.keep_welcome(desk.pool.account(), nullptr);
  desk.fast_fail = false;
  desk.hosts.forget();
  desk.pool.forget_failures();
  close_unused(desk, CloseReason::close_needed);
  Listeners::stop(*this, desk);
  desk.pool.servers(ServerState::active).for_each([&](PooledServer& pooled) {
    auto& server = *static_cast<ServerConnection*>(pooled.connection);
    if (server.dedicated && server.client) end_client(*server.client, CloseReason::database_configuration_changed);
  });
}

// A name leads elsewhere: whoever is connected to where it led before is closed as soon as nobody uses it.
void Worker::host_moved(const std::string& host, const std::vector<std::string>& gone) {
  servers_.for_each([&](ServerConnection& server) {
    if (server.facts.address.host != host || !server.stream || server.state() == ServerState::leaving) return;
    const std::string address = server.stream->remote().address;
    if (std::find(gone.begin(), gone.end(), address) == gone.end()) return;
    if (server.listens) return end_server(server, CloseReason::close_needed);
    server.pooled.close_needed = true;
    if (server.state() == ServerState::idle || server.state() == ServerState::used) close_if_unfit(server);
  });
}

void Worker::close_unused(PoolDesk& desk, CloseReason reason) {
  for (const ServerState state : {ServerState::idle, ServerState::used, ServerState::login}) {
    desk.pool.servers(state).for_each([&](PooledServer& pooled) {
      end_server(*static_cast<ServerConnection*>(pooled.connection), reason);
    });
  }
}

void Worker::find_shortest_client_idle() {
  Duration shortest{};
  const auto consider = [&](Micros limit) {
    if (limit > Micros{} && (shortest == Duration{} || Duration(limit) < shortest)) shortest = limit;
  };
  consider(config_->globals.client_idle_timeout);
  for (const auto& [name, user] : config_->users) consider(user.client_idle_timeout.value_or(Micros{}));
  shortest_client_idle_ = shortest;
}

void Worker::pause(const std::string& database) {
  if (database.empty()) paused_all_ = true;
  else paused_[database] = true;
  for (auto& [key, desk] : desks_) {
    if (!database.empty() && desk->pool.database() != database) continue;
    desk->pool.paused = true;
    close_idle(*desk);
    publish(*desk);
  }
}

void Worker::close_idle(PoolDesk& desk) {
  Listeners::stop(*this, desk);
  // Those that log in, too: when PAUSE answers, nobody of ours may be at the server's door.
  for (const ServerState state : {ServerState::idle, ServerState::used, ServerState::login}) {
    desk.pool.servers(state).for_each([&](PooledServer& pooled) {
      end_server(*static_cast<ServerConnection*>(pooled.connection), CloseReason::pause_mode);
    });
  }
}

void Worker::resume(const std::string& database) {
  if (database.empty()) paused_all_ = false;
  else paused_.erase(database);
  for (auto& [key, desk] : desks_) {
    if (!database.empty() && desk->pool.database() != database) continue;
    desk->pool.paused = paused_all_ || database_paused(desk->pool.database());
    desk->pool.forget_failures();
    desk->fast_fail = false;
    publish(*desk);
    if (!desk->pool.paused) serve_waiters(*desk);
    look_again_.push_back(key);
  }
}

void Worker::reconnect(const std::string& database) {
  ++recycle_orders_;
  for (auto& [key, desk] : desks_) {
    if (database.empty() || desk->pool.database() == database) stale(*desk);
  }
}

void Worker::kill(const std::string& database) {
  ++recycle_orders_;
  pause(database);
  for (auto& [key, desk] : desks_) {
    if (!database.empty() && desk->pool.database() != database) continue;
    clients_.for_each([&, of = desk.get()](ClientSession& client) {
      if (client.desk() == of) end_client(client, CloseReason::database_removed);
    });
    stale(*desk);
    desk->stats = desk->at_period_start = desk->last_period = {};
  }
}

bool Worker::kill_client(std::uint64_t id) {
  bool found = false;
  clients_.for_each([&](ClientSession& client) {
    if (client.id != id || client.phase == ClientPhase::leaving) return;
    found = true;
    end_client(client, CloseReason::admin_forced_disconnect);
  });
  return found;
}

// Whoever has come over TCP before its listeners were closed is a client that is waited for; the unix socket stays open,
// for the console.
bool Worker::lets_in(const ClientSession& client) const {
  if (shutdown_ == Shutdown::no || drain_.gives_away()) return true;
  return shutdown_ == Shutdown::wait_for_clients && !drain_.on() && !client.unix_socket;
}

void Worker::begin_takeover(TakeoverPort& port, Duration drain) {
  shutdown_ = Shutdown::wait_for_clients;
  drain_.begin_giving(*this, port, drain);
}

void Worker::begin_shutdown(Shutdown how, Duration drain) {
  shutdown_ = how;
  if (drain > Duration{}) drain_.begin(*this, drain);
  logins_.for_each([&](ClientSession& client) {
    const bool half_way = client.phase == ClientPhase::welcoming || client.phase == ClientPhase::looking_up;
    if (half_way && !lets_in(client)) end_client(client, CloseReason::pooler_shutting_down);
  });
  if (how != Shutdown::wait_for_servers) return;
  for (auto& [key, desk] : desks_) {
    desk->pool.paused = true;
    while (Waiter* waiter = desk->pool.waiters().front()) {
      refuse_waiter(*waiter, CloseReason::server_shutting_down);
    }
    close_unused(*desk, CloseReason::pause_mode);
    Listeners::stop(*this, *desk);
    publish(*desk);
  }
  paused_all_ = true;
}

bool Worker::quiet(const std::string& database) const {
  return std::all_of(desks_.begin(), desks_.end(), [&](const auto& entry) {
    const Pool& pool = entry.second->pool;
    if (!database.empty() && pool.database() != database) return true;
    return pool.servers_here() == 0;
  });
}

bool Worker::nothing_to_close(const std::string& database) const {
  bool none = true;
  servers_.for_each([&](const ServerConnection& server) {
    if (!database.empty() && server.desk->pool.database() != database) return;
    if (server.state() == ServerState::leaving) return;
    none &= !server.pooled.close_needed && server.facts.config_generation == server.desk->config_generation;
  });
  return none;
}

std::size_t Worker::ordinary_clients() const {
  std::size_t n = 0;
  clients_.for_each([&](const ClientSession& client) {
    n += client.phase != ClientPhase::console && client.phase != ClientPhase::leaving;
  });
  return n;
}

void Worker::rotate_stats() {
  for (auto& [key, desk] : desks_) {
    desk->last_period = desk->stats;
    desk->last_period -= desk->at_period_start;
    desk->at_period_start = desk->stats;
  }
}

namespace {

std::vector<std::string> names_of(const std::map<std::string, bool>& marked) {
  std::vector<std::string> names;
  for (const auto& [name, yes] : marked)
    if (yes) names.push_back(name);
  return names;
}

}  // namespace

std::vector<std::string> Worker::paused_databases() const { return names_of(paused_); }
std::vector<std::string> Worker::disabled_databases() const { return names_of(disabled_); }

}  // namespace pgweir
