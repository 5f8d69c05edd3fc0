// Which statements some server of a pool has accepted, known to all workers: a Parse that comes while no server is free
// is answered for these, so that it must not be another worker's client that gives a server back first.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_set>

namespace pgweir::policy {

struct StatementText;

// Thread-safe. Knows statements by 64 bits of hash under a secret seed: who cannot see the hashes cannot make two equal,
// and two that are by chance would cost an error at the Bind instead of at the Parse.
class ProvenTexts {
 public:
  // So many statements are remembered at least, twice as many at most, the latest; who is forgotten waits for a server.
  static constexpr std::size_t kept = 4096;

  explicit ProvenTexts(std::uint64_t seed) : seed_(seed) {}
  // `pool` is the key of its account.
  void add(std::uint64_t pool, const StatementText& text);
  bool has(std::uint64_t pool, const StatementText& text) const;

 private:
  std::uint64_t key(std::uint64_t pool, const StatementText& text) const;

  const std::uint64_t seed_;
  mutable std::mutex mutex_;
  std::array<std::unordered_set<std::uint64_t>, 2> known_;   // mutex_; the newer ones first
};

}  // namespace pgweir::policy
