#include "tests/sim/random_world.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/support/sim_client.h"

namespace pgweir::sim {
namespace {

class RandomWorld {
 public:
  explicit RandomWorld(std::uint64_t seed)
      : draw_(seed * 7919 + 1),
        workers_(static_cast<unsigned>(draw_.between(1, 4))),
        hostile_(draw_.chance(50)),
        house_(seed, workers_, make_config()),
        checks_(house_) {}

  std::string run(bool talk);
  std::uint64_t fingerprint() const { return fingerprint_; }

 private:
  Config make_config();
  void make_accidents();
  void accident();
  void make_clients();
  std::string look_at_the_end();

  Rng draw_;  // for the plan; the world has its own
  const unsigned workers_;
  const bool hostile_;  // servers die, clients vanish, limits of time strike
  PoolMode mode_ = PoolMode::transaction;
  SimHouse house_;
  SimChecks checks_;
  std::vector<std::unique_ptr<RandomClient>> clients_;
  std::uint64_t fingerprint_ = 0;
};

Config RandomWorld::make_config() {
  Config config = SimHouse::plain_config();
  Globals& g = config.globals;
  mode_ = g.pool_mode = draw_.chance(60)   ? PoolMode::transaction
                        : draw_.chance(50) ? PoolMode::session
                                           : PoolMode::statement;
  g.default_pool_size = draw_.between(1, 4);
  g.reserve_pool_size = draw_.chance(20) ? draw_.between(1, 2) : 0;
  g.reserve_pool_timeout = milliseconds(20);
  g.min_pool_size = draw_.chance(20) ? 1 : 0;
  if (draw_.chance(30)) g.max_db_connections = draw_.between(1, 4);
  if (draw_.chance(20)) g.max_user_connections = draw_.between(1, 4);
  g.server_round_robin = draw_.chance(20);
  if (draw_.chance(30)) {
    g.server_check_query = "SELECT";
    g.server_check_delay = milliseconds(draw_.between(0, 40));
  }
  if (draw_.chance(10)) g.server_lifetime = Micros{0};
  if (draw_.chance(70)) g.max_prepared_statements = draw_.chance(50) ? draw_.between(1, 4) : 200;
  g.share_unnamed_statements = draw_.chance(30);
  g.auth_type = draw_.chance(60)   ? AuthType::trust
                : draw_.chance(50) ? AuthType::md5
                                   : AuthType::scram_sha_256;
  g.query_wait_timeout = seconds(120);
  g.server_idle_timeout = draw_.chance(30) ? milliseconds(30) : seconds(600);
  if (hostile_) {
    if (draw_.chance(20)) g.query_wait_timeout = milliseconds(200);
    if (draw_.chance(20)) g.query_timeout = milliseconds(300);
    if (draw_.chance(20)) g.transaction_timeout = milliseconds(400);
    if (draw_.chance(20)) g.idle_transaction_timeout = milliseconds(300);
    if (draw_.chance(20)) g.client_idle_timeout = milliseconds(400);
    if (draw_.chance(20)) g.server_lifetime = milliseconds(100);
    if (draw_.chance(20)) g.max_client_conn = draw_.between(3, 8);
    g.server_login_retry = milliseconds(200);
    g.server_connect_timeout = milliseconds(500);
    g.client_login_timeout = seconds(3);
    g.cancel_wait_timeout = milliseconds(draw_.chance(30) ? 2 : 500);
  }
  g.log_connections = g.log_disconnections = std::getenv("PGWEIR_SIM_LOG") != nullptr;
  config.databases["db2"] = SimHouse::database_entry("db2");
  split_lists(config);
  if (draw_.chance(20)) g.server_tls_sslmode = SslMode::prefer;
  return config;
}

void RandomWorld::make_clients() {
  const int count = draw_.between(1, 10);
  Faults& faults = house_.world.faults;
  faults.short_read = static_cast<unsigned>(draw_.below(50));
  faults.short_write = static_cast<unsigned>(draw_.below(50));
  faults.would_block = static_cast<unsigned>(draw_.below(30));
  if (draw_.chance(40)) faults.socket_bytes = 200 + draw_.below(4000);
  SimPostgres& postgres = house_.postgres;
  postgres.auth = static_cast<SimPostgres::Auth>(draw_.below(3));
  postgres.notices = draw_.chance(30) ? 10 : 0;
  if (hostile_) {
    faults.refuse = static_cast<unsigned>(draw_.below(20));
    faults.hang = static_cast<unsigned>(draw_.below(8));
    postgres.fatals = draw_.chance(40) ? static_cast<unsigned>(draw_.below(20)) : 0;
  }
  for (int i = 1; i <= count; ++i) {
    Identity identity;
    identity.user = "u" + std::to_string(draw_.between(1, draw_.chance(50) ? 1 : 3));
    identity.database = draw_.chance(80) ? "db" : "db2";
    if (draw_.chance(30))
      identity.parameters.emplace_back("application_name", "app" + std::to_string(i % 3));
    if (draw_.chance(20)) identity.parameters.emplace_back("DateStyle", "iso");
    if (draw_.chance(20)) identity.parameters.emplace_back("timezone", "Europe/Berlin");
    if (draw_.chance(5)) identity.password = "wrong";
    Habits habits;
    habits.mode = mode_;
    habits.units = draw_.between(1, 10);
    habits.cancel = draw_.chance(50) ? 20 : 0;
    habits.slow = draw_.chance(30) ? 20 : 0;
    if (hostile_) habits.vanish = draw_.chance(50) ? 5 : 0;
    habits.names = mode_ != PoolMode::session && house_.config().globals.max_prepared_statements > 0;
    habits.fatals = hostile_;
    clients_.push_back(std::make_unique<RandomClient>(house_, checks_, i, identity, habits));
  }
}

void RandomWorld::make_accidents() {
  const int count = draw_.between(0, 6);
  for (int i = 0; i < count; ++i) {
    house_.world.after(milliseconds(draw_.between(1, 150)), [this] { accident(); });
  }
}

void RandomWorld::accident() {
  World& world = house_.world;
  switch (draw_.below(hostile_ ? 9 : 4)) {
    case 0: {
      world.note("PAUSE");
      const std::string database = draw_.chance(50) ? "" : "db";
      house_.order_all([database](Worker& w) { w.pause(database); });
      world.after(milliseconds(draw_.between(1, 60)), [this, database] {
        house_.world.note("RESUME");
        house_.order_all([database](Worker& w) { w.resume(database); });
      });
      return;
    }
    case 1:
      world.note("RECONNECT");
      return house_.order_all([](Worker& w) { w.reconnect(""); });
    case 2: {
      world.note("RELOAD");
      Config fresh = house_.config();
      fresh.globals.default_pool_size =
          std::max(fresh.globals.default_pool_size, draw_.between(1, 5));
      if (draw_.chance(50)) {
        DatabaseConfig entry = *fresh.databases["db"];
        entry.hosts = {"10.1.1." + std::to_string(draw_.between(1, 3))};
        fresh.databases["db"] = std::make_shared<DatabaseConfig>(entry);
      }
      return house_.reload(fresh);
    }
    case 3:
      world.note("a pause of the machine");
      world.faults.latency_max = draw_.chance(50) ? milliseconds(2) : microseconds(200);
      return;
    case 4:
    case 5:
      world.note("PostgreSQL restarts");
      house_.postgres.throw_out(draw_.chance(50));
      house_.postgres.down = true;
      return world.after(milliseconds(draw_.between(0, 300)),
                         [this] { house_.postgres.down = false; });
    case 6:
      world.note("the clock jumps");
      world.now += milliseconds(draw_.between(100, 2000));
      return checks_.clock_jumped();
    case 7: {
      const auto& all = house_.postgres.backends();
      if (all.empty()) return;
      const auto victim = all[draw_.below(all.size())];
      world.note("a backend dies");
      if (draw_.chance(50))
        victim->terminate("57P01", "terminating connection due to administrator command");
      else
        victim->crash();
      return;
    }
    default:
      world.note("KILL");
      house_.order_all([](Worker& w) { w.kill("db"); });
      return world.after(milliseconds(20),
                         [this] { house_.order_all([](Worker& w) { w.resume("db"); }); });
  }
}

std::string RandomWorld::look_at_the_end() {
  if (house_.clients_in(ClientPhase::leasing) > 0)
    return "(8) a client that has gone still holds a server";
  for (const Core& core : house_.cores()) {
    std::string left;
    core.worker->clients().for_each([&](const ClientSession& c) {
      left += " " + c.stream->remote().address + ":" + std::to_string(c.stream->remote().port) +
              " phase " + std::to_string(static_cast<int>(c.phase));
    });
    if (!left.empty()) return "(8) clients are left:" + left;
  }
  if (house_.ledger().sockets() != 0)
    return "(8) sockets are still counted: " + std::to_string(house_.ledger().sockets());
  for (const char* name : {"db", "db2"})
    if (house_.ledger().database_counts(name).clients != 0)
      return "(8) clients of a database are still counted";
  for (const char* name : {"u1", "u2", "u3"})
    if (house_.ledger().user_counts(name).clients != 0)
      return "(8) clients of a user are still counted";
  for (Core& core : house_.cores()) {
    core.worker->end_all();
    if (core.worker->servers().size() > 0) return "(8) servers are left";
  }
  house_.world.run_for(milliseconds(20));
  for (const char* name : {"db", "db2"})
    if (house_.ledger().database_counts(name).servers != 0)
      return "(8) servers of a database are still counted";
  return {};
}

std::string RandomWorld::run(bool talk) {
  make_clients();
  make_accidents();
  checks_.patience = milliseconds(8);
  World& world = house_.world;
  world.after_event = [this] {
    checks_.look();
    fingerprint_ = fingerprint_ * 1099511628211ULL +
                   static_cast<std::uint64_t>(house_.world.now.time_since_epoch().count());
  };
  const auto over = [&] {
    return !checks_.failure().empty() ||
           std::all_of(clients_.begin(), clients_.end(), [](const auto& c) { return c->over(); });
  };
  const bool in_time = world.run_until(over, seconds(200));
  if (in_time && checks_.failure().empty()) world.run_for(seconds(4));
  std::string failure = checks_.failure();
  if (failure.empty() && !in_time) failure = "somebody waits for ever";
  if (failure.empty()) failure = look_at_the_end();
  int answered = 0;
  for (const auto& client : clients_) answered += client->answered();
  if (talk) {
    std::printf("workers %u, %s, mode %d, clients %zu, requests answered %d, events %zu\n",
                workers_, hostile_ ? "hostile" : "calm", static_cast<int>(mode_), clients_.size(),
                answered, world.events());
  }
  if (failure.empty()) return {};
  failure += "\n";
  for (const auto& client : clients_) failure += "\n" + client->state();
  std::replace_if(
      failure.begin(), failure.end(), [](char c) { return (c < ' ' && c != '\n') || c > '~'; },
      '.');
  return failure + "\nworkers " + std::to_string(workers_) + (hostile_ ? ", hostile" : ", calm") +
         ", the last events:\n" + world.notes();
}

}  // namespace

std::string run_random_world(std::uint64_t seed, bool talk) {
  return RandomWorld(seed).run(talk);
}

std::uint64_t fingerprint_of_world(std::uint64_t seed) {
  RandomWorld world(seed);
  (void)world.run(false);
  return world.fingerprint();
}

}  // namespace pgweir::sim
