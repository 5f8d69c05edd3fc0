// links: pgweir_sim pgweir_core
// Fuzzes a worker with two clients and a PostgreSQL that may say anything: the input is a sequence
// of chunks, each behind two bytes: who speaks (or what happens), and how many bytes.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "proxy/core/log.h"
#include "tests/support/sim_client.h"
#include "tests/support/sim_wire.h"

using namespace pgweir;
using namespace pgweir::sim;

namespace {

void do_one(SimHouse& house, std::vector<std::unique_ptr<ScriptedClient>>& clients, unsigned what,
            const std::string& bytes) {
  switch (what % 8) {
    case 0:
    case 1:
      if (!clients[what % 2]->closed()) clients[what % 2]->send(bytes);
      break;
    case 2:
    case 3:
      for (const auto& backend : house.postgres.backends())
        if (backend->logged_in()) backend->say(bytes);
      break;
    case 4:
      for (const auto& backend : house.postgres.backends()) {
        if (bytes.size() % 2 == 0)
          backend->crash();
        else
          backend->terminate("57P01", bytes);
      }
      break;
    case 5:
      clients[what / 8 % 2] =
          std::make_unique<ScriptedClient>(house, Identity{}, bytes.size() % 4 == 0);
      break;
    case 6:
      (void)std::make_unique<Canceler>(house, clients[0]->pid(), clients[0]->key());
      break;
    default:
      house.world.now += milliseconds(bytes.size());
      break;
  }
  house.world.run_for(milliseconds(2));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = [] {
    log::Targets nowhere;
    nowhere.to_stderr = false;
    return log::open(nowhere).empty();
  }();
  (void)quiet;
  if (size < 1 || size > 4096) return 0;
  Config config = SimHouse::plain_config();
  config.globals.pool_mode = static_cast<PoolMode>(data[0] % 3);
  config.globals.default_pool_size = 1;
  SimHouse house(data[0], 1 + data[0] / 3 % 2, config);
  house.world.faults.short_read = data[0] / 8 * 3;
  std::vector<std::unique_ptr<ScriptedClient>> clients;
  for (int i = 0; i < 2; ++i)
    clients.push_back(std::make_unique<ScriptedClient>(house, Identity{}));
  house.world.run_for(milliseconds(5));
  for (std::size_t at = 1; at + 2 <= size;) {
    const unsigned what = data[at];
    const std::size_t count = std::min<std::size_t>(data[at + 1], size - at - 2);
    do_one(house, clients, what, std::string(reinterpret_cast<const char*>(data + at + 2), count));
    at += 2 + count;
  }
  // Whatever was said, the pool serves the next one.
  clients.clear();
  for (const auto& backend : house.postgres.backends()) backend->crash();
  house.world.run_for(seconds(1));
  if (house.ledger().sockets() != 0) __builtin_trap();
  ScriptedClient next(house, Identity{});
  if (!next.wait_ready(seconds(30))) __builtin_trap();
  (void)next.take();
  if (next.ask("c1.1 SELECT") != "TDCZ") __builtin_trap();
  return 0;
}
