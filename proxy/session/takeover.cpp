#include "proxy/session/takeover.h"

#include <algorithm>

#include "proxy/session/client_login.h"
#include "proxy/session/server_login.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

std::uint64_t count_ms(Duration duration) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, std::chrono::duration_cast<milliseconds>(duration).count()));
}

HandedPairs named(const policy::TrackedParameters& tracked, const policy::SharedParameters& values) {
  HandedPairs pairs;
  for (std::size_t i = 0; i < tracked.size(); ++i) {
    if (const auto* value = policy::value_at(values, i); value && *value) pairs.emplace_back(tracked.name(i), **value);
  }
  return pairs;
}

policy::SharedParameters placed(const policy::TrackedParameters& tracked, const HandedPairs& pairs) {
  policy::SharedParameters values;
  for (const auto& [name, value] : pairs) {
    const std::size_t place = tracked.place_of(name);
    if (place != policy::TrackedParameters::none) values = policy::with_value(values, place, value, tracked.size());
  }
  return values;
}

policy::SharedSettings settings_of(const HandedPairs& pairs) {
  policy::SharedSettings settings;
  for (const auto& [name, value] : pairs) settings = policy::with_setting(settings, name, value);
  return settings;
}

HandedStatement handed(std::string_view name, std::uint64_t id, const policy::StatementText& text) {
  return {std::string(name), id, text.kind == policy::StatementKind::sql, std::string(as_text(text.identity))};
}

policy::StatementKind kind_of(const HandedStatement& statement) {
  return statement.sql ? policy::StatementKind::sql : policy::StatementKind::parsed;
}

}  // namespace

// --- the process that leaves

bool Takeover::may_give(const ClientSession& client) {
  if (client.tls || client.replication || client.pin != PinReason::none || client.channels || client.stalled) return false;
  if (!client.server) return true;
  const ServerConnection& server = *client.server;
  return server.desk->mode == PoolMode::session && server.facts.tls == ServerTls::plain && !server.said_fatal &&
         server.cancels == 0;
}

void Takeover::give(Worker& worker, ClientSession& client, TakeoverPort& port) {
  HandedClient record;
  record.database = client.route->database;
  record.user = client.route->user;
  record.cancel = worker.cancel_keys_.key_of(client);
  record.long_key = client.long_key;
  record.parameters = named(worker.tracked(), client.parameters);
  if (client.settings) record.settings = *client.settings;
  if (client.startup) record.startup = *client.startup;
  client.statements.for_each([&](std::string_view name, const policy::StatementRef& statement) {
    record.statements.push_back(handed(name, 0, *statement->text));
  });
  if (client.statements.unnamed) record.unnamed = handed({}, 0, *client.statements.unnamed->text);
  record.age_ms = count_ms(worker.now() - client.connected_at);
  std::unique_ptr<Detached> server_socket;
  if (ServerConnection* server = client.server) {
    record.server = record_of(worker, *server);
    server_socket = server->stream->detach();
    worker.unlink(*server);
    drop(worker, *server);
  }
  Buffer bytes;
  encode(record, bytes);
  std::unique_ptr<Detached> socket = client.stream->detach();
  client.stream.reset();
  worker.end_client(client, CloseReason::handed_over);
  port.give_client(std::move(socket), std::move(server_socket), std::move(bytes));
}

bool Takeover::may_give(const Worker& worker, const ServerConnection& server) {
  return server.facts.tls == ServerTls::plain && server.framer.between_messages() && server.outbox.empty() &&
         !server.said_fatal && !server.pooled.close_needed && !server.talk.may_say_more() && !server.dedicated &&
         server.facts.config_generation == server.desk->config_generation && server.job == ServerJob::none &&
         !worker.lifetime_over(*server.desk, server.pooled, worker.now());
}

void Takeover::give_spare_servers(Worker& worker, TakeoverPort& port) {
  for (auto& [key, desk] : worker.desks_) {
    Pool& pool = desk->pool;
    if (desk->removed || !pool.waiters().empty() || !pool.login_waiters().empty()) continue;
    auto idle = static_cast<std::ptrdiff_t>(pool.count(ServerState::idle) + pool.count(ServerState::used));
    for (const ServerState state : {ServerState::used, ServerState::idle}) {
      pool.servers(state).for_each([&](PooledServer& pooled) {
        auto& server = *static_cast<ServerConnection*>(pooled.connection);
        if (idle <= pool.clients || !may_give(worker, server)) return;
        --idle;
        Buffer record;
        encode(record_of(worker, server), record);
        std::unique_ptr<Detached> socket = server.stream->detach();
        drop(worker, server);
        port.give_server(std::move(socket), std::move(record));
      });
    }
  }
}

HandedServer Takeover::record_of(const Worker& worker, const ServerConnection& server) {
  const PoolDesk& desk = *server.desk;
  HandedServer record;
  record.database = desk.pool.database();
  record.user = desk.pool.user();
  record.server_database = desk.database->server_database();
  record.host = server.facts.address.host;
  record.port = server.facts.address.port;
  record.cancel = {server.facts.backend_pid, server.facts.cancel_key};
  record.parameters = named(worker.tracked(), server.facts.parameters);
  if (server.facts.settings) record.settings = *server.facts.settings;
  for (const policy::ForeignStatement& statement : server.statements.hand_over()) {
    record.statements.push_back(handed({}, statement.id, *statement.text));
  }
  record.age_ms = count_ms(worker.now() - server.facts.opened_at);
  record.lifetime_ms = count_ms(server.facts.lifetime);
  if (desk.welcome_known) {
    record.welcome = std::string(as_text(desk.welcome));
    record.pool_parameters = named(worker.tracked(), desk.server_parameters);
  }
  return record;
}

// Its socket lives on elsewhere; here its place is free.
void Takeover::drop(Worker& worker, ServerConnection& server) {
  PoolAccount& account = server.desk->pool.account();
  server.stream.reset();
  worker.end_server(server, CloseReason::handed_over);
  worker.spread_pokes(worker.shared_.ledger.give_back(account));
}

// --- the process that comes

void Takeover::take(Worker& worker, const HandedClient& record, std::unique_ptr<Detached> socket,
                    std::unique_ptr<Detached> server_socket, const std::string& unread) {
  ClientSession& client = worker.clients_.make();
  const TimePoint now = worker.now();
  client.id = worker.shared_.fleet.next_id();
  client.connected_at = now - milliseconds(record.age_ms);
  client.request_at = client.idle_since = now;
  client.settled = true;
  client.framer.limit_length(static_cast<std::uint32_t>(worker.config_->globals.max_packet_size));
  client.stream = worker.loop_.adopt(std::move(socket), client.token);
  worker.shared_.ledger.admit_socket(0, true);
  if (!client.stream) return worker.end_client(client, CloseReason::client_unexpected_eof);
  client.unix_socket = client.stream->remote().family == Endpoint::Family::unix_socket;
  client.place = client.stream ? Worker::place_of(client.stream->remote()) : "(none)";
  const DatabasePtr entry = worker.config_->database(record.database);
  if (!entry) return worker.end_client(client, CloseReason::database_removed);
  client.route = &worker.route(record.database, record.user, entry);
  client.counted_database = worker.shared_.ledger.admit_database_client(record.database, 0);
  client.counted_user = worker.shared_.ledger.admit_user_client(record.user, 0);
  client.phase = ClientPhase::idle;
  ++client.desk()->pool.clients;
  worker.idle_clients_.push_back(client);
  restore(worker, client, record);
  if (record.server) {
    const bool session = client.desk()->mode == PoolMode::session;
    ServerConnection* server = session ? open(worker, *record.server, std::move(server_socket)) : nullptr;
    if (!server || server->desk != client.desk()) {
      // What the client has set there is lost, and nobody could tell it.
      return worker.end_client(client, CloseReason::database_configuration_changed);
    }
    worker.grant(server->pooled, client);
  }
  if (!unread.empty()) worker.on_client_bytes(client, as_bytes(unread));
}

void Takeover::restore(Worker& worker, ClientSession& client, const HandedClient& record) {
  client.long_key = record.long_key;
  worker.cancel_keys_.adopt(client, record.cancel);
  client.parameters = placed(worker.tracked(), record.parameters);
  if (worker.isolates(*client.desk())) client.settings = settings_of(record.settings);
  client.startup = settings_of(record.startup);
  if (!worker.tracks_statements(client)) return;
  for (const HandedStatement& statement : record.statements) {
    client.statements.set(statement.name, worker.statements_.intern(as_bytes(statement.identity), kind_of(statement)));
  }
  if (record.unnamed) {
    client.statements.unnamed = worker.statements_.intern(as_bytes(record.unnamed->identity), kind_of(*record.unnamed));
  }
}

void Takeover::take(Worker& worker, const HandedServer& record, std::unique_ptr<Detached> socket) {
  ServerConnection* server = open(worker, record, std::move(socket));
  if (!server) return;
  server->checked = true;
  if (!worker.close_if_unfit(*server)) worker.make_available(*server);
}

// Null: it leads elsewhere than this configuration's, or there is no place for it.
ServerConnection* Takeover::open(Worker& worker, const HandedServer& record, std::unique_ptr<Detached> socket) {
  const DatabasePtr entry = worker.config_->database(record.database);
  if (!entry || worker.stopping_ || !socket) return nullptr;
  const bool known_host = entry->hosts.empty() ? record.host.empty()
                                               : std::find(entry->hosts.begin(), entry->hosts.end(), record.host) != entry->hosts.end();
  const bool right_user = entry->user.empty() || entry->user == record.user;
  if (!known_host || !right_user || entry->port != record.port || entry->server_database() != record.server_database) return nullptr;
  PoolDesk& desk = worker.desk_for(entry, record.database, record.user);
  if (worker.shared_.ledger.reserve(desk.pool.account(), desk.pool.settings.limits, true) != BindingLimit::none) return nullptr;
  const TimePoint now = worker.now();
  ServerConnection& server = worker.servers_.make();
  server.desk = &desk;
  server.facts.id = worker.shared_.fleet.next_id();
  server.facts.backend_pid = record.cancel.pid;
  server.facts.cancel_key = record.cancel.key;
  server.facts.parameters = placed(worker.tracked(), record.parameters);
  server.facts.settings = settings_of(record.settings);
  server.facts.address = {record.host, record.port};
  server.facts.opened_at = server.pooled.opened_at = now - milliseconds(record.age_ms);
  server.facts.lifetime = server.pooled.lifetime = milliseconds(record.lifetime_ms);
  server.facts.config_generation = desk.config_generation;
  std::vector<policy::ForeignStatement> statements;
  for (const HandedStatement& statement : record.statements) {
    statements.push_back({worker.statements_.intern(as_bytes(statement.identity), kind_of(statement))->text, statement.id});
  }
  server.statements.take_over(statements);
  if (!worker.knows_welcome(desk) && !record.welcome.empty()) {
    const Bytes welcome = as_bytes(record.welcome);
    desk.welcome.assign(welcome.begin(), welcome.end());
    desk.server_parameters = placed(worker.tracked(), record.pool_parameters);
    desk.welcome_known = true;
    worker.shared_.ledger.keep_welcome(desk.pool.account(), std::make_shared<Welcome>(Welcome{desk.welcome, desk.server_parameters}));
  }
  if (desk.server_parameters && server.facts.parameters && *desk.server_parameters == *server.facts.parameters) {
    server.facts.parameters = desk.server_parameters;
  }
  desk.pool.add(server.pooled, ServerState::tested, now);
  server.stream = worker.loop_.adopt(std::move(socket), server.token);
  if (server.stream) return &server;
  worker.end_server(server, CloseReason::server_conn_crashed);
  return nullptr;
}

}  // namespace pgweir
