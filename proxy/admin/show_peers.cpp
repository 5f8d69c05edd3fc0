// SHOW PEERS, the entries of [peers], and SHOW PEER_POOLS, the cancel requests on their way to them.
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

std::vector<Row> pools_rows(const ShowContext& context) {
  std::vector<Row> rows;
  for (const auto& [id, peer] : context.config.peers) {
    if (id == context.config.globals.peer_id) continue;
    PeerCounts sum;
    for (const WorkerFacts& worker : context.workers) {
      const auto found = worker.peers.find(id);
      if (found == worker.peers.end()) continue;
      sum.active += found->second.active;
      sum.waiting += found->second.waiting;
      sum.connecting += found->second.connecting;
    }
    rows.push_back({number(id), number(sum.active), number(sum.waiting), number(sum.active), number(sum.connecting)});
  }
  return rows;
}

}  // namespace

constinit const Show show_peers{"peers", Wants::nothing, peers_columns, peers_rows};
constinit const Show show_peer_pools{"peer_pools", Wants::nothing, pools_columns, pools_rows};

}  // namespace pgweir
