// Time limits. Once per tick each list is looked at from its old end, so that only what has expired costs anything.
#include "protocol/compose.h"
#include "proxy/session/audit.h"
#include "proxy/session/hidden_code.h"
#include "proxy/session/server_login.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

bool expired(TimePoint since, Duration limit, TimePoint now) {
  return limit > Duration{} && since != TimePoint{} && now - since >= limit;
}

}  // namespace

void Worker::on_tick() {
  const TimePoint now = loop_.now();
  sweep_logins(now);
  DedicatedServers::open_again(*this);
  Listeners::on_tick(*this);
  sweep_idle_clients(now);
  for (auto& [key, desk] : desks_) {
    sweep_servers(*desk, now);
    sweep_active(*desk, now);
    sweep_waiters(*desk, now);
    sweep_login_waiters(*desk, now);
    ResidueAudit::on_tick(*this, *desk);
    HiddenCode::on_tick(*this, *desk);
    if (!desk->pool.login_waiters().empty() && knows_welcome(*desk)) welcome_waiting(*desk);
    if (!desk->pool.waiters().empty() || !desk->pool.login_waiters().empty() || desk->pool.settings.min_pool_size > 0) {
      if (!check_one(*desk)) open_wanted(*desk);
    }
  }
  if (drain_.on()) drain_.on_tick(*this);
  sweep_suspended(now);
  sweep_cancels(now);
  sweep_unused_pools(now);
  close_window_if_over();
  if (shared_.console) shared_.console->on_tick(*this);
  shared_.fleet.on_tick(*this);
}

void Worker::sweep_logins(TimePoint now) {
  const Duration limit = config_->globals.client_login_timeout;
  while (ClientSession* client = logins_.front()) {
    if (!expired(client->connected_at, limit, now)) break;
    const bool server_down = client->phase == ClientPhase::welcoming ||
                             (client->lookup && client->lookup->waiter.in_queue.linked());
    end_client(*client, server_down ? CloseReason::client_login_timeout_server_down : CloseReason::client_login_timeout);
  }
}

// The clients stand in the order in which they became idle, whatever their own limits are: the walk ends at the first
// who is younger than the shortest limit in force.
void Worker::sweep_idle_clients(TimePoint now) {
  if (shortest_client_idle_ == Duration{}) return;
  for (ClientSession* client = idle_clients_.front(); client;) {
    ClientSession* next = idle_clients_.after(*client);
    if (!expired(client->idle_since, shortest_client_idle_, now)) break;
    if (client->phase == ClientPhase::idle && expired(client->idle_since, client->route->limits.client_idle_timeout, now)) {
      end_client(*client, CloseReason::client_idle_timeout);
    }
    client = next;
  }
}

void Worker::sweep_waiters(PoolDesk& desk, TimePoint now) {
  const seconds notify{config_->globals.query_wait_notify};
  std::vector<Token> to_notify, to_end;
  WaiterList& waiters = desk.pool.waiters();
  for (Waiter* waiter = waiters.front(); waiter;) {
    Waiter* next = waiters.after(*waiter);
    if (waiter->errand) {
      auto& lookup = *static_cast<AuthLookup*>(waiter->session);
      if (expired(waiter->since, lookup.wait_limit, now)) fail_lookup(lookup, CloseReason::query_wait_timeout, {}, {});
      waiter = next;
      continue;
    }
    auto& client = *static_cast<ClientSession*>(waiter->session);
    if (notify > seconds{0} && now - waiter->since > notify && !waiter->notified) {
      waiter->notified = true;
      to_notify.push_back(client.token);
    }
    if (expired(waiter->since, client.route->limits.query_wait_timeout, now)) {
      // Who has been asked about for a tick in vain is not waited for.
      if (std::exchange(waiter->explained, true)) end_client(client, CloseReason::query_wait_timeout);
      else to_end.push_back(client.token);
    } else if (expired(waiter->since, desk.pool.settings.query_timeout, now)) {
      end_client(client, CloseReason::query_timeout_waiting);
    }
    waiter = next;
  }
  if (!to_notify.empty() || !to_end.empty()) explain_waits(desk, std::move(to_notify), std::move(to_end));
}

// Clients in login that wait for a cold pool's first server.
void Worker::sweep_login_waiters(PoolDesk& desk, TimePoint now) {
  std::vector<Token> to_end;
  WaiterList& waiters = desk.pool.login_waiters();
  for (Waiter* waiter = waiters.front(); waiter;) {
    Waiter* next = waiters.after(*waiter);
    auto& client = *static_cast<ClientSession*>(waiter->session);
    if (expired(waiter->since, client.route->limits.query_wait_timeout, now)) {
      if (std::exchange(waiter->explained, true)) end_client(client, CloseReason::query_wait_timeout);
      else to_end.push_back(client.token);
    }
    waiter = next;
  }
  if (!to_end.empty()) explain_waits(desk, {}, std::move(to_end));
}

// Servers that no client holds.
void Worker::sweep_servers(PoolDesk& desk, TimePoint now) {
  Pool& pool = desk.pool;
  const PoolSettings& s = pool.settings;
  const Globals& globals = config_->globals;
  int spare = pool.servers_here() > 0 ? shared_.ledger.pool_servers(pool.account()) - s.min_pool_size : 0;
  if (!s.forced_user && pool.clients == 0) spare = 1 << 30;
  for (const ServerState state : {ServerState::idle, ServerState::used}) {
    pool.servers(state).for_each([&](PooledServer& pooled) {
      auto& server = *static_cast<ServerConnection*>(pooled.connection);
      if (close_if_unfit(server)) {
        --spare;
      } else if (s.server_idle_timeout > Duration{} && spare > 0 && now - pooled.since > s.server_idle_timeout) {
        --spare;
        end_server(server, CloseReason::server_idle_timeout);
      } else if (state == ServerState::idle && needs_check(desk, pooled)) {
        pool.move(pooled, ServerState::used, pooled.since);
        publish(desk);
      }
    });
  }
  pool.servers(ServerState::login).for_each([&](PooledServer& pooled) {
    if (expired(pooled.since, globals.server_connect_timeout, now)) {
      auto& server = *static_cast<ServerConnection*>(pooled.connection);
      on_open_failed(server, CloseReason::connect_timeout, "connect timeout", "08006");
    }
  });
  // A server that does not answer the pooler's own question will not answer a client's.
  pool.servers(ServerState::tested).for_each([&](PooledServer& pooled) {
    auto& server = *static_cast<ServerConnection*>(pooled.connection);
    if (server.job != ServerJob::none && expired(server.request_at, globals.server_connect_timeout, now)) {
      end_server(server, server.job == ServerJob::reset ? CloseReason::reset_failed
                         : server.job == ServerJob::audit ? CloseReason::session_not_clean
                                                          : CloseReason::test_failed);
    }
  });
}

// Clients that hold a server.
void Worker::sweep_active(PoolDesk& desk, TimePoint now) {
  const PoolSettings& s = desk.pool.settings;
  desk.pool.servers(ServerState::active).for_each([&](PooledServer& pooled) {
    auto& server = *static_cast<ServerConnection*>(pooled.connection);
    ClientSession* client = server.client;
    if (!client || client->replication) return;    // a stream of changes is no statement that lasts too long
    if (client->phase == ClientPhase::preparing) {
      if (expired(server.request_at, config_->globals.server_connect_timeout, now)) {
        end_client(*client, CloseReason::invalid_server_parameter);
      }
      return;
    }
    const bool in_transaction = server.talk.transaction() != TxStatus::idle;
    if (client->in_query && expired(client->query_since, s.query_timeout, now)) {
      end_client(*client, CloseReason::query_timeout);
    } else if (in_transaction && client->in_transaction && expired(client->xact_since, s.transaction_timeout, now)) {
      end_client(*client, CloseReason::transaction_timeout);
    } else if (in_transaction && !client->in_query && expired(client->idle_since, s.idle_transaction_timeout, now)) {
      end_client(*client, CloseReason::idle_transaction_timeout);
    } else if (client->pin != PinReason::none && !in_transaction && server.talk.at_rest() &&
               expired(client->idle_since, config_->globals.pinned_idle_timeout, now)) {
      end_client(*client, CloseReason::pinned_idle_timeout,
                 fmt::format("pinned_idle_timeout: the server was kept for {} s because of {}", count_s(now - client->idle_since),
                             text_of(client->pin)));
    } else if (config_->globals.server_fast_close && desk.mode == PoolMode::session && server.talk.at_rest() &&
               !in_transaction && (pooled.close_needed || server.facts.config_generation != desk.config_generation)) {
      end_client(*client, CloseReason::database_configuration_changed);
    } else if (desk.mode == PoolMode::session && server.talk.at_rest() && !in_transaction &&
               expired(client->idle_since, client->route->limits.client_idle_timeout, now)) {
      end_client(*client, CloseReason::client_idle_timeout);
    }
  });
}

// Pools that nobody has used for long, their statistics included: those of automatic databases (autodb_idle_timeout),
// and any with pool_idle_timeout.
void Worker::sweep_unused_pools(TimePoint now) {
  for (auto place = desks_.begin(); place != desks_.end();) {
    PoolDesk& desk = *place->second;
    const bool used = desk.pool.clients > 0 || desk.pool.servers_here() > 0 || !desk.pool.login_waiters().empty() ||
                      !desk.pool.waiters().empty() ||
                      desk.pool.settings.forced_user;
    if (used) desk.unused_since = {};
    else if (desk.unused_since == TimePoint{}) desk.unused_since = now;
    Duration limit = config_->globals.pool_idle_timeout;
    if (desk.database->automatic || desk.removed) {
      const Duration automatic = config_->globals.autodb_idle_timeout;
      if (limit == Duration{} || (automatic > Duration{} && automatic < limit)) limit = automatic;
    }
    if (used || !expired(desk.unused_since, limit, now)) {
      ++place;
      continue;
    }
    log::line(log::Level::log, "cleaning up idle pool for user {} on db {} because: pool idle timeout (age= {}s)",
              desk.pool.user(), desk.pool.database(), count_s(now - desk.unused_since));
    if (desk.database->automatic) shared_.ledger.forget_database(desk.pool.database());
    std::erase_if(routes_, [&](const auto& route) { return route.second->desk == &desk; });
    place = desks_.erase(place);
  }
}

bool Worker::lifetime_over(const PoolDesk& desk, const PooledServer& server, TimePoint now) const {
  if (server.opened_at == TimePoint{}) return false;
  if (desk.pool.settings.server_lifetime == Duration{}) {
    return static_cast<const ServerConnection*>(server.connection)->leases > 0;   // 0: used once
  }
  return now - server.opened_at >= server.lifetime;
}

}  // namespace pgweir
