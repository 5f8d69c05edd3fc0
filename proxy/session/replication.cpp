// Replication connections: a server of their own each, from the client's login to its end. It counts as the pool's others
// do; when the pool is full, an idle one makes room.
#include "proxy/session/replication.h"

#include "protocol/compose.h"
#include "proxy/session/client_login.h"
#include "proxy/session/server_login.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

// As PostgreSQL reads a boolean: any beginning of these words that is not a beginning of both.
bool means(std::string_view value, std::initializer_list<std::string_view> words) {
  if (value.empty() || policy::equal_ignoring_case(value, "o")) return false;
  for (const std::string_view word : words) {
    if (policy::equal_ignoring_case(word.substr(0, value.size()), value) && value.size() <= word.size()) return true;
  }
  return false;
}

}  // namespace

const char* DedicatedServers::asked(const ClientSession& client) {
  if (!client.replication) return "no";
  return client.replication->kind == Replication::Kind::logical ? "database" : "yes";
}

bool DedicatedServers::read(Worker& worker, ClientSession& client) {
  const auto value = client.login->packet().parameter("replication");
  if (!value || means(*value, {"false", "no", "off", "0"})) return true;
  client.replication = std::make_unique<Replication>();
  if (policy::equal_ignoring_case(*value, "database")) {
    client.replication->kind = Replication::Kind::logical;
  } else if (!means(*value, {"true", "yes", "on", "1"})) {
    worker.end_client(client, CloseReason::unsupported_startup_parameter,
               fmt::format("invalid value for parameter \"replication\": \"{}\"", *value), "22023");
    return false;
  }
  return true;
}

bool DedicatedServers::open(Worker& worker, ClientSession& client) {
  PoolDesk& desk = *client.desk();
  Pool& pool = desk.pool;
  if (worker.stopping_ || desk.removed || pool.paused || !worker.lets_in(client)) return false;
  const ServerLimits& limits = pool.settings.limits;
  BindingLimit limit = worker.shared_.ledger.reserve(pool.account(), limits, false);
  if (limit != BindingLimit::none) {
    PooledServer* idle = limit == BindingLimit::pool_size ? pool.longest_idle() : nullptr;
    if (idle) worker.end_server(*static_cast<ServerConnection*>(idle->connection), CloseReason::evicted);
    if (idle || worker.make_room(desk, limit)) limit = worker.shared_.ledger.reserve(pool.account(), limits, false);
  }
  if (limit != BindingLimit::none) return false;
  ServerConnection& server = worker.servers_.make();
  server.desk = &desk;
  server.dedicated = true;
  server.owner = client.token;
  server.facts.id = worker.shared_.fleet.next_id();
  server.facts.config_generation = desk.config_generation;
  client.replication->server = server.token;
  pool.add(server.pooled, ServerState::login, worker.loop_.now());
  ++pool.dedicated_logins;
  worker.connect(server);
  return true;
}

void DedicatedServers::open_again(Worker& worker) {
  worker.logins_.for_each([&](ClientSession& client) {
    const bool wants = client.replication && client.phase == ClientPhase::welcoming;
    if (wants && !worker.servers_.find(client.replication->server)) (void)open(worker, client);
  });
}

// What the client asks for, behind what the database's entry says.
void DedicatedServers::ask(Worker& worker, const ServerConnection& server, ServerSecret& secret) {
  const ClientSession* client = worker.clients_.find(server.owner);
  if (!client || !client->replication) return;
  const Replication& wish = *client->replication;
  secret.parameters.emplace_back("replication", wish.kind == Replication::Kind::logical ? "database" : "true");
  for (std::size_t i = 0; i < worker.shared_.tracked.size(); ++i) {
    const auto* value = policy::value_at(client->parameters, i);
    if (value && *value) secret.parameters.emplace_back(worker.shared_.tracked.name(i), **value);
  }
  secret.parameters.insert(secret.parameters.end(), wish.startup.begin(), wish.startup.end());
}

void DedicatedServers::on_ready(Worker& worker, ServerConnection& server, const ServerLogin& login) {
  ClientSession* client = worker.clients_.find(server.owner);
  if (!client || client->phase != ClientPhase::welcoming) return worker.end_server(server, CloseReason::replication_client_closed);
  PoolDesk& desk = *server.desk;
  --desk.pool.dedicated_logins;
  desk.pool.move(server.pooled, ServerState::active, worker.loop_.now());
  worker.publish(desk);
  ++desk.stats.server_assignments;
  ++desk.stats.client_logins;
  ++desk.pool.clients;
  ++server.leases;
  server.request_at = worker.loop_.now();
  server.client = client;
  client->server = &server;
  client->parameters = server.facts.parameters;
  Buffer out;
  compose::authentication_ok(out);
  for (const auto& [name, value] : login.parameters()) compose::parameter_status(out, name, value);
  worker.finish_welcome(*client, out, ClientPhase::leasing);
}

// It has not come to serve its client.
void DedicatedServers::on_failed(Worker& worker, ServerConnection& server, CloseReason reason, const std::string& text,
                                 const std::string& sqlstate) {
  const Token owner = server.owner;
  const bool refused = reason == CloseReason::server_login_error;
  worker.end_server(server, reason, refused ? std::string{} : text);
  if (ClientSession* client = worker.clients_.find(owner)) worker.end_client(*client, CloseReason::server_login_failed, text, sqlstate);
}

// The client leaves: nobody else gets its server.
void DedicatedServers::end(Worker& worker, ClientSession& client) {
  ServerConnection* server = worker.servers_.find(client.replication->server);
  if (!server || server->state() == ServerState::leaving) return;
  if (server->client) worker.unlink(*server);
  worker.end_server(*server, server->close_reason != CloseReason::none ? server->close_reason
                                                                 : CloseReason::replication_client_closed);
}

}  // namespace pgweir
