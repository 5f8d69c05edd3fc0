// Host names to addresses, for all workers: one thread, one cache.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/core/time.h"
#include "proxy/net/address.h"

namespace pgweir {

struct DnsAnswer {
  std::vector<SocketAddress> addresses;  // port 0; empty when the lookup failed
  std::string error;                     // the system's words, empty on success
};

// A line of SHOW DNS_HOSTS.
struct DnsHost {
  std::string name;
  Duration ttl{0};  // time left; zero when it has run out
  std::vector<SocketAddress> addresses;
};

struct DnsTimes {
  Duration ttl_max = seconds(15);       // dns_max_ttl: real TTLs are not known to getaddrinfo
  Duration nxdomain_ttl = seconds(15);  // dns_nxdomain_ttl
};

// Thread-safe throughout. The destructor waits for a lookup in progress; its answer is dropped.
class Resolver {
 public:
  using Callback = std::function<void(DnsAnswer)>;

  explicit Resolver(const DnsTimes& times = {});
  ~Resolver();

  // `callback` runs on the resolver's thread, never inside this call. Each answer for a name begins
  // with its next address, so that connections spread over all of them. Lookups of one name under
  // way are shared.
  void resolve(const std::string& name, Callback callback);
  void set_times(const DnsTimes& times);
  std::vector<DnsHost> hosts() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Blocks; for the start of the process, before anything is served.
DnsAnswer resolve_now(const std::string& name);

}  // namespace pgweir
