#include "tests/support/sim_house.h"

#include <algorithm>

#include "proxy/policy/release.h"

namespace pgweir::sim {

DatabasePtr SimHouse::database_entry(const std::string& name) {
  DatabaseConfig entry;
  entry.name = name;
  entry.hosts = {"10.1.1.1"};
  return std::make_shared<DatabaseConfig>(entry);
}

Config SimHouse::plain_config() {
  Config config;
  config.globals = default_globals();
  config.globals.auth_type = AuthType::trust;
  config.globals.server_tls_sslmode = SslMode::disable;
  config.globals.pool_mode = PoolMode::transaction;
  config.globals.default_pool_size = 2;
  config.globals.log_connections = config.globals.log_disconnections = false;
  config.globals.log_pooler_errors = false;
  config.globals.server_check_query = "";
  config.globals.session_audit_interval = {};
  config.globals.scram_iterations = 64;
  config.databases["db"] = database_entry("db");
  for (const char* user : {"u1", "u2", "u3"}) config.userlist[user] = "secret";
  split_lists(config);
  return config;
}

SimHouse::SimHouse(std::uint64_t seed, unsigned workers, Config config,
                   std::string extra_parameters)
    : world(seed),
      config_(std::make_shared<const Config>(std::move(config))),
      ledger_(workers),
      tracked_(extra_parameters),
      fleet_(world, seed) {
  fleet_.set_size(workers);
  const Commons commons{ledger_, fleet_, credentials_, tracked_, nullptr, ~0u};
  for (unsigned n = 0; n < workers; ++n) {
    Core core;
    core.loop = std::make_unique<SimLoop>(world, n);
    core.connector = std::make_unique<SimConnector>(
        world, *core.loop,
        [this](const ServerAddress&, Token::Kind kind) { return postgres.accept(kind); });
    core.worker =
        std::make_unique<Worker>(n, commons, config_, *core.loop, *core.connector, seed + n);
    core.loop->report_to(*core.worker);
    core.loop->tick_every(milliseconds(100));
    fleet_.add(*core.worker, *core.loop);
    cores_.push_back(std::move(core));
  }
}

SimHouse::~SimHouse() {
  world.after_event = nullptr;
  close_down();
}

void SimHouse::close_down() {
  for (Core& core : cores_) {
    core.loop->stop();
    if (core.worker) core.worker->end_all();
  }
  for (Core& core : cores_) core.worker.reset();
  fleet_.stop();
}

std::shared_ptr<Connection> SimHouse::connect(Peer& peer, const std::string& name) {
  auto connection = std::make_shared<Connection>(world, ++last_connection_, name);
  connection->attach(&peer);
  const unsigned acceptor = static_cast<unsigned>(world.rng.below(cores_.size()));
  world.after(world.latency(), [this, connection, acceptor] {
    if (!cores_[acceptor].worker) return;
    cores_[acceptor].loop->turn([&](LoopEvents& events) {
      events.on_accepted(std::make_unique<DetachedConnection>(connection));
    });
  });
  return connection;
}

void SimHouse::order(unsigned worker, const std::function<void(Worker&)>& what) {
  cores_[worker].loop->turn([&](LoopEvents&) { what(*cores_[worker].worker); });
}

void SimHouse::order_all(const std::function<void(Worker&)>& what) {
  for (unsigned n = 0; n < cores_.size(); ++n) fleet_.post(n, what);
}

void SimHouse::reload(Config fresh) {
  split_lists(fresh);
  auto shared = std::make_shared<const Config>(std::move(fresh));
  const Changes changes = compare(*config_, *shared);
  config_ = shared;
  order_all([shared, changes](Worker& worker) { worker.apply_config(shared, changes); });
}

SimBackend* SimHouse::backend_of(const ServerConnection& server) {
  if (!server.stream) return nullptr;
  return dynamic_cast<SimBackend*>(
      static_cast<const SimStream&>(*server.stream).connection().peer());
}

std::size_t SimHouse::clients_in(ClientPhase phase) {
  std::size_t n = 0;
  for_each_client([&](const ClientSession& c, const Worker&) { n += c.phase == phase; });
  return n;
}

std::size_t SimHouse::servers_in(ServerState state) {
  std::size_t n = 0;
  for_each_server([&](const ServerConnection& s) { n += s.state() == state; });
  return n;
}

int SimHouse::cancels(unsigned n) {
  int sum = 0;
  for (const auto& [key, desk] : worker(n).desks()) {
    const auto counts = worker(n).cancel_counts(*desk);
    sum += counts.waiting_clients + counts.active_clients;
  }
  return sum;
}

// --- SimChecks

void SimChecks::look() {
  if (!failure_.empty()) return;
  if (!house_.postgres.breach().empty()) fail("(2) " + house_.postgres.breach());
  look_at_servers();
  look_at_limits();
  look_at_bounds();
  if (fair) look_at_waits();
}

// (2) What is free is at rest, in the pooler's eyes and in truth.
void SimChecks::look_at_servers() {
  house_.for_each_server([&](ServerConnection& server) {
    const bool is_free = server.state() == ServerState::idle || server.state() == ServerState::used;
    if (is_free != !server.client && server.state() == ServerState::active)
      return fail("an active server without a client");
    if (server.client && server.client->server != &server) fail("a lease that only one side knows");
    if (!is_free) return;
    if (server.client) fail("a free server has a client");
    if (!policy::reusable_without_client(server.talk)) fail("(2) a free server is not at rest");
    if (!server.outbox.empty() || server.request_cut)
      fail("(2) a free server has not been sent all of a request");
    const SimBackend* backend = SimHouse::backend_of(server);
    const auto& connection = static_cast<const SimStream&>(*server.stream).connection();
    if (backend && backend->logged_in() && !backend->at_rest() &&
        connection.unread_by_peer() == 0) {
      fail("(2) a free server's backend is busy with '" + backend->session().running() +
           "', status " + backend->session().status() +
           (backend->session().in_copy() ? ", in COPY" : "") + ", unread: '" + backend->unread() +
           "'");
    }
  });
}

// (3) No limit is exceeded, counting what is being opened and what is on its way between workers.
void SimChecks::look_at_limits() {
  std::map<PoolKey, int> here, pool_size;
  house_.for_each_server([&](const ServerConnection& s) { ++here[s.desk->pool.account().key]; });
  for (const Core& core : house_.cores()) {
    // A reload reaches the workers one after another.
    for (const auto& [key, desk] : core.worker->desks()) {
      const ServerLimits& limits = desk->pool.settings.limits;
      pool_size[key] = std::max(pool_size[key], limits.pool_size + limits.reserve_size);
    }
  }
  for (const Core& core : house_.cores()) {
    if (!core.worker) continue;
    for (const auto& [key, desk] : core.worker->desks()) {
      const PoolAccount& account = desk->pool.account();
      const ServerLimits& limits = desk->pool.settings.limits;
      const int booked = house_.ledger().pool_servers(account);
      if (here[key] > booked) fail("(3) more servers than the ledger knows of");
      if (limits.pool_size > 0 && booked > pool_size[key]) fail("(3) pool_size exceeded");
      const int in_database = house_.ledger().database_counts(account.database).servers;
      const int of_user = house_.ledger().user_counts(account.user).servers;
      if (limits.db_connections > 0 && in_database > limits.db_connections)
        fail("(3) max_db_connections exceeded");
      if (limits.user_connections > 0 && of_user > limits.user_connections)
        fail("(3) max_user_connections exceeded");
    }
  }
}

// (7) What is kept for anybody stays small.
void SimChecks::look_at_bounds() {
  constexpr std::size_t scratch = 32 * 1024, held_max = 64 * 1024 + scratch;
  house_.for_each_client([&](const ClientSession& c, const Worker&) {
    if (c.held && c.held->size() > held_max + 2048)
      fail("(7) held bytes: " + std::to_string(c.held->size()));
    if (c.outbox.size() > 2 * scratch + 4096)
      fail("(7) a client's outbox: " + std::to_string(c.outbox.size()));
  });
  house_.for_each_server([&](const ServerConnection& s) {
    if (s.outbox.size() > held_max + scratch)
      fail("(7) a server's outbox: " + std::to_string(s.outbox.size()));
  });
}

// Who waits and what there is, on each worker.
std::string SimChecks::tell_of(PoolKey key) {
  std::string told;
  for (const Core& core : house_.cores()) {
    const auto found = core.worker->desks().find(key);
    if (found == core.worker->desks().end()) continue;
    const Pool& pool = found->second->pool;
    told += "\n  worker " + std::to_string(core.worker->number()) + ": waiting " +
            std::to_string(pool.waiters().size()) + ", login " +
            std::to_string(pool.count(ServerState::login)) + ", tested " +
            std::to_string(pool.count(ServerState::tested)) + ", idle " +
            std::to_string(pool.count(ServerState::idle)) + ", used " +
            std::to_string(pool.count(ServerState::used)) +
            (found->second->waiting_for_donor ? ", waiting for a donor" : "");
  }
  return told;
}

// (4) Nobody waits beside an idle server; (5) who waits longest is served first.
void SimChecks::look_at_waits() {
  std::map<PoolKey, std::map<std::uint64_t, TimePoint>> now_waiting;
  std::map<PoolKey, bool> idle, disturbed, tested;
  std::map<std::uint64_t, const ClientSession*> served;
  const TimePoint now = house_.world.now;
  house_.for_each_client([&](const ClientSession& c, const Worker&) {
    if (!c.route || !c.route->desk) return;
    const Pool& pool = c.route->desk->pool;
    if (c.phase == ClientPhase::queued) now_waiting[pool.account().key][c.id] = c.waiter.since;
    if (c.phase == ClientPhase::leasing || c.phase == ClientPhase::preparing) served[c.id] = &c;
  });
  for (const Core& core : house_.cores()) {
    for (const auto& [key, desk] : core.worker->desks()) {
      idle[key] = idle[key] ||
                  desk->pool.count(ServerState::idle) + desk->pool.count(ServerState::used) > 0;
      disturbed[key] = disturbed[key] || desk->pool.paused || desk->removed;
      tested[key] = tested[key] || desk->pool.count(ServerState::tested) > 0;
    }
  }
  for (auto& [key, queue] : queues_) {
    const auto& waiting = now_waiting[key];
    for (const auto& [id, since] : queue.waiters) {
      if (waiting.count(id) || !served.count(id) || disturbed[key]) continue;
      for (const auto& [other, other_since] : waiting) {
        if (other_since + patience < since) {
          fail("(5) client " + std::to_string(id) + " was served before client " +
               std::to_string(other) + ", who waits " +
               std::to_string(count_us(since - other_since)) + " us longer");
        }
      }
    }
    queue.waiters.clear();
  }
  for (const auto& [key, waiting] : now_waiting) queues_[key].waiters = waiting;
  for (auto& [key, queue] : queues_) {
    // The wait for server_check_query's answer is a wait for the network.
    if (queue.waiters.empty() || !idle[key] || disturbed[key] || tested[key]) {
      queue.idle_beside_waiter = {};
      continue;
    }
    if (queue.idle_beside_waiter == TimePoint{}) queue.idle_beside_waiter = now;
    if (now - queue.idle_beside_waiter > patience) {
      fail("(4) somebody waits beside an idle server, since " +
           std::to_string(count_us(queue.idle_beside_waiter.time_since_epoch())) + tell_of(key));
    }
  }
}

}  // namespace pgweir::sim
