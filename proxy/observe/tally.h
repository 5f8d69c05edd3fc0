// What a worker counts that belongs to no pool: ends of connections, errors by SQLSTATE, logins.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/observe/ladder.h"
#include "proxy/policy/close_reason.h"

namespace pgweir {

struct ClosedConnection {
  WallTime at{};
  bool server = false;  // else a client
  CloseReason reason = CloseReason::none;
  std::string database, user, who, text;
  Duration age{};
};

// Errors by SQLSTATE: those that servers have sent and those that are ours. Codes are few; a server that makes them up
// fills `other`.
class ErrorCounts {
 public:
  static constexpr std::size_t codes_max = 100;
  struct Count {
    std::array<char, 6> sqlstate{};
    std::uint64_t errors = 0;
  };
  void add(std::string_view sqlstate, std::uint64_t errors = 1) {
    for (Count& count : counts_) {
      if (sqlstate == count.sqlstate.data()) {
        count.errors += errors;
        return;
      }
    }
    if (counts_.size() >= codes_max || sqlstate.size() != 5) {
      other_ += errors;
      return;
    }
    Count& fresh = counts_.emplace_back();
    sqlstate.copy(fresh.sqlstate.data(), 5);
    fresh.errors = errors;
  }
  ErrorCounts& operator+=(const ErrorCounts& from) {
    for (const Count& count : from.counts_) add(count.sqlstate.data(), count.errors);
    other_ += from.other_;
    return *this;
  }
  const std::vector<Count>& counts() const { return counts_; }
  std::uint64_t other() const { return other_; }
  std::uint64_t all() const {
    std::uint64_t sum = other_;
    for (const Count& count : counts_) sum += count.errors;
    return sum;
  }

 private:
  std::vector<Count> counts_;
  std::uint64_t other_ = 0;
};

// Owned by a worker, used on its thread; copied for others.
struct Tally {
  static constexpr std::size_t reasons = static_cast<std::size_t>(CloseReason::count_);
  std::array<std::uint64_t, reasons> client_closes{}, server_closes{};
  ErrorCounts errors;
  Ladder login;  // of clients: from connecting to being in
  Ladder client_tls, server_tls;  // handshakes that succeeded
  std::uint64_t failed_logins = 0;

  Tally& operator+=(const Tally& other) {
    for (std::size_t i = 0; i < reasons; ++i) {
      client_closes[i] += other.client_closes[i];
      server_closes[i] += other.server_closes[i];
    }
    client_tls += other.client_tls, server_tls += other.server_tls;
    errors += other.errors, login += other.login, failed_logins += other.failed_logins;
    return *this;
  }
};

// The last connections that ended, the oldest making room; memory is used again.
class CloseRing {
 public:
  static constexpr std::size_t size_max = 200;
  ClosedConnection& next() {
    if (ring_.size() < size_max) return ring_.emplace_back();
    return ring_[at_ = (at_ + 1) % size_max];
  }
  const std::vector<ClosedConnection>& all() const { return ring_; }

 private:
  std::vector<ClosedConnection> ring_;
  std::size_t at_ = size_max - 1;
};

}  // namespace pgweir
