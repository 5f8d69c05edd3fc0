// What the processes of a target use: CPU, memory, context switches. Read from /proc.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/socket.h"

namespace pgweir::bench {

// Sums over the processes watched and their descendants.
struct ProcessUsage {
  double cpu_us = 0;  // all threads, children that have ended included
  std::uint64_t voluntary = 0;
  std::uint64_t involuntary = 0;
};

class ProcessWatch {
 public:
  explicit ProcessWatch(std::vector<int> pids) : pids_(std::move(pids)) {}

  bool knows_any() const { return !pids_.empty(); }
  const std::vector<int>& pids() const { return pids_; }
  ProcessUsage usage() const;
  // Slower: the kernel walks page tables for it. Memory that processes share counts for each.
  std::uint64_t rss_bytes() const;

 private:
  std::vector<int> pids_;
};

// The processes that listen on a local address; none when it is remote or they belong to another
// user. Of a family of processes that share the socket only the eldest.
std::vector<int> listeners_on(const Address& address);

}  // namespace pgweir::bench
