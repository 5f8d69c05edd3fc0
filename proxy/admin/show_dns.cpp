// SHOW DNS_HOSTS and SHOW DNS_ZONES: empty. The resolver belongs to the process, which does not
// tell what it keeps; zones are not watched.
#include <array>

#include "proxy/admin/shows.h"

namespace pgweir {
namespace {

using namespace compose::oid;

constexpr std::array<compose::Column, 3> hosts_columns = {{{"hostname"}, {"ttl", int8}, {"addrs"}}};
constexpr std::array<compose::Column, 3> zones_columns = {
    {{"zonename"}, {"serial", int8}, {"count", int4}}};

std::vector<Row> no_rows(const ShowContext&) {
  return {};
}

}  // namespace

constinit const Show show_dns_hosts{"dns_hosts", Wants::nothing, hosts_columns, no_rows};
constinit const Show show_dns_zones{"dns_zones", Wants::nothing, zones_columns, no_rows};

}  // namespace pgweir
