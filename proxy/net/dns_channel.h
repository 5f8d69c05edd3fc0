// Questions to name servers (c-ares), without a cache: /etc/hosts first, then what resolv.conf says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/core/time.h"
#include "proxy/net/address.h"

namespace pgweir {

struct DnsFound {
  std::vector<SocketAddress> addresses;  // port 0, each once; empty when there are none
  std::optional<Duration> ttl;           // the shortest of the records'; nothing: from a file
  std::string error;                     // c-ares' words; empty on success
  bool definite = false;                 // there is no such name, or it has no address: nobody failed to answer
};

// Used on one thread. Answers come from within wait(), or from within the question itself. Those that are open when it
// is destroyed are dropped.
class DnsChannel {
 public:
  using Found = std::function<void(DnsFound)>;
  using Serial = std::function<void(std::optional<std::uint32_t>)>;

  // `resolv_conf` empty: the system's. It is read again when it has changed.
  explicit DnsChannel(std::string resolv_conf);
  ~DnsChannel();

  void find(const std::string& name, Found done);
  // The serial of the zone's SOA record; nothing when it has none, or nobody answers.
  void find_serial(const std::string& zone, Serial done);
  // Answers that have not come yet.
  std::size_t open() const;
  // Waits until something arrives, `bell` is readable, or `at_most` is over. Returns whether the bell is.
  bool wait(int bell, Duration at_most);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgweir
