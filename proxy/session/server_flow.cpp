// A server from connecting to its first ReadyForQuery, and what the pooler itself asks of it.
#include "protocol/auth/secret.h"
#include "protocol/backend.h"
#include "protocol/compose.h"
#include "protocol/wire.h"
#include "proxy/session/audit.h"
#include "proxy/session/hidden_code.h"
#include "proxy/session/server_login.h"
#include "proxy/session/worker.h"

namespace pgweir {

void Worker::connect(ServerConnection& server) {
  PoolDesk& desk = *server.desk;
  const DatabaseConfig& entry = *desk.database;
  server.facts.address.port = entry.port;
  if (!entry.hosts.empty() && !server.other_tls_tried) {
    server.host_index = desk.hosts.pick(entry.hosts.size(), entry.load_balance_hosts, loop_.now());
    server.facts.address.host = entry.hosts[server.host_index];
  }
  ServerSecret secret;
  secret.user = desk.pool.user();
  secret.database = entry.server_database();
  secret.nonce = fresh_nonce();
  // The password of a forced user is not auth_user's, whose pool the database may have as well.
  const bool forced = entry.user == secret.user;
  const std::string* known = config_->secret(secret.user);
  if (entry.password && (forced || entry.user.empty())) secret.secret = *entry.password;
  else if (known && !known->empty()) secret.secret = *known;
  else if (!forced) secret.secret = shared_.credentials.looked_up(desk.pool.database(), secret.user);
  if (!forced) secret.keys = shared_.credentials.login_keys(secret.user, secret.secret);
  for (const auto& [name, value] : {std::pair{"client_encoding", &entry.client_encoding}, {"datestyle", &entry.datestyle},
                                    {"timezone", &entry.timezone}, {"application_name", &entry.application_name}}) {
    if (!value->empty()) secret.parameters.emplace_back(name, *value);
  }
  if (server.dedicated) DedicatedServers::ask(*this, server, secret);
  if (server.listens) Listeners::ask(server, secret);
  secret.long_keys = config_->globals.server_long_cancel_keys;
  server.login = std::make_unique<ServerLogin>(std::move(secret));
  connector_.connect(server.facts.address, server.token);
}

std::string Worker::fresh_nonce() {
  std::byte raw[18];
  for (std::size_t i = 0; i < sizeof raw; i += 6) {
    const std::uint64_t random = shared_.fleet.random_secret();
    std::memcpy(raw + i, &random, 6);
  }
  return base64_encode(raw);
}

void Worker::on_server_connected(ServerConnection& server) {
  if (config_->globals.log_connections) {
    const Endpoint local = server.stream->local();
    if (local.family == Endpoint::Family::unix_socket) log_server(log::Level::log, server, "new connection to server");
    else log_server(log::Level::log, server, "new connection to server (from {}:{})", local.address, local.port);
  }
  server.facts.opened_at = server.pooled.opened_at = loop_.now();
  greet_server(server);
}

void Worker::on_server_login_bytes(ServerConnection& server, Bytes input) {
  if (server.facts.tls == ServerTls::asked) return on_tls_answer(server, input);
  auto event = ServerLogin::Event::more;
  while (event == ServerLogin::Event::more && !input.empty()) {
    Buffer out;
    event = server.login->on_bytes(server.framer, input, out);
    if (!out.empty()) send_to_server(server, out);
    if (server.state() == ServerState::leaving) return;
  }
  server.framer.end_turn();
  if (event == ServerLogin::Event::failed) {
    const ServerLogin& login = *server.login;
    if (login.refused() && try_other_encryption(server, login.sqlstate())) return;
    if (login.refused()) log_server(log::Level::warning, server, "server login failed: FATAL {}", login.failure());
    return on_open_failed(server, CloseReason::server_login_error, login.failure(), login.sqlstate());
  }
  if (event != ServerLogin::Event::ready) return;
  on_logged_in(server);
  if (!input.empty() && server.state() != ServerState::leaving) from_server(server, input);
}

void Worker::on_logged_in(ServerConnection& server) {
  PoolDesk& desk = *server.desk;
  const std::unique_ptr<ServerLogin> login = std::move(server.login);
  server.facts.backend_pid = login->backend_pid();
  server.facts.cancel_key = login->cancel_key();
  server.facts.lifetime = server.pooled.lifetime = desk.pool.draw_lifetime(random_);
  if (server.dedicated) {
    keep_parameters(server, *login, nullptr);
    if (desk.removed || desk.pool.paused || server.facts.config_generation != desk.config_generation) {
      return end_server(server, CloseReason::obsolete_connection);
    }
    if (server.listens) return Listeners::on_ready(*this, server);
    return DedicatedServers::on_ready(*this, server, *login);
  }
  // Told anew with each login, so that an upgraded server is not described by its past.
  desk.welcome.clear();
  keep_parameters(server, *login, &desk.welcome);
  // Clients of this pool that set nothing share the values with its servers: equal pointers, nothing to compare.
  if (desk.server_parameters && server.facts.parameters && *desk.server_parameters == *server.facts.parameters) {
    server.facts.parameters = desk.server_parameters;
  } else {
    desk.server_parameters = server.facts.parameters;
  }
  desk.welcome_known = true;
  shared_.ledger.keep_welcome(desk.pool.account(), std::make_shared<Welcome>(Welcome{desk.welcome, desk.server_parameters}));
  desk.fast_fail = false;
  desk.pool.on_opened(loop_.now());
  look_again_.push_back(desk.pool.account().key);
  welcome_waiting(desk);
  if (server.pooled.close_needed || server.facts.config_generation != desk.config_generation || desk.removed) {
    return end_server(server, CloseReason::obsolete_connection);
  }
  if (desk.pool.paused) return end_server(server, CloseReason::pause_mode);
  if (!desk.database->connect_query.empty()) {
    return start_job(server, ServerJob::connect_query, desk.database->connect_query);
  }
  server.checked = true;
  if (!HiddenCode::ask_first(*this, server)) make_available(server);
}

// The next host of a list, when this one cannot be reached or is not ready. True: it is being tried.
bool Worker::try_next_host(ServerConnection& server, const std::string& text) {
  PoolDesk& desk = *server.desk;
  const std::size_t hosts = desk.database->hosts.size();
  desk.hosts.failed(server.host_index, loop_.now() + desk.pool.settings.login_retry);
  if (++server.hosts_tried >= hosts || desk.removed || stopping_) return false;
  log_server(log::Level::log, server, "{}: {}; trying the next host", server.facts.address.host, text);
  start_over(server);
  server.other_tls_tried = false;
  server.pooled.since = loop_.now();     // server_connect_timeout is each host's
  connect(server);
  return true;
}

// To be connected once more, as if it never had been.
void Worker::start_over(ServerConnection& server) {
  connector_.abandon(server.token);
  server.facts.tls = ServerTls::plain;
  server.stream.reset();
  server.outbox = {};
  server.framer.reset();
}

// What it told at its login: the followed settings are its own, the rest goes to `rest` for clients to hear.
void Worker::keep_parameters(ServerConnection& server, const ServerLogin& login, Buffer* rest) {
  for (const auto& [name, value] : login.parameters()) {
    const std::size_t place = shared_.tracked.place_of(name);
    if (place != policy::TrackedParameters::none) {
      server.facts.parameters = policy::with_value(server.facts.parameters, place, value, shared_.tracked.size());
    } else if (rest) {
      compose::parameter_status(*rest, name, value);
    }
  }
}

void Worker::on_open_failed(ServerConnection& server, CloseReason reason, const std::string& text,
                            const std::string& sqlstate) {
  PoolDesk& desk = *server.desk;
  const bool refused = server.login && server.login->refused();
  const bool starting_up = sqlstate == "57P03";
  const bool unreachable = !refused && reason != CloseReason::server_login_error;
  if ((unreachable || starting_up) && desk.database->hosts.size() > 1 && try_next_host(server, text)) return;
  if (server.listens) return end_server(server, reason, text);
  if (server.dedicated) return DedicatedServers::on_failed(*this, server, reason, text, sqlstate);
  desk.pool.on_open_failed(loop_.now(), random_, text, sqlstate);
  end_server(server, reason, reason == CloseReason::server_login_error ? std::string{} : text);
  // Who refuses a login will refuse the next one; who cannot be reached, or is starting, may be there in a moment.
  const bool ours = reason == CloseReason::server_login_error && !refused;
  if ((!refused && !ours) || starting_up) return;
  desk.fast_fail = true;
  if (no_server_works(desk)) fail_waiters(desk, ours ? "server login failed: " + text : text, sqlstate);
}

void Worker::fail_waiters(PoolDesk& desk, const std::string& text, const std::string& sqlstate) {
  while (Waiter* waiter = desk.pool.waiters().front()) {
    refuse_waiter(*waiter, CloseReason::server_login_failed, text, sqlstate);
  }
  while (Waiter* waiter = desk.pool.login_waiters().front()) {
    end_client(*static_cast<ClientSession*>(waiter->session), CloseReason::server_login_failed, text, sqlstate);
  }
}

// --- the pooler's own queries

void Worker::begin_job(ServerConnection& server, ServerJob job) {
  server.job = job;
  server.job_failed = false;
  server.job_error.clear();
  server.request_at = loop_.now();
  const bool with_client = job == ServerJob::setup || job == ServerJob::look || job == ServerJob::give_channels ||
                           job == ServerJob::move_channels;
  if (!with_client) {
    server.desk->pool.move(server.pooled, ServerState::tested, loop_.now());
    publish(*server.desk);
  }
}

void Worker::start_job(ServerConnection& server, ServerJob job, const std::string& sql) {
  begin_job(server, job);
  server.talk.on_request('Q', For::pooler);
  Buffer out;
  compose::query(out, sql == "<empty>" ? std::string_view{} : sql);
  send_to_server(server, out);
}

void Worker::on_job_done(ServerConnection& server) {
  const ServerJob job = server.job;
  server.job = ServerJob::none;
  if (job == ServerJob::lookup) return on_lookup_done(server);
  if (server.job_failed) {
    log_server(log::Level::warning, server, "{} failed: {}",
               job == ServerJob::setup           ? "SET of the client's parameters"
               : job == ServerJob::reset         ? "server_reset_query"
               : job == ServerJob::look          ? "looking at the session"
               : job == ServerJob::clean         ? "DISCARD ALL"
               : job == ServerJob::audit         ? "session audit"
               : job == ServerJob::hidden_code   ? "looking for code that changes sessions"
               : job == ServerJob::connect_query ? "connect_query"
               : job == ServerJob::give_channels ? "LISTEN"
               : job == ServerJob::move_channels ? "UNLISTEN"
                                                 : "server_check_query",
               server.job_error);
  }
  switch (job) {
    case ServerJob::setup: {
      ClientSession& client = *server.client;
      if (server.job_failed) {
        server.close_reason = CloseReason::invalid_server_parameter;
        // PgBouncer's words for its own parameters; the server's for what the client has set beyond them.
        const bool theirs = !policy::same_settings(client.settings, server.facts.settings);
        return end_client(client, CloseReason::invalid_server_parameter, theirs ? server.job_error : std::string{});
      }
      // The server's spelling, so that `ISO` and `ISO, MDY` do not differ for ever.
      client.parameters = server.facts.parameters;
      if (isolates(*server.desk)) server.facts.settings = client.settings;
      client.phase = ClientPhase::leasing;
      client.last_state += loop_.now() - server.request_at;
      return feed_held(client);
    }
    case ServerJob::look:
      return on_looked(server);
    case ServerJob::audit:
      return ResidueAudit::on_answer(*this, server);
    case ServerJob::give_channels:
      return Listeners::on_given(*this, server);
    case ServerJob::move_channels:
      return Listeners::on_moved(*this, server);
    case ServerJob::reset: case ServerJob::clean:
      if (server.job_failed || server.talk.transaction() != TxStatus::idle) {
        return end_server(server, CloseReason::reset_failed);
      }
      if (job == ServerJob::clean) server.facts.settings = nullptr;
      // DISCARD ALL has taken back what it had set.
      if (const std::string& query = server.desk->database->connect_query; job == ServerJob::clean && !query.empty()) {
        return start_job(server, ServerJob::connect_query, query);
      }
      break;
    case ServerJob::check:
      if (server.job_failed) return end_server(server, CloseReason::test_failed);
      server.checked = true;
      break;
    case ServerJob::hidden_code:
      HiddenCode::on_answer(*this, server);
      break;
    case ServerJob::connect_query: case ServerJob::lookup: case ServerJob::none:
      if (!close_if_unfit(server) && !HiddenCode::ask_first(*this, server)) make_available(server);
      return;                          // errors of connect_query are logged and ignored
  }
  if (!close_if_unfit(server)) make_available(server);
}

void Worker::send_to_server(ServerConnection& server, Bytes bytes) {
  if (server.outbox.send(*server.stream, bytes) == Outbox::Result::failed) on_server_gone(server, 0);
}

void Worker::log_while_idle(const ServerConnection& server, const Piece& piece) {
  if (!log::enabled(log::Level::debug)) return;
  if (piece.tag == 'N') return log_server(log::Level::debug, server, "notice while idle: {}", ReportView(piece.body()).message());
  WireReader reader(piece.body());
  (void)reader.u32();                                  // whose it is
  log_server(log::Level::debug, server, "notification while idle: {}", reader.cstring());
}

}  // namespace pgweir
