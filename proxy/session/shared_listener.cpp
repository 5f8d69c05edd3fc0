// The connection that the clients of a pool share for their channels: opened when the first is wanted, closed when none is
// any more, replaced when it is lost.
#include <algorithm>
#include <ctime>
#include <random>

#include "protocol/backend.h"
#include "protocol/compose.h"
#include "protocol/wire.h"
#include "proxy/session/channels.h"
#include "proxy/session/server_login.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

// Kept for so long without a client: the next one may be on its way.
constexpr Duration unused_max = seconds(1);
// A connection that was lost sooner than this counts as a failure.
constexpr Duration proven_after = seconds(1);
constexpr Duration first_pause = milliseconds(100);
// Silence for so long is looked behind.
constexpr Duration silence_max = seconds(30);

std::string print_utc(WallTime at) {
  const std::time_t since_epoch = count_s(at.time_since_epoch());
  const auto ms = std::chrono::duration_cast<milliseconds>(at.time_since_epoch()).count() % 1000;
  std::tm parts{};
  gmtime_r(&since_epoch, &parts);
  char text[32];
  return fmt::format("{}.{:03} UTC", std::string_view{text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts)}, ms);
}

}  // namespace

// --- opening and closing

// Beyond pool_size, which would have no place for it where its clients hold all of them; the shared limits bind it.
bool Listeners::open(Worker& worker, PoolDesk& desk) {
  Pool& pool = desk.pool;
  if (worker.stopping_ || desk.removed || pool.paused || worker.shutdown_ == Shutdown::wait_for_servers) return false;
  SharedListener& listener = *desk.listener;
  if (worker.loop_.now() < listener.retry_at) return false;
  Ledger& ledger = worker.shared_.ledger;
  BindingLimit limit = ledger.reserve_beyond_pool(pool.account(), pool.settings.limits);
  if (limit != BindingLimit::none) {
    PooledServer* idle = pool.longest_idle();
    if (idle) worker.end_server(*static_cast<ServerConnection*>(idle->connection), CloseReason::evicted);
    if (idle || worker.make_room(desk, limit)) limit = ledger.reserve_beyond_pool(pool.account(), pool.settings.limits);
  }
  if (limit != BindingLimit::none) {
    listener.retry_at = worker.loop_.now() + first_pause;
    return false;
  }
  ServerConnection& server = worker.servers_.make();
  server.desk = &desk;
  server.dedicated = server.listens = true;
  server.facts.id = worker.shared_.fleet.next_id();
  server.facts.config_generation = desk.config_generation;
  listener.server = server.token;
  pool.add(server.pooled, ServerState::listening, worker.loop_.now());
  worker.connect(server);
  return true;
}

void Listeners::ask(const ServerConnection& server, ServerSecret& secret) {
  const auto set = [&](const char* name, const std::string& value) {
    std::erase_if(secret.parameters, [&](const auto& known) { return known.first == name; });
    secret.parameters.emplace_back(name, value);
  };
  if (const std::string& encoding = server.desk->listener->encoding; !encoding.empty()) set("client_encoding", encoding);
  if (server.desk->database->application_name.empty()) set("application_name", "pgweir listener");
}

void Listeners::on_ready(Worker& worker, ServerConnection& server) {
  server.desk->listener->heard_at = worker.loop_.now();
  pump(worker, *server.desk);
}

void Listeners::stop(Worker& worker, PoolDesk& desk) {
  if (!desk.listener) return;
  if (ServerConnection* server = worker.servers_.find(desk.listener->server)) worker.end_server(*server, CloseReason::close_needed);
}

void Listeners::on_closed(Worker& worker, ServerConnection& server) {
  SharedListener& listener = *server.desk->listener;
  if (listener.server != server.token) return;
  const TimePoint now = worker.loop_.now();
  const bool was_ready = std::exchange(listener.ready, false);
  listener.server = {};
  listener.busy = listener.refused = false;
  listener.partial.clear();
  listener.asked.clear();
  listener.unwanted.clear();
  listener.moves.clear();
  ++listener.incarnation;
  if (was_ready && now - listener.ready_at >= proven_after) {
    listener.failures = 0;
    listener.retry_at = {};
  } else {
    listener.failures = std::min(listener.failures + 1, 30);
    Duration bound = first_pause * (std::int64_t{1} << std::min(listener.failures - 1, 20));
    bound = std::min(bound, std::max(server.desk->pool.settings.login_retry, Duration{}));
    std::uniform_int_distribution<std::int64_t> draw(bound.count() / 2, std::max<std::int64_t>(bound.count(), 0));
    listener.retry_at = now + Duration{draw(worker.random_)};
  }
  for (auto& [name, channel] : listener.channels) {
    channel.confirmed = false;
    for (const Token token : channel.clients) {
      ClientSession* client = worker.clients_.find(token);
      if (!client || !client->channels) continue;
      for (ClientChannels::Channel& known : client->channels->list) {
        if (known.name != name || known.on_server) continue;
        known.on_listener = true;              // a marker that has not come will not
        if (was_ready && client->channels->lost_since == WallTime{}) client->channels->lost_since = listener.heard_wall;
      }
    }
  }
}

void Listeners::note_gap(Worker& worker, ClientSession& client) {
  const WallTime since = std::exchange(client.channels->lost_since, WallTime{});
  compose::notice_response(client.channels->waiting, "WARNING", "01000",
                           fmt::format("notifications sent between {} and {} may have been lost", print_utc(since),
                                       print_utc(worker.loop_.wall_now())),
                           "The connection that listened for this client was lost, and has been replaced.");
  wake(worker, client);
}

void Listeners::on_tick(Worker& worker) {
  const TimePoint now = worker.loop_.now();
  for (auto& [key, desk] : worker.desks_) {
    if (!desk->listener) continue;
    SharedListener& listener = *desk->listener;
    ServerConnection* server = worker.servers_.find(listener.server);
    if (!listener.channels.empty()) {
      listener.unused_since = {};
    } else if (listener.unused_since == TimePoint{}) {
      listener.unused_since = now;
    } else if (now - listener.unused_since >= unused_max) {
      if (server) worker.end_server(*server, CloseReason::nobody_listens);
      desk->listener.reset();
      continue;
    }
    const Duration limit = worker.config_->globals.server_connect_timeout;
    const auto too_long = [&](TimePoint since) { return limit > Duration{} && now - since >= limit; };
    if (!server) {
      if (!listener.channels.empty()) (void)open(worker, *desk);
    } else if (server->login) {
      if (too_long(server->pooled.since)) worker.on_open_failed(*server, CloseReason::connect_timeout, "connect timeout", "08006");
    } else if (listener.busy) {
      if (too_long(listener.asked_at)) worker.end_server(*server, CloseReason::test_failed, "the listener does not answer");
    } else if (now - listener.heard_at >= silence_max) {
      send(worker, *server, {});
    }
  }
}

// --- asking

// What is wanted and not there, what is there and not wanted.
void Listeners::pump(Worker& worker, PoolDesk& desk) {
  SharedListener& listener = *desk.listener;
  ServerConnection* server = worker.servers_.find(listener.server);
  if (!server) {
    if (!listener.channels.empty()) (void)open(worker, desk);
    return;
  }
  if (server->login || listener.busy) return;
  std::string sql;
  for (const std::string& name : listener.unwanted) sql += "UNLISTEN " + quote_channel(name) + ";";
  listener.unwanted.clear();
  if (!listener.ready) sql += "LISTEN " + quote_channel(listener.marker) + ";";
  for (const auto& [name, channel] : listener.channels) {
    if (channel.confirmed) continue;
    sql += "LISTEN " + quote_channel(name) + ";";
    listener.asked.push_back(name);
  }
  if (!sql.empty()) send(worker, *server, sql);
}

void Listeners::send(Worker& worker, ServerConnection& server, const std::string& sql) {
  SharedListener& listener = *server.desk->listener;
  listener.busy = true;
  listener.refused = false;
  listener.asked_at = worker.loop_.now();
  Buffer words;
  compose::query(words, sql);
  server.talk.on_request('Q', For::pooler);
  worker.send_to_server(server, words);
}

void Listeners::on_answered(Worker& worker, ServerConnection& server) {
  PoolDesk& desk = *server.desk;
  SharedListener& listener = *desk.listener;
  listener.busy = false;
  if (listener.refused) return worker.end_server(server, CloseReason::test_failed, "the listener's LISTEN failed: " + server.job_error);
  if (!std::exchange(listener.ready, true)) {
    listener.ready_at = worker.loop_.now();
    listener.failures = 0;
    if (listener.incarnation > 0) worker.log_server(log::Level::log, server, "listens again on {} channels", listener.asked.size());
  }
  std::vector<Token> clients;
  for (const std::string& name : std::exchange(listener.asked, {})) {
    const auto found = listener.channels.find(name);
    if (found == listener.channels.end()) {
      listener.unwanted.push_back(name);       // it has been given up meanwhile
      continue;
    }
    found->second.confirmed = true;
    clients.insert(clients.end(), found->second.clients.begin(), found->second.clients.end());
  }
  for (const Token token : clients) {
    ClientSession* client = worker.clients_.find(token);
    if (!client || !client->channels) continue;
    if (client->channels->lost_since != WallTime{}) note_gap(worker, *client);
    if (client->server && client->pin == PinReason::channel) worker.release_if_possible(*client->server);
  }
  pump(worker, desk);
}

// --- hearing

void Listeners::hear(Worker& worker, ServerConnection& server, Bytes input) {
  SharedListener& listener = *server.desk->listener;
  listener.heard_at = worker.loop_.now();
  listener.heard_wall = worker.loop_.wall_now();
  while (auto piece = server.framer.next(input)) {
    if (piece->starts) {
      const Bytes body = piece->body();
      const auto verdict = server.talk.on_reply(piece->tag, body.empty() ? '\0' : static_cast<char>(body[0]));
      const bool unasked = verdict.disposition == Disposition::out_of_sync && piece->tag != 'E';
      if (unasked) return worker.end_server(server, CloseReason::protocol_violation);
      if (piece->tag == 'E') {
        const ReportView report(body);
        server.job_error = report.message();
        listener.refused = true;
        if (report.severity() == "FATAL" || report.severity() == "PANIC") server.said_fatal = true;
      }
    }
    if (piece->tag != 'A') continue;
    if (piece->whole()) {
      on_notification(worker, *server.desk, piece->bytes);
      continue;
    }
    append(listener.partial, piece->bytes);
    if (piece->ends) on_notification(worker, *server.desk, std::exchange(listener.partial, {}));
  }
  if (server.framer.failed()) return worker.end_server(server, CloseReason::protocol_violation);
  server.framer.end_turn();
  // It has announced its end, and has nothing more to say.
  if (server.said_fatal) return worker.end_server(server, CloseReason::server_conn_crashed, server.job_error);
  if (listener.busy && server.talk.nothing_owed()) on_answered(worker, server);
}

void Listeners::on_notification(Worker& worker, PoolDesk& desk, Bytes message) {
  SharedListener& listener = *desk.listener;
  WireReader reader(message.subspan(header_bytes));
  (void)reader.u32();                                  // whose it is
  const std::string_view name = reader.cstring();
  if (name == listener.marker) return on_marker(worker, listener, reader.cstring());
  const auto found = listener.channels.find(name);
  if (found == listener.channels.end()) return;
  for (const Token token : found->second.clients) {
    ClientSession* client = worker.clients_.find(token);
    if (!client || !client->channels) continue;
    const auto& list = client->channels->list;
    const auto heard_here = [&](const auto& known) { return known.on_listener && known.name == name; };
    if (std::none_of(list.begin(), list.end(), heard_here)) continue;
    append(client->channels->waiting, message);
    wake(worker, *client);
  }
}

// From here on the listener tells the client what its own server told it before.
void Listeners::on_marker(const Worker& worker, SharedListener& listener, std::string_view payload) {
  const auto move = std::find_if(listener.moves.begin(), listener.moves.end(),
                                 [&](const auto& known) { return std::to_string(known.first) == payload; });
  if (move == listener.moves.end()) return;
  const auto [id, token] = *move;
  listener.moves.erase(move);
  const ClientSession* client = worker.clients_.find(token);
  if (!client || !client->channels) return;
  for (ClientChannels::Channel& channel : client->channels->list) channel.on_listener |= channel.move == id;
}

}  // namespace pgweir
