#include "proxy/admin/facts.h"

#include <algorithm>

#include "protocol/sql/digest.h"

namespace pgweir {
namespace {

struct StateNames {
  std::string_view state, socket_state;
};

// A client that is logged in and holds no server is `idle` in SHOW CLIENTS, `cl_active` in SOCKETS.
StateNames state_of(const ClientSession& client) {
  switch (client.phase) {
    case ClientPhase::starting:
    case ClientPhase::proving:
      return {"login", "cl_login"};
    case ClientPhase::looking_up:
    case ClientPhase::welcoming:
    case ClientPhase::queued:
      return {"waiting", "cl_waiting"};
    case ClientPhase::preparing:
    case ClientPhase::leasing:
      return {"active", "cl_active"};
    case ClientPhase::canceling:
      return {"waiting_cancel_req", "cl_waiting_cancel"};
    case ClientPhase::idle:
    case ClientPhase::console:
    case ClientPhase::leaving:
      break;
  }
  return {"idle", "cl_active"};
}

StateNames state_of(const ServerConnection& server) {
  switch (server.state()) {
    case ServerState::login:
      return {"new", "sv_login"};
    case ServerState::active:
      return {server.client ? "active" : "idle", "sv_active"};
    case ServerState::used:
      return {"used", "sv_used"};
    case ServerState::tested:
      return {"tested", "sv_tested"};
    case ServerState::listening:
      return {"listening", "sv_listening"};
    case ServerState::being_canceled:
      return {"being_canceled", "sv_being_canceled"};
    case ServerState::idle:
    case ServerState::leaving:
      break;
  }
  return {"idle", "sv_idle"};
}

// Turns a moment of this worker's monotonic clock into a time of day.
class Calendar {
 public:
  explicit Calendar(const Worker& worker) : now_(worker.now()), wall_now_(worker.wall_now()) {}
  WallTime at(TimePoint moment) const {
    return wall_now_ - std::chrono::duration_cast<microseconds>(now_ - moment);
  }
  Duration since(TimePoint moment) const {
    return moment == TimePoint{} ? Duration{} : std::max(Duration{}, now_ - moment);
  }

 private:
  const TimePoint now_;
  const WallTime wall_now_;
};

std::string value_of(const policy::SharedParameters& parameters, std::size_t place) {
  const auto* value = policy::value_at(parameters, place);
  return value && *value ? **value : std::string();
}

std::string_view replication_of(const ClientSession& client) {
  if (!client.replication) return "none";
  return client.replication->kind == Replication::Kind::logical ? "logical" : "physical";
}

// Of the settings that PgBouncer follows; their places are always the same.
void add_parameters(SocketFacts& facts, const policy::SharedParameters& parameters) {
  facts.client_encoding = value_of(parameters, 0);
  facts.datestyle = value_of(parameters, 1);
  facts.timezone = value_of(parameters, 2);
  facts.std_strings = value_of(parameters, 3);
}

SocketFacts facts_of(const ClientSession& client, const Calendar& calendar,
                     std::size_t name_place) {
  SocketFacts facts;
  const StateNames names = state_of(client);
  facts.database = client.route ? client.route->database : "(nodb)";
  facts.user = client.route ? client.route->user : "(nouser)";
  facts.state = names.state;
  facts.socket_state = names.socket_state;
  facts.in_login = client.phase == ClientPhase::starting || client.phase == ClientPhase::proving;
  if (client.stream) {
    facts.fd = client.stream->descriptor();
    facts.remote = client.stream->remote();
    facts.local = client.stream->local();
    if (client.tls) facts.tls = client.stream->tls_facts().info;
  }
  facts.replication = replication_of(client);
  facts.connected_at = calendar.at(client.connected_at);
  facts.requested_at = calendar.at(client.request_at);
  if (client.waiter.in_queue.linked())
    facts.waiting = calendar.since(client.waiter.since);
  else if (client.in_query)
    facts.waiting = calendar.since(client.query_since);
  facts.self = &client;
  facts.link = client.server;
  facts.remote_pid = client.unix_socket ? facts.remote.peer_pid : 0;
  facts.application_name = value_of(client.parameters, name_place);
  facts.id = client.id;
  facts.received_bytes = client.held ? client.held->size() : 0;
  facts.unsent_bytes = client.outbox.size();
  facts.prepared_statements = client.statements.count();
  add_parameters(facts, client.parameters);
  return facts;
}

SocketFacts facts_of(const ServerConnection& server, const Calendar& calendar,
                     std::size_t name_place) {
  SocketFacts facts;
  const StateNames names = state_of(server);
  facts.is_server = true;
  facts.database = server.desk->pool.database();
  facts.user = server.desk->pool.user();
  facts.state = names.state;
  facts.socket_state = names.socket_state;
  if (server.stream) {
    facts.fd = server.stream->descriptor();
    facts.remote = server.stream->remote();
    facts.local = server.stream->local();
    if (server.facts.tls == ServerTls::on) facts.tls = server.stream->tls_facts().info;
  } else {
    facts.remote = {Endpoint::Family::none, server.facts.address.port, server.facts.address.host};
  }
  if (server.client) facts.replication = replication_of(*server.client);
  const TimePoint connected_at =
      server.facts.opened_at == TimePoint{} ? server.pooled.since : server.facts.opened_at;
  facts.connected_at = calendar.at(connected_at);
  facts.requested_at =
      calendar.at(server.request_at == TimePoint{} ? connected_at : server.request_at);
  facts.close_needed = server.pooled.close_needed || server.facts.close_needed ||
                       server.facts.config_generation != server.desk->config_generation;
  facts.self = &server;
  facts.link = server.client;
  facts.remote_pid = server.facts.backend_pid;
  facts.application_name = value_of(server.facts.parameters, name_place);
  facts.id = server.facts.id;
  facts.unsent_bytes = server.outbox.size();
  facts.prepared_statements = server.statements.count();
  add_parameters(facts, server.facts.parameters);
  return facts;
}

PoolFacts facts_of(PoolDesk& desk, const Worker& worker, const Calendar& calendar) {
  PoolFacts facts;
  Pool& pool = desk.pool;
  facts.database = pool.database();
  facts.user = pool.user();
  facts.entry = desk.database;
  facts.mode = desk.mode;
  const std::size_t queued = pool.waiters().size();
  const auto logged_in = static_cast<std::size_t>(std::max(0, pool.clients));
  facts.clients_active = logged_in - std::min(logged_in, queued);
  facts.clients_waiting = queued + pool.login_waiters().size();
  facts.cancels = worker.cancel_counts(desk);
  facts.servers_active = pool.count(ServerState::active);
  facts.servers_idle = pool.count(ServerState::idle);
  facts.servers_used = pool.count(ServerState::used);
  facts.servers_tested = pool.count(ServerState::tested);
  facts.servers_login = pool.count(ServerState::login);
  for (const Waiter* waiter : {pool.waiters().front(), pool.login_waiters().front()}) {
    if (waiter) facts.oldest_wait = std::max(facts.oldest_wait, calendar.since(waiter->since));
  }
  facts.size = static_cast<std::uint64_t>(std::max(0, pool.settings.limits.pool_size));
  facts.times = desk.times;
  facts.stats = desk.stats;
  facts.last_period = desk.last_period;
  facts.waits = desk.waits;
  facts.session_state = desk.limits.session_state;
  facts.isolation = desk.isolation;
  facts.listening = Listeners::listening(desk);
  worker.servers().for_each([&](const ServerConnection& server) {
    facts.pinned += server.desk == &desk && server.client && server.client->pin != PinReason::none;
  });
  facts.wait_reason = worker.wait_reason(desk);
  return facts;
}

ActivityFacts activity_of(const ClientSession& client, const Worker& worker, const Calendar& calendar,
                          std::size_t name_place) {
  ActivityFacts facts;
  facts.database = client.route->database;
  facts.user = client.route->user;
  facts.pool_user = client.desk()->pool.user();
  facts.who = client.place;
  facts.application_name = value_of(client.parameters, name_place);
  if (!client.server) {
    facts.state = "waiting";
    facts.wait_reason = name_of(worker.wait_reason(*client.desk()));
    facts.lasts = calendar.since(client.waiter.since);
    return facts;
  }
  const ServerConnection& server = *client.server;
  facts.server_pid = server.facts.backend_pid;
  facts.server = Worker::server_place(server);
  const std::string_view running = server.clock.running_text();
  const bool idle = !client.in_query;
  facts.state = !idle ? "active" : client.in_transaction ? "idle in transaction" : "idle";
  facts.lasts = calendar.since(idle ? client.idle_since : running.empty() ? client.query_since : server.clock.running_since());
  std::string text;
  if (!running.empty()) {
    facts.query_id = sql::digest(running, text);
  } else if (const DigestTable* digests = worker.digests()) {
    if (const auto last = digests->text(server.last_digest)) text = *last;
    facts.query_id = digests->id(server.last_digest);
  }
  facts.query = sql::readable(text);
  return facts;
}

// Of the `limit` that have waited for or held a server longest.
std::vector<ActivityFacts> activity_of(const Worker& worker, const Calendar& calendar, std::size_t limit) {
  std::vector<std::pair<TimePoint, const ClientSession*>> ranks;
  worker.clients().for_each([&](const ClientSession& client) {
    const bool waits = client.phase == ClientPhase::queued;
    const bool holds = client.server && client.phase == ClientPhase::leasing;
    if (!client.route || !client.desk() || !(waits || holds)) return;
    ranks.emplace_back(waits ? client.waiter.since : client.in_query ? client.query_since : client.idle_since, &client);
  });
  const auto end = ranks.begin() + static_cast<std::ptrdiff_t>(std::min(limit, ranks.size()));
  if (end != ranks.end()) {
    std::nth_element(ranks.begin(), end, ranks.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  }
  const std::size_t name_place = worker.tracked().place_of("application_name");
  std::vector<ActivityFacts> found;
  for (auto at = ranks.begin(); at != end; ++at) found.push_back(activity_of(*at->second, worker, calendar, name_place));
  return found;
}

ObjectCounts count_objects(const Worker& worker) {
  ObjectCounts counts;
  worker.clients().for_each([&](const ClientSession& client) {
    ++counts.clients;
    counts.console_clients += client.phase == ClientPhase::console;
    counts.clients_in_login +=
        client.phase == ClientPhase::starting || client.phase == ClientPhase::proving;
  });
  counts.servers = worker.servers().size();
  for (const auto& [key, desk] : worker.desks()) counts.pools += !desk->removed;
  return counts;
}

StatementFacts statement_facts(const Worker& worker) {
  const policy::StatementStore& store = worker.statement_store();
  StatementFacts facts{store.count(), store.bytes(), store.unused_bytes(), store.dropped(), 0, 0, worker.statement_counters()};
  worker.clients().for_each([&](const ClientSession& client) { facts.client_names += client.statements.count(); });
  worker.servers().for_each([&](const ServerConnection& server) { facts.on_servers += server.statements.count(); });
  return facts;
}

}  // namespace

WorkerFacts collect_facts(Worker& worker, Wants wants, std::size_t limit) {
  WorkerFacts facts;
  const Calendar calendar(worker);
  facts.counts = count_objects(worker);
  facts.statements = statement_facts(worker);
  if (const DigestTable* digests = worker.digests()) facts.query_counters = digests->counters();
  facts.peers = worker.peer_counts();
  if (wants == Wants::activity || wants == Wants::pools_and_activity) facts.activity = activity_of(worker, calendar, limit);
  if (wants == Wants::isolation) {
    for (const IsolationRow& row : worker.isolation_log().rows()) {
      if (row.text && row.runs > 0) facts.isolation.push_back(row);
    }
  }
  if (wants == Wants::pools || wants == Wants::pools_and_activity || wants == Wants::isolation) {
    for (const auto& [key, desk] : worker.desks()) {
      if (!desk->removed) facts.pools.push_back(facts_of(*desk, worker, calendar));
    }
  } else if (wants == Wants::slow_queries) {
    if (const SlowRing* slow = worker.slow_statements()) facts.slow = slow->all();
  } else if (wants == Wants::sockets) {
    const std::size_t name_place = worker.tracked().place_of("application_name");
    const auto list = [&](const auto& one) {
      facts.sockets.push_back(facts_of(one, calendar, name_place));
    };
    worker.clients().for_each([&](const ClientSession& client) {
      if (client.phase != ClientPhase::leaving) list(client);
    });
    worker.servers().for_each([&](const ServerConnection& server) {
      if (server.state() != ServerState::leaving) list(server);
    });
  }
  return facts;
}

}  // namespace pgweir
