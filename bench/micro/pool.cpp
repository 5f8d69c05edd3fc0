// Handing out a server and taking it back, and the ledger beside it.
#include "proxy/pool/pool.h"

#include <benchmark/benchmark.h>

#include <array>

namespace {

using namespace pgweir;

constexpr TimePoint some_time{std::chrono::hours(1)};

// A pool of twenty idle servers; they leave it before it goes.
struct Furnished {
  Ledger ledger{2};
  PoolAccount& account = ledger.account("db", "user");
  Pool pool{account, 0};
  std::array<PooledServer, 20> servers;

  Furnished() {
    for (PooledServer& server : servers) pool.add(server, ServerState::idle, some_time);
  }
  ~Furnished() {
    for (PooledServer& server : servers) pool.remove(server);
  }
};

void pool_acquire_release(benchmark::State& state) {
  Furnished furnished;
  Pool& pool = furnished.pool;
  TimePoint now = some_time;
  for (auto _ : state) {
    now += microseconds(1);
    PooledServer* server = pool.best_idle();
    pool.move(*server, ServerState::active, now);
    pool.publish_idle(furnished.ledger);
    benchmark::DoNotOptimize(Ledger::anyone_hungry(furnished.account));
    pool.shelve(*server, now);
    pool.publish_idle(furnished.ledger);
  }
  state.SetItemsProcessed(state.iterations());
}

void pool_wait_and_leave(benchmark::State& state) {
  Furnished furnished;
  Waiter waiter;
  TimePoint now = some_time;
  for (auto _ : state) {
    now += microseconds(1);
    furnished.pool.enqueue(waiter, now);
    furnished.pool.publish_wait(furnished.ledger);
    furnished.pool.dequeue(waiter);
    furnished.pool.publish_wait(furnished.ledger);
  }
  state.SetItemsProcessed(state.iterations());
}

void ledger_reserve_and_give_back(benchmark::State& state) {
  Ledger ledger(2);
  PoolAccount& account = ledger.account("db", "user");
  const ServerLimits limits{20, 0, 100, 100};
  for (auto _ : state) {
    if (ledger.reserve(account, limits, false) != BindingLimit::none)
      state.SkipWithError("the ledger refused");
    benchmark::DoNotOptimize(ledger.give_back(account));
  }
  state.SetItemsProcessed(state.iterations());
}

void ledger_look_for_hunger(benchmark::State& state) {
  Ledger ledger(workers_max);
  PoolAccount& account = ledger.account("db", "user");
  ledger.publish_wait(account, workers_max - 1, some_time);
  for (auto _ : state)
    benchmark::DoNotOptimize(ledger.hungrier_worker(account, 0, some_time + seconds(1), false));
  state.SetItemsProcessed(state.iterations());
}

// What a worker tells the others and asks about them for a transaction that waits, while another does so too.
void pool_beside_another_worker(benchmark::State& state) {
  static Ledger ledger(2);
  PoolAccount& account = ledger.account("db", "user");
  const auto self = static_cast<unsigned>(state.thread_index());
  Pool pool(account, self);
  Waiter waiter;
  TimePoint now = some_time;
  for (auto _ : state) {
    now += microseconds(1);
    pool.enqueue(waiter, now);
    pool.publish_wait(ledger);
    benchmark::DoNotOptimize(ledger.worker_with_idle(account, self));
    if (Ledger::anyone_hungry(account)) benchmark::DoNotOptimize(ledger.hungrier_worker(account, self, now - milliseconds(1), false));
    pool.dequeue(waiter);
    pool.publish_wait(ledger);
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(pool_acquire_release);
BENCHMARK(pool_wait_and_leave);
BENCHMARK(pool_beside_another_worker)->Threads(1)->Threads(2);
BENCHMARK(ledger_reserve_and_give_back);
BENCHMARK(ledger_look_for_hunger);

}  // namespace
