// Which host of a list a new connection to a server goes to.
#pragma once

#include <cstddef>
#include <vector>

#include "config/config.h"
#include "proxy/core/time.h"

namespace pgweir::policy {

// Of one pool on one worker. Plain data; is told the time.
class HostOrder {
 public:
  // The index of the host to try. `hosts`: how many there are, at least 1. Those that have failed lately are passed
  // over while there is another.
  std::size_t pick(std::size_t hosts, LoadBalanceHosts way, TimePoint now) {
    failed_until_.resize(hosts);
    std::size_t chosen = next_ % hosts;
    for (std::size_t i = 0; i < hosts; ++i) {
      const std::size_t candidate = (next_ + i) % hosts;
      if (failed_until_[candidate] > now) continue;
      chosen = candidate;
      break;
    }
    next_ = way == LoadBalanceHosts::round_robin ? chosen + 1 : chosen;
    return chosen;
  }

  // No connection to it could be made: not before `until` again.
  void failed(std::size_t host, TimePoint until) {
    if (host >= failed_until_.size()) return;
    failed_until_[host] = until;
    if (next_ % failed_until_.size() == host) next_ = host + 1;
  }

  void forget() {
    next_ = 0;
    failed_until_.clear();
  }

 private:
  std::size_t next_ = 0;
  std::vector<TimePoint> failed_until_;   // by host
};

}  // namespace pgweir::policy
