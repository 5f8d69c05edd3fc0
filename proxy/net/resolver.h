// Host names to addresses, for all workers: one thread, one cache.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "proxy/core/time.h"
#include "proxy/net/address.h"

namespace pgweir {

struct DnsAnswer {
  std::vector<SocketAddress> addresses;  // port 0; empty when the lookup failed
  std::string error;                     // the resolver's words, empty on success
};

// A line of SHOW DNS_HOSTS.
struct DnsHost {
  std::string name;
  Duration ttl{0};  // time left; zero when it has run out
  std::vector<SocketAddress> addresses;
};

// A line of SHOW DNS_ZONES.
struct DnsZone {
  std::string name;
  std::uint32_t serial = 0;
  int names = 0;
};

struct DnsState {
  std::vector<DnsHost> hosts;  // by name
  std::vector<DnsZone> zones;  // by name
  int lookups = 0;             // questions that name servers have not answered yet
  int waiting = 0;             // names somebody waits for
};

struct DnsTimes {
  Duration ttl_max = seconds(15);       // dns_max_ttl: no answer is kept for longer, whatever its TTL
  Duration nxdomain_ttl = seconds(15);  // dns_nxdomain_ttl
  Duration zone_check{0};               // dns_zone_check_period; 0: zones are not watched
};

// Thread-safe throughout. The destructor drops what is being looked up.
class Resolver {
 public:
  using Callback = std::function<void(DnsAnswer)>;
  // Runs on the resolver's thread: these addresses of the name are not among its addresses any more.
  using Moved = std::function<void(const std::string& name, const std::vector<SocketAddress>& gone)>;

  // `resolv_conf` empty: the system's. `moved` may be null.
  explicit Resolver(const DnsTimes& times = {}, std::string resolv_conf = {}, Moved moved = {});
  ~Resolver();

  // `callback` runs on the resolver's thread, never inside this call. Each answer for a name begins with its next
  // address, so that connections spread over all of them. Lookups of one name under way are shared. Where no name
  // server answers, the addresses last known are told.
  void resolve(const std::string& name, Callback callback);
  void set_times(const DnsTimes& times);
  // The names that matter: of these, each that was asked for is looked up again when its time is over, and `moved` is
  // told. The others are forgotten.
  void watch(std::set<std::string> names);
  DnsState state() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Blocks; for the start of the process, before anything is served.
DnsAnswer resolve_now(const std::string& name);

}  // namespace pgweir
