// What the scenario tests share: a house with calm weather, and clients led by the hand.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <string>

#include "proxy/core/log.h"
#include "tests/support/sim_client.h"
#include "tests/support/sim_wire.h"

namespace pgweir::sim {

// One worker (or more) with pool_size 1 in transaction mode, unless `change` says otherwise.
struct Calm : SimHouse {
  explicit Calm(const std::function<void(Config&)>& change = {}, unsigned workers = 1)
      : SimHouse(1, workers, config_with(change)), checks(*this) {
    log::Targets nowhere;
    nowhere.to_stderr = false;
    (void)log::open(nowhere);
    world.after_event = [this] { checks.look(); };
    checks.fair = false;
  }
  ~Calm() {
    world.after_event = nullptr;
    CHECK_MESSAGE(checks.failure().empty(), checks.failure());
  }
  static Config config_with(const std::function<void(Config&)>& change) {
    Config config = plain_config();
    config.globals.default_pool_size = 1;
    if (change) change(config);
    split_lists(config);
    return config;
  }
  // Everything that can happen without anybody's doing has happened.
  void settle() { world.run_for(milliseconds(50)); }
  std::size_t idle_servers() { return servers_in(ServerState::idle); }
  const std::vector<std::shared_ptr<SimBackend>>& backends() { return postgres.backends(); }

  SimChecks checks;
};

// Logged in.
struct Client : ScriptedClient {
  explicit Client(SimHouse& house, Identity identity = {})
      : ScriptedClient(house, std::move(identity)) {
    REQUIRE(wait_ready());
    (void)take();
  }
};

inline std::string batch(const std::string& sql) {
  return parse("", sql) + bind_message("", "") + describe('P', "") + execute("") + sync_message();
}

}  // namespace pgweir::sim
