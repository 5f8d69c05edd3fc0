// CancelRequests that came to the wrong one of several processes behind one address ([peers]): the key says whose they
// are. Worker 0 keeps the connections to peers, so that a peer's pool_size counts for the whole process.
#include "protocol/compose.h"
#include "proxy/session/worker.h"

namespace pgweir {

void Worker::forward_cancel(ClientSession& requester, PeerKey key) {
  const int peer = static_cast<int>(peer_of(key));
  const bool known = config_->peers.contains(peer);
  if (!known || ttl_of(key) == 0) {
    log_client(log::Level::log, requester, "{}", known ? "failed to forward cancel request because its TTL was exhausted"
                                                       : "could not find peer to forward request to");
    return end_client(requester, CloseReason::job_done);
  }
  if (number_ == 0) return send_to_peer(peer, forwarded(key), number_, requester.token);
  shared_.fleet.post(0, [peer, key, from = number_, token = requester.token](Worker& to) {
    to.send_to_peer(peer, forwarded(key), from, token);
  });
}

void Worker::send_to_peer(int peer, PeerKey key, unsigned from, Token requester) {
  CancelJob& job = cancels_.make();
  job.peer = peer;
  job.peer_key = key;
  job.requester_worker = from;
  job.requester = requester;
  const Duration limit = config_->globals.cancel_wait_timeout;
  job.deadline = limit > Duration{} ? loop_.now() + limit : TimePoint::max();
  serve_peer(peer);
}

// Connects for those who wait, as many as the peer's pool_size allows, the oldest first.
void Worker::serve_peer(int peer) {
  const auto entry = config_->peers.find(peer);
  const int size = entry == config_->peers.end() ? 0
                   : entry->second.pool_size > 0 ? entry->second.pool_size
                                                 : config_->globals.default_pool_size;
  int busy = 0;
  cancels_.for_each([&](const CancelJob& job) { busy += job.peer == peer && job.connecting && !job.over; });
  while (size <= 0 || busy < size) {
    CancelJob* next = nullptr;
    cancels_.for_each([&](CancelJob& job) {
      const bool waits = job.peer == peer && !job.connecting && !job.over;
      if (waits && (!next || job.deadline < next->deadline)) next = &job;
    });
    if (!next) return;
    next->connecting = true;
    if (entry == config_->peers.end()) {
      finish_cancel(*next, "could not find peer to forward request to");
      continue;
    }
    connector_.connect({entry->second.host, entry->second.port}, next->token);
    ++busy;
  }
}

void Worker::on_peer_connected(CancelJob& job) {
  Buffer out;
  std::byte key[4];
  store_be32(key, static_cast<std::uint32_t>(job.peer_key));
  compose::cancel_request(out, static_cast<std::uint32_t>(job.peer_key >> 32), key);
  const iovec part{out.data(), out.size()};
  const IoResult result = job.stream->try_write({&part, 1});
  if (result.status != IoResult::Status::ok || result.wrote != out.size()) return finish_cancel(job, "connect failed");
  job.sent = true;                     // the peer closes when it is done with it
}

std::map<int, PeerCounts> Worker::peer_counts() const {
  std::map<int, PeerCounts> counts;
  cancels_.for_each([&](const CancelJob& job) {
    if (job.peer == 0 || job.over) return;
    PeerCounts& of = counts[job.peer];
    ++(job.sent ? of.active : of.waiting);
    of.connecting += job.connecting && !job.sent;
  });
  return counts;
}

}  // namespace pgweir
