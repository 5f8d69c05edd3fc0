// Clients and servers that change workers, and servers that give way to another pool under a shared limit. By age: the
// client who has waited longest is served first, wherever it is, to a millisecond or two.
#include "proxy/session/hand_over.h"

#include <algorithm>

#include "protocol/startup.h"
#include "proxy/session/client_login.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

// A connection of another pool is closed under a waiter's feet only for somebody who waits clearly longer, since
// opening a new one takes milliseconds.
constexpr Duration evict_margin = milliseconds(50);
// How often a pool asks the other workers to close an idle connection for it.
constexpr Duration evict_pause = milliseconds(10);

}  // namespace

bool HandOver::may_wait(const PoolDesk& desk) { return desk.lease < margin; }

void HandOver::note_lease(PoolDesk& desk, Duration took) {
  constexpr int leases = 8;
  desk.lease += (took - desk.lease) / leases;
}

TimePoint HandOver::older_than(const Worker& worker, const PoolDesk& desk) {
  return may_wait(desk) ? worker.loop_.now() - margin : TimePoint::max();
}

// Whoever began to wait elsewhere before the server was published as idle has seen none, and must be seen now: of the
// two who write first and then look, one sees the other.
bool HandOver::feed_others(Worker& worker, PoolDesk& desk) {
  if (worker.shared_.fleet.size() == 1 || !Ledger::anyone_hungry(desk.pool.account())) return false;
  PooledServer* pooled = desk.pool.waiters().empty() ? desk.pool.best_idle() : nullptr;
  if (!pooled) return false;
  const unsigned to = worker.shared_.ledger.hungrier_worker(desk.pool.account(), worker.number_, older_than(worker, desk), true);
  auto& server = *static_cast<ServerConnection*>(pooled->connection);
  if (to != workers_max && server.framer.between_messages()) {
    worker.hand_over(server, to);
    return true;
  }
  if (may_wait(desk)) look_later(worker, desk);
  return false;
}

void HandOver::ask(Worker& worker, PoolDesk& desk) {
  if (worker.shared_.fleet.size() == 1 || desk.waiting_for_donor) return;
  const unsigned donor = worker.shared_.ledger.worker_with_idle(desk.pool.account(), worker.number_);
  if (donor == workers_max) return;
  const Waiter* own = desk.pool.waiters().front();
  const bool serves = desk.pool.count(ServerState::active) > 0;
  if (own && serves && own->since > older_than(worker, desk)) return look_later(worker, desk);
  desk.waiting_for_donor = true;
  worker.shared_.fleet.post(donor, [key = desk.pool.account().key, to = worker.number_](Worker& other) { donate(other, key, to); });
}

void HandOver::donate(Worker& worker, PoolKey key, unsigned to) {
  auto found = worker.desks_.find(key);
  PooledServer* pooled = found == worker.desks_.end() ? nullptr : found->second->pool.best_idle();
  if (pooled && found->second->pool.waiters().empty()) {
    auto& server = *static_cast<ServerConnection*>(pooled->connection);
    if (server.framer.between_messages() && !worker.close_if_unfit(server)) return worker.hand_over(server, to);
  } else if (found != worker.desks_.end() && found->second->pool.waiters().empty()) {
    // Idle for long: after its check it goes to whoever waits longest, wherever that is.
    PooledServer* used = found->second->pool.paused ? nullptr : found->second->pool.servers(ServerState::used).front();
    if (used) {
      auto& server = *static_cast<ServerConnection*>(used->connection);
      if (!worker.close_if_unfit(server)) worker.start_job(server, ServerJob::check, worker.config_->globals.server_check_query);
    }
  }
  // Somebody was faster. Whoever asked has told the ledger that it waits, so the next one to come free goes there.
  worker.shared_.fleet.post(to, [key](Worker& other) {
    auto asked = other.desks_.find(key);
    if (asked == other.desks_.end()) return;
    asked->second->waiting_for_donor = false;
    other.look_again_.push_back(key);
  });
}

// Nothing else may happen on either worker, so that an alarm is what keeps a waiter from being forgotten.
void HandOver::look_later(Worker& worker, PoolDesk& desk) {
  if (std::exchange(desk.looks_later, true)) return;
  if (worker.look_later_.empty()) worker.loop_.alarm_in(margin);
  worker.look_later_.push_back(desk.pool.account().key);
}

void HandOver::on_alarm(Worker& worker) {
  for (const PoolKey key : std::exchange(worker.look_later_, {})) {
    auto found = worker.desks_.find(key);
    if (found == worker.desks_.end()) continue;
    found->second->looks_later = false;
    while (feed_others(worker, *found->second)) {
    }
    worker.look_again_.push_back(key);
  }
}

void Worker::on_alarm() { HandOver::on_alarm(*this); }

void Worker::publish(PoolDesk& desk) {
  desk.pool.publish_wait(shared_.ledger);
  if (shared_.fleet.size() > 1) desk.pool.publish_idle(shared_.ledger);
}

bool Worker::hand_over_if_hungrier(ServerConnection& server) {
  PoolDesk& desk = *server.desk;
  Ledger& ledger = shared_.ledger;
  PoolAccount& account = desk.pool.account();
  const Waiter* own = desk.pool.waiters().front();
  const TimePoint own_since = own ? own->since : loop_.now();
  if (shared_.fleet.size() > 1 && Ledger::anyone_hungry(account) && server.framer.between_messages()) {
    const unsigned worker = ledger.hungrier_worker(account, number_, own ? own_since - HandOver::margin : HandOver::older_than(*this, desk), !own);
    if (worker != workers_max) {
      hand_over(server, worker);
      return true;
    }
  }
  if (Ledger::anyone_blocked(account) &&
      ledger.other_pool_is_hungrier(account, own ? own_since - evict_margin : own_since)) {
    end_server(server, CloseReason::evicted);
    return true;
  }
  return false;
}

// A place under a shared limit that was freed for an older waiter of another pool's must not be taken by the one who
// freed it: the new server would be evicted again, and so on.
bool Worker::leave_place_to_older(PoolDesk& desk) {
  PoolAccount& account = desk.pool.account();
  if (!Ledger::anyone_blocked(account)) return false;
  const Waiter* own = desk.pool.waiters().front();
  const TimePoint since = own ? own->since - evict_margin : loop_.now();
  if (!shared_.ledger.other_pool_is_hungrier(account, since)) return false;
  const bool by_database = desk.pool.settings.limits.db_connections > 0;
  if (own) {
    desk.pool.publish_blocked(shared_.ledger,
                              by_database ? BindingLimit::max_db_connections : BindingLimit::max_user_connections);
  }
  return true;
}

void Worker::hand_over(ServerConnection& server, unsigned worker) {
  PoolDesk& desk = *server.desk;
  ++desk.stats.handed_over;
  Ledger::publish_coming(desk.pool.account(), worker, 1);
  server.facts.close_needed = server.pooled.close_needed;
  server.facts.statements = server.statements.hand_over();
  auto socket = std::make_shared<std::unique_ptr<Detached>>(server.stream->detach());
  shared_.fleet.post(worker, [key = desk.pool.account().key, facts = server.facts, socket](Worker& to) {
    to.receive_server(key, facts, std::move(*socket));
  });
  server.stream.reset();
  end_server(server, CloseReason::handed_over);
}

void Worker::receive_server(PoolKey key, ServerFacts facts, std::unique_ptr<Detached> socket) {
  auto found = desks_.find(key);
  PoolAccount& account = *shared_.ledger.find(key);
  Ledger::publish_coming(account, number_, -1);
  if (found == desks_.end() || stopping_) {
    spread_pokes(shared_.ledger.give_back(account));
    return;
  }
  PoolDesk& desk = *found->second;
  desk.waiting_for_donor = false;
  ServerConnection& server = servers_.make();
  server.desk = &desk;
  server.facts = std::move(facts);
  server.statements.take_over(std::exchange(server.facts.statements, {}));
  server.pooled.opened_at = server.facts.opened_at;
  server.pooled.lifetime = server.facts.lifetime;
  server.pooled.close_needed = server.facts.close_needed;
  desk.pool.add(server.pooled, ServerState::tested, loop_.now());
  server.stream = loop_.adopt(std::move(socket), server.token);
  server.checked = true;
  if (!server.stream) return end_server(server, CloseReason::server_conn_crashed);
  if (!close_if_unfit(server)) make_available(server);
  if (knows_welcome(desk)) welcome_waiting(desk);
  look_again_.push_back(key);                  // others may wait here, and others be idle there
}

// Frees a place under `limit`, or sees to it that one will be freed. True: try again now.
bool Worker::make_room(PoolDesk& desk, BindingLimit limit) {
  HandOver::ask(*this, desk);
  if (limit == BindingLimit::pool_size) return false;
  const std::vector<PoolKey> keys = shared_.ledger.pools_under(desk.pool.account(), limit);
  if (keys.empty()) return false;
  if (evict_one_here(keys)) return true;
  if (shared_.fleet.size() == 1 || loop_.now() - desk.asked_to_evict_at < evict_pause) return false;
  desk.asked_to_evict_at = loop_.now();
  // One worker, so that no more than one connection is closed.
  for (const PoolKey key : keys) {
    const unsigned worker = shared_.ledger.worker_with_idle(*shared_.ledger.find(key), number_);
    if (worker == workers_max) continue;
    shared_.fleet.post(worker, [keys](Worker& other) { other.evict_one_here(keys); });
    break;
  }
  return false;
}

// Closes the connection that has been idle longest, if there is one of these pools here.
bool Worker::evict_one_here(const std::vector<PoolKey>& keys) {
  PooledServer* oldest = nullptr;
  for (const PoolKey key : keys) {
    auto found = desks_.find(key);
    if (found == desks_.end()) continue;
    PooledServer* candidate = found->second->pool.longest_idle();
    if (candidate && (!oldest || candidate->since < oldest->since)) oldest = candidate;
  }
  if (!oldest) return false;
  end_server(*static_cast<ServerConnection*>(oldest->connection), CloseReason::evicted);
  return true;
}

// Clients of one pool are kept on few workers: see Fleet::place_for_client. True: another worker has this one now.
bool Worker::move_home(ClientSession& client, Bytes rest) {
  // The state of a TLS connection stays where its handshake was.
  if (shared_.fleet.size() == 1 || client.settled || client.tls) return false;
  client.settled = true;
  std::string_view database, user;
  for (const auto& [name, value] : client.login->packet().parameters) {
    if (name == "database") database = value;
    else if (name == "user") user = value;
  }
  if (database.empty()) database = user;
  const DatabasePtr entry = database == console_database ? nullptr : config_->database(std::string(database));
  if (!entry) return false;
  const std::string_view servers_user = pool_user(*entry, user);
  const int size = pool_limits(*config_, *entry, servers_user).pool_size;
  const unsigned home = shared_.fleet.place_for_client(database, servers_user, size);
  if (home == number_) return false;
  Buffer said = client.login->take_packet_bytes();
  append(said, rest);
  // std::function wants what it holds to be copyable.
  auto socket = std::make_shared<std::unique_ptr<Detached>>(client.stream->detach());
  client.stream.reset();
  end_client(client, CloseReason::handed_over);        // first, so that it never counts twice
  shared_.fleet.post(home, [socket, said = std::move(said)](Worker& worker) {
    worker.adopt_client(std::move(*socket), said);
  });
  return true;
}

// A place has come free: the ones who wait longest look again, one of them here perhaps.
void Worker::spread_pokes(const std::vector<Poke>& pokes) {
  for (std::size_t i = 0; i < std::min<std::size_t>(pokes.size(), 2); ++i) {
    if (pokes[i].worker == number_) {
      look_again_.push_back(pokes[i].key);
    } else {
      shared_.fleet.post(pokes[i].worker, [key = pokes[i].key](Worker& worker) { worker.look_again_.push_back(key); });
    }
  }
}

}  // namespace pgweir
