// SHOW DNS_HOSTS and SHOW DNS_ZONES: what the process's resolver knows.
#include <array>

#include "proxy/admin/shows.h"

namespace pgweir {
namespace {

using namespace compose::oid;

constexpr std::array<compose::Column, 3> hosts_columns = {{{"hostname"}, {"ttl", int8}, {"addrs"}}};
constexpr std::array<compose::Column, 3> zones_columns = {
    {{"zonename"}, {"serial", int8}, {"count", int4}}};

std::vector<Row> hosts_rows(const ShowContext& context) {
  std::vector<Row> rows;
  for (const DnsFacts::Host& host : context.dns.hosts) {
    rows.push_back({host.name, number(host.ttl_s), host.addresses});
  }
  return rows;
}

std::vector<Row> zones_rows(const ShowContext& context) {
  std::vector<Row> rows;
  for (const DnsFacts::Zone& zone : context.dns.zones) {
    rows.push_back({zone.name, number(zone.serial), number(zone.names)});
  }
  return rows;
}

}  // namespace

constinit const Show show_dns_hosts{"dns_hosts", Wants::nothing, hosts_columns, hosts_rows};
constinit const Show show_dns_zones{"dns_zones", Wants::nothing, zones_columns, zones_rows};

}  // namespace pgweir
