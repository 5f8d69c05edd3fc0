// One world made up from a seed.
#pragma once

#include <cstdint>
#include <string>

namespace pgweir::sim {

// What went wrong, with the last events; empty: nothing. `talk` tells of the world on stdout.
std::string run_random_world(std::uint64_t seed, bool talk);
// A hash of everything that happened.
std::uint64_t fingerprint_of_world(std::uint64_t seed);

}  // namespace pgweir::sim
