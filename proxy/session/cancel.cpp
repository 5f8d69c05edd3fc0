// CancelRequests. A cancel never meets the next client's statement: while one is on its way to a server, that server
// does not go back into its pool, and one whose statement is over is not sent at all.
#include "protocol/compose.h"
#include "proxy/session/server_login.h"
#include "proxy/session/worker.h"

namespace pgweir {

void Worker::on_cancel_request(ClientSession& requester, std::uint32_t pid, Bytes bytes) {
  const CancelKey key{pid, std::string(as_text(bytes))};     // it points into the login
  logins_.remove(requester);
  requester.login.reset();
  requester.phase = ClientPhase::canceling;
  const int own = config_->globals.peer_id;
  if (own > 0 && key.key.size() == 4) {
    const PeerKey whole = PeerKey{pid} << 32 | load_be32(as_bytes(key.key).data());
    if (static_cast<int>(peer_of(whole)) != own) return forward_cancel(requester, whole);
  }
  const unsigned worker = CancelKeys::worker_of(pid) % shared_.fleet.size();
  if (worker == number_) return cancel(key, number_, requester.token);
  shared_.fleet.post(worker, [key, from = number_, token = requester.token](Worker& to) { to.cancel(key, from, token); });
}

void Worker::cancel(const CancelKey& key, unsigned from, Token requester) {
  ClientSession* client = cancel_keys_.find(clients_, config_->globals.peer_id, key.pid, as_bytes(key.key));
  if (!client || !client->logged_in()) {
    log::line(log::Level::log, "failed cancel request");
    return requester_done(from, requester);
  }
  if (client->phase == ClientPhase::console) {
    shared_.console->on_cancel(*this, *client);
    return requester_done(from, requester);
  }
  if (client->phase == ClientPhase::queued) {
    cancel_queued(*client);
    return requester_done(from, requester);
  }
  // While the server is busy with the pooler's own SET there is nothing of the client's to cancel.
  if (client->phase != ClientPhase::leasing || client->server->talk.nothing_owed()) {
    log_client(log::Level::debug, *client, "cancel request for idle client");
    return requester_done(from, requester);
  }
  open_cancel(*client->server, from, requester);
}

// The request has not reached a server: it is answered here, as PostgreSQL would.
void Worker::cancel_queued(ClientSession& client) {
  PoolDesk& desk = *client.desk();
  desk.pool.dequeue(client.waiter);
  publish(desk);
  client.phase = ClientPhase::idle;
  client.idle_since = loop_.now();
  idle_clients_.push_back(client);
  Buffer answer;
  compose::error_response(answer, "ERROR", "57014", "canceling statement due to user request");
  // A Query or FunctionCall is owed a ReadyForQuery of its own; other requests get theirs with their Sync.
  const char first = client.held && !client.held->empty() ? static_cast<char>(client.held->front()) : '\0';
  const bool simple = first == 'Q' || first == 'F';
  if (simple) compose::ready_for_query(answer);
  tell(client, answer);
  if (simple) client.skip_message = true;
  else client.skip_to_sync = true;
  feed_held(client);
}

namespace {

// A name may lead to other servers as well, and to which one is decided anew for each connection.
ServerAddress address_of(const ServerConnection& server) {
  ServerAddress address = server.facts.address;
  const std::string& host = address.host;
  const bool is_unix = host.empty() || host[0] == '/' || host[0] == '@';
  const bool numeric = host.find(':') != std::string::npos || host.find_first_not_of("0123456789.") == std::string::npos;
  if (is_unix || numeric || !server.stream) return address;
  const Endpoint remote = server.stream->remote();
  if (!remote.address.empty()) address.host = remote.address;
  return address;
}

}  // namespace

void Worker::open_cancel(ServerConnection& target, unsigned from, Token requester) {
  PoolDesk& desk = *target.desk;
  std::size_t under_way = 0;
  cancels_.for_each([&](const CancelJob& job) {
    const ServerConnection* server = servers_.find(job.server);
    under_way += server && server->desk == &desk;
  });
  const int pool_size = desk.pool.settings.limits.pool_size;
  if (pool_size > 0 && under_way >= 2 * static_cast<std::size_t>(pool_size)) {
    log_server(log::Level::log, target, "too many cancel requests, dropping one");
    return requester_done(from, requester);
  }
  CancelJob& job = cancels_.make();
  job.server = target.token;
  job.lease = target.leases;
  job.requester_worker = from;
  job.requester = requester;
  const Duration limit = config_->globals.cancel_wait_timeout;
  job.deadline = limit > Duration{} ? loop_.now() + limit : TimePoint::max();
  ++target.cancels;
  connector_.connect(address_of(target), job.token);
}

// Again when TLS is there: the request goes through it where the server's own connection does.
void Worker::on_cancel_connected(CancelJob& job) {
  if (job.over) return;
  if (job.peer != 0) return on_peer_connected(job);
  const ServerConnection* server = servers_.find(job.server);
  const bool same_statement = server && server->client && server->leases == job.lease &&
                              server->client->phase == ClientPhase::leasing && !server->talk.nothing_owed();
  if (!same_statement) return finish_cancel(job, "not sending cancel request for client that is now idle");
  if (server->facts.tls == ServerTls::on && job.tls != ServerTls::on) return secure_cancel(job, false);
  Buffer out;
  compose::cancel_request(out, server->facts.backend_pid, as_bytes(server->facts.cancel_key));
  const iovec part{out.data(), out.size()};
  const IoResult result = job.stream->try_write({&part, 1});
  if (result.status != IoResult::Status::ok || result.wrote != out.size()) return finish_cancel(job, "connect failed");
  job.sent = true;                     // PostgreSQL closes when the signal has been sent: see on_closed
}

void Worker::finish_cancel(CancelJob& job, const char* why) {
  if (job.over) return;
  job.over = true;
  if (!job.stream) connector_.abandon(job.token);
  job.stream.reset();
  to_bury_.push_back(job.token);
  requester_done(job.requester_worker, job.requester);
  if (job.peer != 0) return serve_peer(job.peer);
  ServerConnection* server = servers_.find(job.server);
  if (!server || server->state() == ServerState::leaving) return;
  log_server(log::Level::debug, *server, "{}", why);
  --server->cancels;
  if (server->cancels == 0 && server->state() == ServerState::being_canceled) after_use(*server);
}

// The one who brought the request sees its connection close now: the cancel has been delivered, or is not needed.
void Worker::requester_done(unsigned from, Token requester) {
  if (from != number_) {
    return shared_.fleet.post(from, [from, requester](Worker& to) { to.requester_done(from, requester); });
  }
  if (ClientSession* client = clients_.find(requester)) end_client(*client, CloseReason::job_done);
}

void Worker::sweep_cancels(TimePoint now) {
  cancels_.for_each([&](CancelJob& job) {
    if (!job.over && now >= job.deadline) {
      // It may have been sent and still be on its way: the server is not to be trusted with another client.
      ServerConnection* server = servers_.find(job.server);
      if (server && job.sent) server->pooled.close_needed = true;
      finish_cancel(job, "cancel_wait_timeout");
    }
  });
}

CancelCounts Worker::cancel_counts(const PoolDesk& desk) const {
  CancelCounts counts;
  cancels_.for_each([&](const CancelJob& job) {
    const ServerConnection* server = servers_.find(job.server);
    if (!server || server->desk != &desk) return;
    ++(job.sent ? counts.active_clients : counts.waiting_clients);
    counts.servers += job.sent;
  });
  counts.being_canceled = static_cast<int>(desk.pool.count(ServerState::being_canceled));
  return counts;
}

}  // namespace pgweir
