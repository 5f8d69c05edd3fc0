// A whole pooler in one thread: workers on simulated loops, a PostgreSQL behind it, and the checks
// that hold at every moment of every run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/settings.h"
#include "tests/support/sim_postgres.h"

namespace pgweir::sim {

struct Core {
  std::unique_ptr<SimLoop> loop;
  std::unique_ptr<SimConnector> connector;
  std::unique_ptr<Worker> worker;
};

class SimHouse {
 public:
  // A configuration with database `db` behind the fallback, users u1 to u3 with the password
  // "secret", and trust.
  static Config plain_config();
  static DatabasePtr database_entry(const std::string& name);

  SimHouse(std::uint64_t seed, unsigned workers, Config config, std::string extra_parameters = {});
  ~SimHouse();

  World world;
  SimPostgres postgres{world};

  std::vector<Core>& cores() { return cores_; }
  Worker& worker(unsigned n = 0) { return *cores_[n].worker; }
  Ledger& ledger() { return ledger_; }
  SimFleet& fleet() { return fleet_; }
  const Config& config() const { return *config_; }

  // A connection from outside. `peer` must outlive it, or detach itself.
  std::shared_ptr<Connection> connect(Peer& peer, const std::string& name);
  // On one worker, as a turn of its own, now.
  void order(unsigned worker, const std::function<void(Worker&)>& what);
  // On all workers, by mail.
  void order_all(const std::function<void(Worker&)>& what);
  void reload(Config fresh);
  // Ends everything. Afterwards nothing of a worker may be left.
  void close_down();

  // Servers that are not leaving, over all workers.
  template <typename F>
  void for_each_server(F&& f) {
    for (Core& core : cores_)
      if (core.worker)
        core.worker->servers().for_each([&](ServerConnection& s) {
          if (s.state() != ServerState::leaving) f(s);
        });
  }
  template <typename F>
  void for_each_client(F&& f) {
    for (Core& core : cores_)
      if (core.worker)
        core.worker->clients().for_each([&](ClientSession& c) {
          if (c.phase != ClientPhase::leaving) f(c, *core.worker);
        });
  }
  static SimBackend* backend_of(const ServerConnection& server);
  std::size_t clients_in(ClientPhase phase);
  std::size_t servers_in(ServerState state);
  // Cancel requests under way, on one worker.
  int cancels(unsigned worker = 0);

 private:
  std::shared_ptr<const Config> config_;
  Ledger ledger_;
  Credentials credentials_{"process secret of the simulation"};
  policy::TrackedParameters tracked_;
  SimFleet fleet_;
  std::vector<Core> cores_;
  std::uint64_t last_connection_ = 0;
};

// The invariants of a pooler, looked at after every event.
class SimChecks {
 public:
  explicit SimChecks(SimHouse& house) : house_(house) {}
  void look();
  // The first thing found; empty: all is well.
  const std::string& failure() const { return failure_; }
  void fail(const std::string& what) {
    if (failure_.empty()) failure_ = what;
  }
  // Waits next to an idle server, and barging, are told as late as mail travels.
  Duration patience = milliseconds(5);
  bool fair = true;  // look at waits at all
  // What was waited so far does not count.
  void clock_jumped() {
    for (auto& [key, queue] : queues_) queue.idle_beside_waiter = {};
  }

 private:
  void look_at_servers();
  void look_at_limits();
  void look_at_bounds();
  void look_at_waits();
  std::string tell_of(PoolKey key);
  SimHouse& house_;
  std::string failure_;
  struct Queue {
    std::map<std::uint64_t, TimePoint> waiters;  // client id -> since
    TimePoint idle_beside_waiter{};
  };
  std::map<PoolKey, Queue> queues_;
};

}  // namespace pgweir::sim
