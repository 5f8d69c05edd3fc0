// What a worker does for one query, between streams in memory: no system call, so that this is the
// pooler's own share of a transaction. Digests, timings and isolation as they are by default.
#include <benchmark/benchmark.h>

#include "tests/support/flat_worker.h"

namespace {

using namespace pgweir;
using namespace pgweir::sim;

void talk(benchmark::State& state, FlatWorker& flat, std::size_t clients, const FlatQuery& said) {
  for (std::size_t i = 0; i < clients && !said.setup.empty(); ++i)
    flat.prepare(i, said.setup);
  std::size_t next = 0;
  for (auto _ : state) {
    flat.exchange(next, said.request, said.reply);
    next = next + 1 < clients ? next + 1 : 0;
  }
  if (!flat.worker.find_client(flat.loop.clients[0])) state.SkipWithError("a client was closed");
  state.SetItemsProcessed(state.iterations());
}

// Clients take turns.
void relay_simple(benchmark::State& state) {
  const auto clients = static_cast<unsigned>(state.range(0));
  FlatWorker flat(clients);
  talk(state, flat, clients, FlatQuery::simple());
}
void relay_extended(benchmark::State& state) {
  FlatWorker flat(16);
  talk(state, flat, 16, FlatQuery::extended());
}
void relay_prepared(benchmark::State& state) {
  FlatWorker flat(16);
  talk(state, flat, 16, FlatQuery::prepared());
}
void relay_pools(benchmark::State& state) {
  const auto pools = static_cast<unsigned>(state.range(0));
  FlatWorker flat(pools, pools);
  talk(state, flat, pools, FlatQuery::simple());
}
// Everything switched off that can be.
void relay_plain(benchmark::State& state) {
  FlatWorker flat(16, 1, [](Config& config) {
    config.globals.query_digests = false;
    config.globals.log_min_duration_statement = -1;
    config.globals.session_state = SessionState::off;
  });
  talk(state, flat, 16, FlatQuery::simple());
}

// Statements are not watched: no digests, timings or slow log. What is between this and the one without the word is what
// it costs to know which query is slow; a transaction costs the kernel about 9 us besides.
void unwatched(benchmark::State& state, const FlatQuery& said) {
  FlatWorker flat(16, 1, [](Config& config) {
    config.globals.query_digests = false;
    config.globals.log_min_duration_statement = -1;
  });
  talk(state, flat, 16, said);
}
void relay_simple_unwatched(benchmark::State& state) { unwatched(state, FlatQuery::simple()); }
void relay_extended_unwatched(benchmark::State& state) { unwatched(state, FlatQuery::extended()); }
void relay_prepared_unwatched(benchmark::State& state) { unwatched(state, FlatQuery::prepared()); }

BENCHMARK(relay_simple)->Arg(1)->Arg(16)->Arg(100)->Arg(1000)->Arg(10000);
BENCHMARK(relay_extended);
BENCHMARK(relay_prepared);
BENCHMARK(relay_plain);
BENCHMARK(relay_simple_unwatched);
BENCHMARK(relay_extended_unwatched);
BENCHMARK(relay_prepared_unwatched);
BENCHMARK(relay_pools)->Arg(10)->Arg(100)->Arg(1000);

}  // namespace
