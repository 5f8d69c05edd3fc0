// The names of servers: one resolver for all workers, and what follows when a name leads elsewhere.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/admin/facts.h"
#include "proxy/net/resolver.h"
#include "proxy/session/fleet.h"

namespace pgweir {

// Owned by the runtime; thread-safe. `fleet` outlives it, but is not used any more after stop().
class Names {
 public:
  Names(Fleet& fleet, const Config& config);

  Resolver& resolver() { return resolver_; }
  void apply(const Config& config);
  void stop();
  DnsFacts facts() const;

 private:
  void on_moved(const std::string& name, const std::vector<SocketAddress>& gone);

  Fleet& fleet_;
  std::mutex mutex_;
  bool stopped_ = false;                 // mutex_
  Resolver resolver_;
};

}  // namespace pgweir
