// Events, and the end of clients and servers.
#include "proxy/session/worker.h"

#include "protocol/compose.h"
#include "proxy/core/prefetch.h"
#include "proxy/policy/release.h"
#include "proxy/session/hidden_code.h"
#include "proxy/session/refusals.h"
#include "proxy/session/server_login.h"

namespace pgweir {
std::string Worker::place_of(const Endpoint& end) {
  switch (end.family) {
    case Endpoint::Family::unix_socket:
      return fmt::format("unix({}):{}", end.peer_pid, end.port);
    case Endpoint::Family::inet6:
      return fmt::format("[{}]:{}", end.address, end.port);
    case Endpoint::Family::inet:
      return fmt::format("{}:{}", end.address, end.port);
    default:
      return "(none)";
  }
}

ClientSession::ClientSession() { waiter.session = this; }
ClientSession::~ClientSession() = default;
ServerConnection::ServerConnection() { pooled.connection = this; }
ServerConnection::~ServerConnection() = default;

Worker::Worker(unsigned number, const Commons& commons, std::shared_ptr<const Config> config, Loop& loop,
               Connector& connector, std::uint64_t seed)
    : WorkerState(number, commons, std::move(config), loop, connector, seed) {
  find_shortest_client_idle();
  settle_watch();
  prepare_forced_pools();
}

Worker::~Worker() { end_all(); }

// --- events

void Worker::on_accepted(std::unique_ptr<Detached> socket) {
  // It moves when its StartupMessage tells which pool it wants.
  adopt_client(std::move(socket));
}

void Worker::adopt_client(std::unique_ptr<Detached> socket, Bytes said) {
  ClientSession& client = clients_.make();
  client.id = shared_.fleet.next_id();
  client.connected_at = client.request_at = client.idle_since = loop_.now();
  client.login = std::make_unique<ClientLogin>();
  client.framer.limit_length(static_cast<std::uint32_t>(config_->globals.max_packet_size));
  client.stream = loop_.adopt(std::move(socket), client.token);
  logins_.push_back(client);
  shared_.ledger.admit_socket(0, true);
  if (!client.stream) return end_client(client, CloseReason::client_wrote_nothing);
  const Endpoint peer = client.stream->remote();
  client.unix_socket = peer.family == Endpoint::Family::unix_socket;
  client.place = place_of(peer);
  client.settled = !said.empty();
  if (client.settled) on_client_bytes(client, said);
}

// An event touches most of its session's cache lines, and a batch of events more lines than the nearest cache has.
void Worker::on_soon(Token token) {
  if (token.kind == Token::Kind::client) prefetch(clients_.at(token.index));
  if (token.kind == Token::Kind::server) prefetch(servers_.at(token.index));
}

void Worker::on_bytes(Token token, Bytes bytes) {
  if (token.kind == Token::Kind::client) {
    if (ClientSession* client = clients_.find(token)) on_client_bytes(*client, bytes);
  } else if (token.kind == Token::Kind::server) {
    ServerConnection* server = servers_.find(token);
    if (server && server->state() != ServerState::leaving) from_server(*server, bytes);
  } else if (token.kind == Token::Kind::cancel) {
    if (CancelJob* job = cancels_.find(token)) on_cancel_bytes(*job, bytes);
  }
}

void Worker::on_writable(Token token) {
  if (token.kind == Token::Kind::client) {
    ClientSession* client = clients_.find(token);
    if (!client || client->phase == ClientPhase::leaving) return;
    if (client->outbox.flush(*client->stream) == Outbox::Result::failed) return on_client_gone(*client, 0);
    update_reading(*client);
    if (client->server) update_reading(*client->server);
    if (client->channels) Listeners::wake(*this, *client);
  } else if (token.kind == Token::Kind::server) {
    ServerConnection* server = servers_.find(token);
    if (!server || server->state() == ServerState::leaving) return;
    if (server->outbox.flush(*server->stream) == Outbox::Result::failed) return on_server_gone(*server, 0);
    if (server->client) update_reading(*server->client);
    release_if_possible(*server);
  }
}

void Worker::on_closed(Token token, int error) {
  if (token.kind == Token::Kind::client) {
    ClientSession* client = clients_.find(token);
    if (client && client->phase != ClientPhase::leaving) on_client_gone(*client, error);
  } else if (token.kind == Token::Kind::server) {
    ServerConnection* server = servers_.find(token);
    if (server && server->state() != ServerState::leaving) on_server_gone(*server, error);
  } else if (token.kind == Token::Kind::cancel) {
    if (CancelJob* job = cancels_.find(token)) finish_cancel(*job, "successfully sent cancel request");
  }
}

void Worker::on_connected(Token token, std::unique_ptr<Stream> stream) {
  if (token.kind == Token::Kind::cancel) {
    if (CancelJob* job = cancels_.find(token)) job->stream = std::move(stream), on_cancel_connected(*job);
    return;
  }
  ServerConnection* server = servers_.find(token);
  if (!server || server->state() == ServerState::leaving) return;
  server->stream = std::move(stream);
  on_server_connected(*server);
}

void Worker::on_connect_failed(Token token, const std::string& reason) {
  if (token.kind == Token::Kind::cancel) {
    if (CancelJob* job = cancels_.find(token)) finish_cancel(*job, "connect failed");
    return;
  }
  ServerConnection* server = servers_.find(token);
  if (!server || server->state() == ServerState::leaving) return;
  const bool dns = reason.find("DNS") != std::string::npos;
  on_open_failed(*server, dns ? CloseReason::dns_failed : CloseReason::connect_failed, reason, "08006");
}

void Worker::on_turn_end() {
  if (!to_notify_.empty()) Listeners::deliver_due(*this);
  if (drain_.on()) drain_.on_turn_end(*this);
  do {
    end_gone_clients();
    feed_granted();
  } while (!gone_clients_.empty());
  for (std::size_t i = 0; i < look_again_.size(); ++i) {
    auto found = desks_.find(look_again_[i]);
    if (found != desks_.end()) open_wanted(*found->second);
  }
  look_again_.clear();
  for (std::size_t i = 0; i < to_bury_.size(); ++i) {
    const Token token = to_bury_[i];
    if (token.kind == Token::Kind::client) clients_.bury(token);
    else if (token.kind == Token::Kind::server) servers_.bury(token);
    else cancels_.bury(token);
  }
  to_bury_.clear();
}

// Ending one may make another one's send fail, so that the list may grow meanwhile.
void Worker::end_gone_clients() {
  for (std::size_t i = 0; i < gone_clients_.size(); ++i) {
    ClientSession* client = clients_.find(gone_clients_[i]);
    if (client && client->phase != ClientPhase::leaving) on_client_gone(*client, 0);
  }
  gone_clients_.clear();
}

void Worker::feed_granted() {
  for (std::size_t i = 0; i < to_feed_.size(); ++i) {
    ClientSession* client = clients_.find(to_feed_[i]);
    if (client && client->phase == ClientPhase::leasing) feed_held(*client);
  }
  to_feed_.clear();
}

// --- ending

void Worker::end_client(ClientSession& client, CloseReason reason, const std::string& text,
                        const std::string& sqlstate) {
  if (client.phase == ClientPhase::leaving) return;
  const CloseReasonInfo& row = info(reason);
  const std::string words = text.empty() ? std::string(row.text) : text;
  const Globals& globals = config_->globals;
  const bool silent = reason == CloseReason::client_wrote_nothing || reason == CloseReason::job_done ||
                      reason == CloseReason::cancel_wait_timeout || reason == CloseReason::handed_over;
  if (globals.log_disconnections && !silent) {
    log_client(log::Level::log, client, "closing because: {} (age={}s)", words,
               count_s(loop_.now() - client.connected_at));
  }
  if (row.pooler_error && globals.log_pooler_errors) log_client(log::Level::warning, client, "pooler error: {}", words);
  note_closed(client, reason, words, sqlstate);
  // Behind half a message of the server's our words would be read as the rest of it.
  const ServerConnection* const held = client.server;
  const bool cut = held && held->framer.passing() && !held->swallowing;
  if (row.tell_client && client.stream && !cut) {
    Buffer message;
    compose::error_response(message, "FATAL", sqlstate.empty() ? row.sqlstate : sqlstate, words, farewell_detail_);
    (void)client.outbox.send(*client.stream, message);
  }
  client.close_reason = reason;
  if (client.channels) Listeners::leave(*this, client);
  cancel_keys_.forget(client);
  if (client.console && shared_.console) shared_.console->on_gone(*this, client);
  release_for_leaving(client);
  client.phase = ClientPhase::leaving;
  if (client.by_age.linked()) {
    if (client.login) logins_.remove(client);
    else idle_clients_.remove(client);
  }
  if (client.counted_database) {
    shared_.ledger.dismiss_database_client(client.route ? client.route->database : client.login->database);
  }
  if (client.counted_user) shared_.ledger.dismiss_user_client(client.route ? client.route->user : client.login->user);
  shared_.ledger.dismiss_socket();
  client.stream.reset();
  to_bury_.push_back(client.token);
}

// The client's place in queues and its server.
void Worker::release_for_leaving(ClientSession& client) {
  if (client.phase == ClientPhase::looking_up) return leave_lookup(client);
  PoolDesk* desk = client.desk();
  if (client.waiter.in_queue.linked()) {
    note_wait(client, false);
    if (client.phase == ClientPhase::welcoming) desk->pool.login_waiters().remove(client.waiter);
    else desk->pool.dequeue(client.waiter);
    publish(*desk);
  }
  if (desk && client.logged_in()) --desk->pool.clients;
  if (client.replication) return DedicatedServers::end(*this, client);
  if (!client.server) return;
  ServerConnection& server = *client.server;
  note_idle(client, loop_.now());
  const bool whole = !server.request_cut && server.outbox.empty() && !server.said_fatal && !server.framer.failed() && server.framer.between_messages();
  if (client.phase == ClientPhase::leasing && whole && policy::reusable_without_client(server.talk)) {
    return server.touch || client.pin != PinReason::none ? clean_session(server) : give_back(server);
  }
  // It has been answered; what we have asked behind it has not: about its session, or for what it has reset.
  const bool ours_is_left = server.talk.pooler_is_answered() && !server.talk.owes_client_more() && !server.talk.batch_open();
  const bool may_be_cleaned = client.phase == ClientPhase::leasing ? server.restores != nullptr : server.job == ServerJob::look;
  if (whole && ours_is_left && may_be_cleaned && server.talk.transaction() == TxStatus::idle) return clean_session(server);
  const bool busy = !server.talk.nothing_owed() || server.request_cut;
  const CloseReason reason = server.close_reason != CloseReason::none ? server.close_reason
                             : busy                                   ? CloseReason::client_left_in_query
                                                                      : CloseReason::client_left_not_ready;
  end_server(server, reason);
}

void Worker::on_client_gone(ClientSession& client, int) {
  if (client.tls) {
    const TlsFacts tls = client.stream->tls_facts();
    if (tls.phase != TlsFacts::Phase::established) {
      return end_client(client, CloseReason::tls_failed, tls.error.empty() ? std::string{} : "TLS handshake failed: " + tls.error);
    }
  }
  const bool nothing_said = client.login && client.login->nothing_received();
  end_client(client, nothing_said ? CloseReason::client_wrote_nothing : CloseReason::client_unexpected_eof);
}

void Worker::end_server(ServerConnection& server, CloseReason reason, const std::string& text) {
  if (server.state() == ServerState::leaving) return;
  if (server.touch && std::exchange(server.touch->makes_code, false)) HiddenCode::forget(*this, *server.desk);
  if (server.dedicated && server.client) {
    server.close_reason = reason;
    return end_client(*server.client, CloseReason::server_conn_crashed);
  }
  const TimePoint now = loop_.now();
  if (config_->globals.log_disconnections && reason != CloseReason::handed_over) {
    log_server(log::Level::log, server, "closing because: {} (age={}s)", text.empty() ? info(reason).text : text,
               server.facts.opened_at == TimePoint{} ? 0 : count_s(now - server.facts.opened_at));
  }
  note_closed(server, reason, text);
  server.close_reason = reason;
  PoolDesk& desk = *server.desk;
  if (server.client) unlink(server);
  if (server.dedicated && server.state() == ServerState::login) --desk.pool.dedicated_logins;
  if (reason == CloseReason::handed_over) {
    // Its socket and its place in the ledger have gone to the other worker.
  } else if (!server.stream) {
    connector_.abandon(server.token);
  } else if (!server.login && server.outbox.empty() && !server.request_cut && !server.said_fatal) {
    say_goodbye(server);
  }
  desk.pool.move(server.pooled, ServerState::leaving, now);
  server.stream.reset();
  to_bury_.push_back(server.token);
  if (reason != CloseReason::handed_over) spread_pokes(shared_.ledger.give_back(desk.pool.account(), server.listens));
  if (server.listens) Listeners::on_closed(*this, server);
  publish(desk);
  look_again_.push_back(desk.pool.account().key);
  if (AuthLookup* lookup = std::exchange(server.lookup, nullptr)) {
    if (reason == CloseReason::server_conn_crashed) fail_lookup(*lookup, reason, {}, {});
    else fail_lookup(*lookup, CloseReason::bouncer_config_error, {}, {});
  }
}

void Worker::say_goodbye(ServerConnection& server) {
  Buffer message;
  compose::terminate(message);
  (void)server.outbox.send(*server.stream, message);
}

void Worker::on_server_gone(ServerConnection& server, int) {
  if (server.login) {
    const bool shaking_hands = server.facts.tls == ServerTls::handshake;
    if (shaking_hands && try_other_encryption(server, {})) return;
    if (shaking_hands) {
      const std::string error = server.stream->tls_facts().error;
      return on_open_failed(server, CloseReason::server_login_error,
                            "TLS handshake failed: " + (error.empty() ? "connection closed" : error), "08006");
    }
    return on_open_failed(server, CloseReason::server_conn_crashed, "server closed the connection during login", "08006");
  }
  ClientSession* client = server.client;
  if (!client) return end_server(server, CloseReason::server_conn_crashed);
  // A server that has said why it goes has told the client so, too.
  const bool told = server.said_fatal && client->phase != ClientPhase::preparing;
  const CloseReason reason = told ? CloseReason::server_said_fatal : CloseReason::server_conn_crashed;
  server.said_fatal = true;
  server.close_reason = CloseReason::server_conn_crashed;
  end_client(*client, reason);
}

void Worker::end_all() {
  stopping_ = true;
  servers_.for_each([&](ServerConnection& server) { end_server(server, CloseReason::shutdown); });
  clients_.for_each([&](ClientSession& client) { end_client(client, CloseReason::shutdown); });
  cancels_.for_each([&](CancelJob& job) { finish_cancel(job, "shutting down"); });
  on_turn_end();
}

// --- names

std::string Worker::name_of(const ClientSession& client) const {
  std::string_view database = "(nodb)", user = "(nouser)";
  if (client.route) {
    database = client.route->database, user = client.route->user;
  } else if (client.login && !client.login->user.empty()) {
    database = client.login->database, user = client.login->user;
  }
  return fmt::format("C-{}: {}/{}@{}", static_cast<const void*>(&client), database, user, client.place);
}

std::string Worker::name_of(const ServerConnection& server) const {
  const std::string at = server.stream ? place_of(server.stream->remote())
                                       : fmt::format("{}:{}", server.facts.address.host, server.facts.address.port);
  return fmt::format("S-{}: {}/{}@{}", static_cast<const void*>(&server), server.desk->pool.database(),
                     server.desk->pool.user(), at);
}

}  // namespace pgweir
