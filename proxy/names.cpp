#include "proxy/names.h"

#include <set>

#include "proxy/core/log.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

DnsTimes times_of(const Globals& globals) {
  return {globals.dns_max_ttl, globals.dns_nxdomain_ttl, globals.dns_zone_check_period};
}

std::set<std::string> names_of(const Config& config) {
  std::set<std::string> names;
  const auto add = [&](const DatabasePtr& entry) {
    if (!entry) return;
    for (const std::string& host : entry->hosts) {
      const bool is_unix = host.empty() || host[0] == '/' || host[0] == '@';
      if (!is_unix && !numeric_address(host, 0)) names.insert(host);
    }
  };
  for (const auto& [name, entry] : config.databases) add(entry);
  add(config.fallback);
  return names;
}

// As the connections' endpoints have it.
std::string without_port(const SocketAddress& address) { return endpoint_of(address).address; }

}  // namespace

Names::Names(Fleet& fleet, const Config& config)
    : fleet_(fleet),
      resolver_(times_of(config.globals), config.globals.resolv_conf,
                [this](const std::string& name, const std::vector<SocketAddress>& gone) { on_moved(name, gone); }) {
  resolver_.watch(names_of(config));
}

void Names::apply(const Config& config) {
  resolver_.set_times(times_of(config.globals));
  resolver_.watch(names_of(config));
}

void Names::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
}

void Names::on_moved(const std::string& name, const std::vector<SocketAddress>& gone) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  std::vector<std::string> addresses;
  for (const SocketAddress& address : gone) addresses.push_back(without_port(address));
  log::line(log::Level::log, "{} is not at {} any more, its servers there are closed when released", name,
            fmt::join(addresses, ", "));
  for (unsigned i = 0; i < fleet_.size(); ++i) {
    fleet_.post(i, [name, addresses](Worker& worker) { worker.host_moved(name, addresses); });
  }
}

DnsFacts Names::facts() const {
  const DnsState state = resolver_.state();
  DnsFacts facts;
  facts.lookups = state.lookups;
  facts.waiting = state.waiting;
  for (const DnsHost& host : state.hosts) {
    std::vector<std::string> addresses;
    for (const SocketAddress& address : host.addresses) addresses.push_back(to_text(address));
    facts.hosts.push_back({host.name, count_s(host.ttl), fmt::format("{}", fmt::join(addresses, ","))});
  }
  for (const DnsZone& zone : state.zones) facts.zones.push_back({zone.name, zone.serial, zone.names});
  return facts;
}

}  // namespace pgweir
