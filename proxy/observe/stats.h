// What a pool has done, in numbers that only grow. One per pool and worker; summed when somebody asks.
#pragma once

#include <cstdint>

namespace pgweir {

struct PoolStats {
  std::uint64_t server_assignments = 0;
  std::uint64_t xacts = 0;
  std::uint64_t queries = 0;             // request batches: a pipeline up to its last reply is one
  std::uint64_t received_bytes = 0;      // from clients
  std::uint64_t sent_bytes = 0;          // from servers
  std::uint64_t xact_us = 0;
  std::uint64_t query_us = 0;
  std::uint64_t wait_us = 0;
  std::uint64_t client_parses = 0;
  std::uint64_t server_parses = 0;
  std::uint64_t binds = 0;
  std::uint64_t reparses = 0;            // server_parses of statements that the pool's servers had had before
  std::uint64_t client_logins = 0;
  std::uint64_t handed_over = 0;         // servers that went to another worker

  template <typename F>
  static void for_each_pair(PoolStats& a, const PoolStats& b, F&& f) {
    f(a.server_assignments, b.server_assignments), f(a.xacts, b.xacts), f(a.queries, b.queries);
    f(a.received_bytes, b.received_bytes), f(a.sent_bytes, b.sent_bytes), f(a.xact_us, b.xact_us);
    f(a.query_us, b.query_us), f(a.wait_us, b.wait_us), f(a.client_parses, b.client_parses);
    f(a.server_parses, b.server_parses), f(a.binds, b.binds), f(a.client_logins, b.client_logins);
    f(a.handed_over, b.handed_over), f(a.reparses, b.reparses);
  }
  PoolStats& operator+=(const PoolStats& other) {
    for_each_pair(*this, other, [](std::uint64_t& x, std::uint64_t y) { x += y; });
    return *this;
  }
  PoolStats& operator-=(const PoolStats& other) {
    for_each_pair(*this, other, [](std::uint64_t& x, std::uint64_t y) { x -= y; });
    return *this;
  }
};

}  // namespace pgweir
