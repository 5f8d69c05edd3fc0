// SCRAM-SHA-256: the derivation of keys, and an exchange with keys that are known.
#include <benchmark/benchmark.h>

#include "protocol/auth/scram_client.h"
#include "protocol/auth/scram_keys.h"
#include "protocol/auth/scram_server.h"

namespace {

using namespace pgweir;

constexpr std::string_view salt = "0123456789abcdef";

void scram_derive_keys(benchmark::State& state) {
  const auto iterations = static_cast<std::uint32_t>(state.range(0));
  for (auto _ : state)
    benchmark::DoNotOptimize(derive_login_keys("correct horse", salt, iterations));
  state.SetItemsProcessed(state.iterations());
}

void scram_exchange_with_known_keys(benchmark::State& state) {
  const auto keys = derive_login_keys("correct horse", salt, scram_iterations_default);
  const auto secret = derive_scram_secret("correct horse", salt, scram_iterations_default);
  for (auto _ : state) {
    ScramClient client(*keys, "clientnonce0123456789");
    ScramServer server(*secret, "servernonce0123456789");
    const auto first = server.on_client_first(client.client_first());
    const auto proof = client.on_server_first(*first);
    const auto last = server.on_client_final(*proof);
    if (!last || !client.on_server_final(*last)) state.SkipWithError("the exchange failed");
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(scram_derive_keys)->Arg(1)->Arg(4096);
BENCHMARK(scram_exchange_with_known_keys);

}  // namespace
