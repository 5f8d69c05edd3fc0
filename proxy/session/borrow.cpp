// Who gets which server, and when one is opened. LIFO servers, FIFO clients, no barging: while anybody waits here, a server
// that comes free goes to the one who waits longest.
#include "proxy/policy/release.h"
#include "proxy/session/hand_over.h"
#include "proxy/session/hidden_code.h"
#include "proxy/session/refusals.h"
#include "proxy/session/server_login.h"
#include "proxy/session/worker.h"

namespace pgweir {

// True: the client holds a server that is ready. False: it waits, or it has been ended.
bool Worker::borrow(ClientSession& client) {
  PoolDesk& desk = *client.desk();
  Pool& pool = desk.pool;
  if (shutdown_ == Shutdown::wait_for_servers) {
    end_client(client, CloseReason::server_shutting_down);
    return false;
  }
  while (pool.waiters().empty()) {
    PooledServer* pooled = fitting_idle(desk, client);
    if (!pooled || needs_check(desk, *pooled)) break;
    auto& server = *static_cast<ServerConnection*>(pooled->connection);
    if (close_if_unfit(server)) continue;
    grant(*pooled, client);
    return client.phase == ClientPhase::leasing;
  }
  // During the pause after a refusal nobody needs to wait for the next attempt; afterwards the next client is the one
  // who finds out.
  if (desk.fast_fail && !pool.paused && loop_.now() < pool.retry_at() && no_server_works(desk)) {
    look_again_.push_back(pool.account().key);
    end_client(client, CloseReason::server_login_failing,
               "server login has been failing, cached error: " + pool.last_error() + " (server_login_retry)");
    return false;
  }
  enqueue(client);
  if (!check_one(desk)) open_wanted(desk);
  client.wait_reason = wait_reason(desk);
  return false;
}

// The server to hand out next; of the first few, one that has the client's settings already, since it costs no replay.
PooledServer* Worker::fitting_idle(PoolDesk& desk, const ClientSession& client) const {
  constexpr int first_few = 8;
  PooledServer* best = desk.pool.best_idle();
  if (!isolates(desk)) return best;
  const ServerList& idle = desk.pool.servers(ServerState::idle);
  PooledServer* next = best;
  for (int i = 0; i < first_few && next; ++i, next = idle.after(*next)) {
    const ServerFacts& facts = static_cast<ServerConnection*>(next->connection)->facts;
    if (policy::same_settings(facts.settings, client.settings)) return next;
  }
  return best;
}

void Worker::enqueue(ClientSession& client) {
  PoolDesk& desk = *client.desk();
  client.phase = ClientPhase::queued;
  client.request_at = loop_.now();
  idle_clients_.remove(client);
  desk.pool.enqueue(client.waiter, loop_.now());
  publish(desk);
}

// Links the two. The client may still have to wait for its settings (preparing).
void Worker::grant(PooledServer& pooled, ClientSession& client) {
  auto& server = *static_cast<ServerConnection*>(pooled.connection);
  PoolDesk& desk = *client.desk();
  const TimePoint now = loop_.now();
  if (client.waiter.in_queue.linked()) {
    client.last_wait = now - client.waiter.since;
    desk.stats.wait_us += static_cast<std::uint64_t>(count_us(client.last_wait));
    desk.times.queue.add(client.last_wait);
    note_wait(client, true);
    desk.pool.dequeue(client.waiter);
  } else if (client.by_age.linked()) {
    idle_clients_.remove(client);
    client.last_wait = {};
  }
  desk.pool.move(pooled, ServerState::active, now);
  publish(desk);
  ++desk.stats.server_assignments;
  ++server.leases;
  server.client = &client;
  server.checked = false;
  server.request_at = now;
  client.server = &server;
  server.statements.unnamed_is_the_clients = false;
  client.phase = ClientPhase::leasing;
  start_clock(server);
  if ((desk.distrust && isolates(desk)) || HiddenCode::possible(*this, desk)) touch(server).everything = touch(server).code = true;
  log_client(log::Level::debug, client, "gets server S-{}, waited {} us", static_cast<const void*>(&server),
             count_us(client.last_wait));
  if (!give_settings(server, policy::difference(shared_.tracked, client.parameters, server.facts.parameters))) {
    update_reading(client);
    (void)HandOver::feed_others(*this, desk);
  }
}

// The client has asked for nothing that is not answered, and nothing keeps the server with it.
bool Worker::may_leave_client(const ServerConnection& server) const {
  const ClientSession* client = server.client;
  return is_done_with(server) && !server.touch && client->pin == PinReason::none && !server.sequences_fresh && !server.said_fatal;
}

bool Worker::is_done_with(const ServerConnection& server) {
  const ClientSession* client = server.client;
  if (!client || client->phase != ClientPhase::leasing || client->held || client->replication) return false;
  return !server.request_cut && server.outbox.empty() && policy::may_release(server.desk->mode, server.talk);
}

void Worker::release_if_possible(ServerConnection& server) {
  const ClientSession* client = server.client;
  if (!is_done_with(server)) return;
  if (!server.framer.between_messages()) return;       // the rest of a notice must not reach the next client
  // A client that has read a FATAL expects its connection to close, though its own request was over.
  if (server.said_fatal) return end_client(*server.client, CloseReason::server_said_fatal);
  if ((server.touch || server.sequences_fresh || client->pin != PinReason::none) && !settle_session(server)) return;
  give_back(server);
}

void Worker::give_back(ServerConnection& server) {
  ClientSession& client = *server.client;
  HandOver::note_lease(*server.desk, loop_.now() - server.pooled.since);
  unlink(server);
  if (client.channels) Listeners::deliver(*this, client);
  after_use(server);
}

void Worker::unlink(ServerConnection& server) {
  ClientSession& client = *server.client;
  Sequences::leave(server);
  server.client = nullptr;
  server.touch.reset();
  server.refused.reset();
  server.steps = {};
  client.pin = PinReason::none;
  server.clock.forget();
  server.sql_texts.reset();
  server.assumptions.forget();
  server.sql.forget();
  server.restores.reset();
  server.touching = server.may_repeat = server.repeating = client.stalled = client.repeated = false;
  server.last_digest = {};
  client.server = nullptr;
  client.in_query = client.in_transaction = false;
  client.phase = ClientPhase::idle;
  client.idle_since = loop_.now();
  idle_clients_.push_back(client);
  update_reading(client);
  update_reading(server);
}

// The client has left it, with nothing open.
void Worker::after_use(ServerConnection& server) {
  PoolDesk& desk = *server.desk;
  if (server.cancels > 0) {
    // A cancel meant for the last client may still arrive: it must not meet the next one.
    desk.pool.move(server.pooled, ServerState::being_canceled, loop_.now());
    return publish(desk);
  }
  if (close_if_unfit(server)) return;
  const Globals& globals = config_->globals;
  const bool reset = desk.mode == PoolMode::session || globals.server_reset_query_always;
  if (reset && !globals.server_reset_query.empty()) {
    return start_job(server, ServerJob::reset, globals.server_reset_query);
  }
  make_available(server);
}

// Closes a server that must not serve anybody else.
bool Worker::close_if_unfit(ServerConnection& server) {
  PoolDesk& desk = *server.desk;
  CloseReason reason = CloseReason::none;
  if (server.said_fatal) {
    reason = CloseReason::server_conn_crashed;
  } else if (server.talk.may_say_more()) {
    reason = CloseReason::idle_server_dirty;
  } else if (desk.removed) {
    reason = CloseReason::database_removed;
  } else if (server.pooled.close_needed || server.facts.config_generation != desk.config_generation) {
    reason = CloseReason::close_needed;
  } else if (lifetime_over(desk, server.pooled, loop_.now())) {
    reason = CloseReason::server_lifetime_over;
  } else if (desk.pool.paused) {
    reason = CloseReason::pause_mode;
  } else if (desk.over_size && is_over_size(desk)) {
    reason = CloseReason::too_many_servers;
  }
  if (reason == CloseReason::none) return false;
  end_server(server, reason);
  return true;
}

bool Worker::is_over_size(PoolDesk& desk) {
  const ServerLimits& limits = desk.pool.settings.limits;
  desk.over_size = limits.pool_size > 0 &&
                   shared_.ledger.pool_servers(desk.pool.account()) > limits.pool_size + limits.reserve_size;
  return desk.over_size;
}

// A server that anybody may have: another worker's client who waits longer, the first of our own, or the shelf.
void Worker::make_available(ServerConnection& server) {
  PoolDesk& desk = *server.desk;
  const Globals& globals = config_->globals;
  if (globals.server_check_delay == Micros{} && !globals.server_check_query.empty() && !server.checked) {
    return start_job(server, ServerJob::check, globals.server_check_query);
  }
  if (hand_over_if_hungrier(server)) return;
  Waiter* waiter = desk.pool.paused ? nullptr : desk.pool.waiters().front();
  if (!waiter) {
    desk.pool.shelve(server.pooled, loop_.now());
    publish(desk);
    (void)HandOver::feed_others(*this, desk);
    return;
  }
  if (waiter->errand) return run_lookup(server, *static_cast<AuthLookup*>(waiter->session));
  auto& client = *static_cast<ClientSession*>(waiter->session);
  grant(server.pooled, client);
  // Not from here: its request may end it, which frees the server for the next in line, and so on to the last.
  if (client.phase == ClientPhase::leasing) to_feed_.push_back(client.token);
}

void Worker::serve_waiters(PoolDesk& desk) {
  while (!desk.pool.waiters().empty()) {
    PooledServer* pooled = desk.pool.best_idle();
    if (!pooled || needs_check(desk, *pooled)) break;
    auto& server = *static_cast<ServerConnection*>(pooled->connection);
    if (!close_if_unfit(server)) make_available(server);
  }
  if (!desk.pool.waiters().empty() && !check_one(desk)) open_wanted(desk);
}

bool Worker::needs_check(const PoolDesk& desk, const PooledServer& pooled) const {
  const Globals& globals = config_->globals;
  if (globals.server_check_query.empty() || globals.server_check_delay == Micros{}) return false;
  return loop_.now() - pooled.since > desk.pool.settings.check_delay;
}

// Starts server_check_query on a server that has been idle for long, for the sake of those who wait.
bool Worker::check_one(PoolDesk& desk) {
  if (desk.pool.paused || config_->globals.server_check_query.empty()) return false;
  if (static_cast<std::size_t>(desk.pool.tested_soon(loop_.now())) >= desk.pool.waiters().size()) return false;
  while (true) {
    PooledServer* pooled = desk.pool.servers(ServerState::idle).front();
    if (!pooled) pooled = desk.pool.servers(ServerState::used).front();
    if (!pooled) return false;
    auto& server = *static_cast<ServerConnection*>(pooled->connection);
    if (close_if_unfit(server)) continue;
    start_job(server, ServerJob::check, config_->globals.server_check_query);
    return true;
  }
}

bool Worker::no_server_works(const PoolDesk& desk) const {
  // Another worker's servers count: they are handed over.
  return shared_.ledger.pool_servers(desk.pool.account()) <= static_cast<int>(desk.pool.count(ServerState::login));
}

// --- opening

void Worker::open_wanted(PoolDesk& desk) {
  if (stopping_ || desk.removed || shutdown_ == Shutdown::wait_for_servers) return;
  Pool& pool = desk.pool;
  // An idle server of another worker's is here sooner than a new one.
  if (!pool.waiters().empty()) HandOver::ask(*this, desk);
  const int everywhere = pool.settings.min_pool_size > 0 ? shared_.ledger.pool_servers(pool.account()) : 0;
  int wanted = pool.connections_wanted(loop_.now(), everywhere);
  // Who needs none, or pauses after failures, is not kept waiting by a limit: others need not make room.
  if (wanted <= 0) pool.publish_blocked(shared_.ledger, BindingLimit::none);
  while (wanted-- > 0 && open_one(desk)) {
  }
}

bool Worker::open_one(PoolDesk& desk) {
  Pool& pool = desk.pool;
  const bool someone_waits = !pool.waiters().empty() || !pool.login_waiters().empty();
  if (leave_place_to_older(desk)) return false;
  const bool reserve = pool.may_use_reserve(loop_.now());
  BindingLimit limit = shared_.ledger.reserve(pool.account(), pool.settings.limits, reserve);
  if (limit != BindingLimit::none && someone_waits && make_room(desk, limit)) {
    limit = shared_.ledger.reserve(pool.account(), pool.settings.limits, reserve);
  }
  if (limit != BindingLimit::none) {
    if (someone_waits) pool.publish_blocked(shared_.ledger, limit);
    return false;
  }
  pool.publish_blocked(shared_.ledger, BindingLimit::none);
  ServerConnection& server = servers_.make();
  server.desk = &desk;
  server.facts.id = shared_.fleet.next_id();
  server.facts.config_generation = desk.config_generation;
  pool.add(server.pooled, ServerState::login, loop_.now());
  if (reserve && pool.settings.limits.pool_size > 0 &&
      shared_.ledger.pool_servers(pool.account()) > pool.settings.limits.pool_size) {
    log_server(log::Level::warning, server, "taking connection from reserve_pool");
  }
  connect(server);
  return true;
}

}  // namespace pgweir
