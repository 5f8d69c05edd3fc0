// Thousands of worlds, each from one seed: random clients, workers, limits and accidents.
#include <doctest/doctest.h>

#include <cstdlib>

#include "proxy/core/log.h"
#include "tests/sim/random_world.h"

using namespace pgweir;
using namespace pgweir::sim;

namespace {

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t seeds_usual = 300;
#else
constexpr std::uint64_t seeds_usual = 2000;
#endif

}  // namespace

TEST_CASE("random worlds keep the eight invariants") {
  log::set_verbosity(0);
  log::Targets nowhere;
  nowhere.to_stderr = std::getenv("PGWEIR_SIM_LOG") != nullptr;
  log::open(nowhere);
  if (std::getenv("PGWEIR_SIM_SEED")) {
    const std::uint64_t seed = number_from("PGWEIR_SIM_SEED", 0);
    const std::string failure = run_random_world(seed, true);
    CHECK_MESSAGE(failure.empty(), failure);
    return;
  }
  const std::uint64_t count = number_from("PGWEIR_SIM_SEEDS", seeds_usual);
  int failures = 0;
  for (std::uint64_t seed = 1; seed <= count && failures < 5; ++seed) {
    const std::string failure = run_random_world(seed, false);
    if (failure.empty()) continue;
    ++failures;
    FAIL_CHECK("--seed ", seed, ": ", failure);
  }
}

TEST_CASE("a seed gives the same world twice") {
  CHECK(fingerprint_of_world(7) == fingerprint_of_world(7));
  CHECK(fingerprint_of_world(7) != fingerprint_of_world(8));
}
