// SHOW PEERS and SHOW PEER_POOLS. Cancel requests find their worker without peers, so that there
// are no pools of connections to any.
#include <array>

#include "proxy/admin/shows.h"

namespace pgweir {
namespace {

using namespace compose::oid;

constexpr std::array<compose::Column, 4> peers_columns = {
    {{"peer_id", int4}, {"host"}, {"port", int4}, {"pool_size", int4}}};
constexpr std::array<compose::Column, 5> pools_columns = {{{"peer_id", int4},
                                                           {"cl_active_cancel_req", int4},
                                                           {"cl_waiting_cancel_req", int4},
                                                           {"sv_active_cancel", int4},
                                                           {"sv_login", int4}}};

std::vector<Row> peers_rows(const ShowContext& context) {
  std::vector<Row> rows;
  for (const auto& [id, peer] : context.config.peers) {
    const int size = peer.pool_size > 0 ? peer.pool_size : context.config.globals.default_pool_size;
    rows.push_back({number(id), peer.host, number(peer.port), number(size)});
  }
  return rows;
}

std::vector<Row> no_rows(const ShowContext&) {
  return {};
}

}  // namespace

constinit const Show show_peers{"peers", Wants::nothing, peers_columns, peers_rows};
constinit const Show show_peer_pools{"peer_pools", Wants::nothing, pools_columns, no_rows};

}  // namespace pgweir
