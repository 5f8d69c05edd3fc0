// Why clients waited for a server, and which statements took long: small tables that are bounded by
// themselves.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/observe/digests.h"

namespace pgweir {

// What kept a client from a server when it began to wait.
enum class WaitReason : std::uint8_t {
  pool_size,  // all servers of the pool are in use, and it may have no more
  max_db_connections,
  max_user_connections,
  reserve,  // as pool_size; reserve_pool_timeout has yet to pass
  pause,
  login_retry,  // the last logins failed; the next attempt has yet to come
  connect,      // a connection is being opened, checked or reset
};
inline constexpr std::size_t wait_reasons = 7;

constexpr std::string_view name_of(WaitReason reason) {
  constexpr std::string_view names[] = {
      "pool_size", "max_db_connections", "max_user_connections", "reserve", "pause", "login_retry",
      "connect"};
  return names[static_cast<std::size_t>(reason)];
}

struct WaitCount {
  std::uint64_t waits = 0;     // that are over: a server came
  std::uint64_t given_up = 0;  // that are over: none came
  Duration total{}, longest{};
  void add(Duration waited, bool served) {
    ++(served ? waits : given_up);
    total += waited;
    if (waited > longest) longest = waited;
  }
  WaitCount& operator+=(const WaitCount& other) {
    waits += other.waits, given_up += other.given_up, total += other.total;
    if (other.longest > longest) longest = other.longest;
    return *this;
  }
};
using WaitCounts = std::array<WaitCount, wait_reasons>;

struct SlowStatement {
  WallTime at{};
  std::uint64_t id = 0;  // its digest
  std::shared_ptr<const std::string> text;
  std::string database, user, who, application, sqlstate;
  std::string tags;            // of its comments
  std::string server;          // `address:port`
  std::uint32_t server_pid = 0;
  std::array<Duration, time_parts> parts{};  // no time idle is known yet
  Duration total() const {
    Duration sum{};
    for (const Duration part : parts) sum += part;
    return sum;
  }
  std::uint64_t rows = 0;
};

// The last ones. Owned by a worker, used on its thread.
class SlowRing {
 public:
  static constexpr std::size_t size_max = 100;
  // The place for the next one: the oldest makes room, and its memory is used again.
  SlowStatement& next() {
    if (ring_.size() < size_max) return ring_.emplace_back();
    return ring_[at_ = (at_ + 1) % size_max];
  }
  void clear() { ring_.clear(), at_ = size_max - 1; }
  const std::vector<SlowStatement>& all() const { return ring_; }

 private:
  std::vector<SlowStatement> ring_;
  std::size_t at_ = size_max - 1;
};

}  // namespace pgweir
