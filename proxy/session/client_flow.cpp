// A client from its first byte to its first ReadyForQuery.
#include <algorithm>

#include "protocol/auth/secret.h"
#include "protocol/compose.h"
#include "proxy/session/client_login.h"
#include "proxy/session/worker.h"

namespace pgweir {

void Worker::on_client_bytes(ClientSession& client, Bytes bytes) {
  switch (client.phase) {
    case ClientPhase::starting: case ClientPhase::proving:
      return on_login_bytes(client, bytes);
    case ClientPhase::idle: case ClientPhase::leasing:
      return client.stalled ? hold(client, bytes) : from_client(client, bytes);
    case ClientPhase::looking_up: case ClientPhase::welcoming: case ClientPhase::queued: case ClientPhase::preparing:
      return hold(client, bytes);
    case ClientPhase::console:
      return from_console_client(client, bytes);
    case ClientPhase::canceling: case ClientPhase::leaving:
      return;
  }
}

void Worker::from_console_client(ClientSession& client, Bytes input) {
  while (client.phase == ClientPhase::console) {
    auto piece = client.framer.next(input);
    if (client.framer.failed()) return end_client(client, CloseReason::unknown_packet);
    if (!piece) break;
    if (!piece->starts) continue;
    if (piece->tag == 'X') return end_client(client, CloseReason::client_close_request);
    shared_.console->on_message(*this, client, piece->tag, piece->body());
  }
  client.framer.end_turn();
}

void Worker::on_login_bytes(ClientSession& client, Bytes input) {
  client.login->offer_tls(!client.unix_socket && config_->globals.client_tls_sslmode != SslMode::disable);
  if (client.login->take_direct_tls(input)) return begin_client_tls(client, input);
  Buffer answer;
  auto event = ClientLogin::Event::more;
  do {
    event = client.login->on_bytes(input, answer);
    if (event == ClientLogin::Event::startup && move_home(client, input)) return;
    if (event == ClientLogin::Event::startup) event = on_startup(client, answer);
    if (client.phase == ClientPhase::leaving) return;
    if (client.phase == ClientPhase::looking_up) return hold(client, input);
    if (event == ClientLogin::Event::password) {
      judge_password(client);
      return hold(client, input);
    }
    if (event == ClientLogin::Event::cancel) {
      const StartupPacket& packet = client.login->packet();
      return on_cancel_request(client, packet.cancel_pid, packet.cancel_key);
    }
  } while (event == ClientLogin::Event::encryption || (event == ClientLogin::Event::more && !input.empty()));
  conclude_login(client, event, answer, input);
}

// Says what a step of the login came to. `rest`: what the client has sent behind it.
void Worker::conclude_login(ClientSession& client, ClientLogin::Event event, const Buffer& answer, Bytes rest) {
  if (!answer.empty()) tell(client, answer);
  if (event == ClientLogin::Event::start_tls) return begin_client_tls(client, {});
  if (event == ClientLogin::Event::failed) return fail_login(client);
  if (event == ClientLogin::Event::proven) {
    if (!rest.empty()) hold(client, rest);
    on_proven(client);
  }
}

void Worker::fail_login(ClientSession& client) {
  const ClientLogin& login = *client.login;
  if (!login.failure_detail().empty()) log_client(log::Level::log, client, "{}", login.failure_detail());
  if (config_->globals.log_connections && !login.user.empty()) {
    log_client(log::Level::log, client, "login failed: db={} user={}", login.database, login.user);
  }
  end_client(client, login.failure(), login.failure_text());
}

// --- the StartupMessage has been read

ClientLogin::Event Worker::on_startup(ClientSession& client, Buffer& answer) {
  ClientLogin& login = *client.login;
  client.phase = ClientPhase::proving;
  if (!read_startup_parameters(client)) return ClientLogin::Event::failed;
  if (config_->globals.log_connections) {
    log_client(log::Level::log, client, "login attempt: db={} user={} tls={} replication={}", login.database, login.user,
               client.tls ? client.stream->tls_facts().info : "no", DedicatedServers::asked(client));
  }
  login.for_console = login.database == console_database;
  if (!admit(client)) return ClientLogin::Event::failed;
  if (const auto negotiation = negotiation_for(login.packet())) {
    compose::negotiate_protocol_version(answer, negotiation->newest, negotiation->unknown_extensions);
  }
  client.long_key = login.packet().minor >= protocol_3_2_minor;
  return begin_proof(client, answer);
}

// Limits that are checked before anybody proves anything.
bool Worker::admit(ClientSession& client) {
  ClientLogin& login = *client.login;
  if (config_->globals.client_tls_sslmode >= SslMode::require && !client.unix_socket && !client.tls) {
    end_client(client, CloseReason::ssl_required);
    return false;
  }
  login.own_uid = login.for_console && login.user == console_database && client.unix_socket &&
                  client.stream->remote().peer_uid == shared_.own_uid;
  const bool console_user = login.for_console && (login.own_uid || config_->is_admin(login.user) || config_->is_stats_user(login.user));
  if (!console_user && shared_.ledger.sockets() > config_->globals.max_client_conn) {
    end_client(client, CloseReason::max_client_conn);
    return false;
  }
  if (login.for_console) return true;
  login.entry = config_->database(login.database);
  if (!login.entry) return true;
  const ClientLimits limits = client_limits(*config_, *login.entry, login.user);
  client.counted_database = shared_.ledger.admit_database_client(login.database, limits.max_db_client_connections);
  if (!client.counted_database) {
    end_client(client, CloseReason::max_db_client_connections);
    return false;
  }
  client.counted_user = shared_.ledger.admit_user_client(login.user, limits.max_user_client_connections);
  if (!client.counted_user) {
    end_client(client, CloseReason::max_user_client_connections);
    return false;
  }
  return true;
}

// --- the client is who it says

void Worker::on_proven(ClientSession& client) {
  ClientLogin& login = *client.login;
  if (const auto keys = login.login_keys()) shared_.credentials.keep_login_keys(login.user, login.secret(), *keys);
  if (login.for_console) return enter_console(client);
  login.entry = config_->database(login.database);       // a reload may have come since the StartupMessage
  if (!login.entry) {
    return end_client(client, CloseReason::no_such_database, "no such database: " + login.database);
  }
  if (database_disabled(login.database)) {
    return end_client(client, CloseReason::database_disabled, "database \"" + login.database + "\" is disabled");
  }
  if (!lets_in(client)) return end_client(client, CloseReason::pooler_shutting_down);
  if (config_->globals.auth_type == AuthType::any && login.entry->user.empty()) {
    return end_client(client, CloseReason::bouncer_config_error);
  }
  client.route = &route(login.database, login.user, login.entry);
  PoolDesk& desk = *client.desk();
  if (!client.replication && knows_welcome(desk)) return welcome(client);
  client.phase = ClientPhase::welcoming;
  client.waiter.since = loop_.now();
  if (client.replication) return (void)DedicatedServers::open(*this, client);
  desk.pool.login_waiters().push_back(client.waiter);
  open_wanted(desk);
  client.wait_reason = wait_reason(desk);
}

void Worker::enter_console(ClientSession& client) {
  const ClientLogin& login = *client.login;
  const bool admin = login.own_uid || config_->is_admin(login.user);
  if (!shared_.console || (!admin && !config_->is_stats_user(login.user))) {
    return end_client(client, CloseReason::console_not_allowed);
  }
  client.console = std::make_unique<ConsoleState>();
  client.console->admin = admin;
  client.console->own_uid = login.own_uid;
  auto& place = routes_[{login.database, login.user}];
  if (!place) place = std::make_unique<Route>(Route{login.database, login.user, nullptr, {}});
  client.route = place.get();
  Buffer out;
  compose::authentication_ok(out);
  for (const auto& [name, value] : {std::pair{"server_version", PGWEIR_PARITY "/bouncer"},
                                    {"client_encoding", "UTF8"}, {"server_encoding", "UTF8"}, {"DateStyle", "ISO"},
                                    {"TimeZone", "GMT"}, {"standard_conforming_strings", "on"}, {"is_superuser", "on"}}) {
    compose::parameter_status(out, name, value);
  }
  finish_welcome(client, out, ClientPhase::console);
}

// Tells the client that it is in, with the parameters of the pool's servers.
void Worker::welcome(ClientSession& client) {
  PoolDesk& desk = *client.desk();
  ++desk.stats.client_logins;
  ++desk.pool.clients;
  Buffer out;
  compose::authentication_ok(out);
  append(out, desk.welcome);
  if (!client.parameters) {
    client.parameters = desk.server_parameters;
  } else {
    for (std::size_t i = 0; i < shared_.tracked.size(); ++i) {
      const auto* own = policy::value_at(client.parameters, i);
      const auto* usual = policy::value_at(desk.server_parameters, i);
      if ((!own || !*own) && usual && *usual)
        client.parameters = policy::with_value(client.parameters, i, **usual, shared_.tracked.size());
    }
    client.parameters = parameter_pool_.same_as(std::move(client.parameters));
  }
  for (std::size_t i = 0; i < shared_.tracked.size(); ++i) {
    const auto* value = policy::value_at(client.parameters, i);
    if (value && *value) compose::parameter_status(out, shared_.tracked.name(i), **value);
  }
  // By these a driver can tell that there is a pooler, and what it may rely on. libpq: PQparameterStatus().
  compose::parameter_status(out, "pgweir.version", PGWEIR_VERSION);
  compose::parameter_status(out, "pgweir.pool_mode", pgweir::name_of(desk.mode));
  const bool shared = desk.mode != PoolMode::session;
  compose::parameter_status(out, "pgweir.session_state", shared ? pgweir::name_of(desk.limits.session_state) : "session");
  finish_welcome(client, out, ClientPhase::idle);
}

void Worker::finish_welcome(ClientSession& client, Buffer& out, ClientPhase phase) {
  const CancelKey key = cancel_keys_.issue(client, config_->globals.peer_id, shared_.fleet.random_secret());
  compose::backend_key_data(out, key.pid, as_bytes(key.key));
  if (const std::string& notice = config_->globals.login_notify_message; !notice.empty()) {
    compose::notice_response(out, "NOTICE", "00000", notice);
  }
  compose::ready_for_query(out);
  tally_.login.add(loop_.now() - client.connected_at);
  logins_.remove(client);
  client.login.reset();
  client.phase = phase;
  client.idle_since = client.request_at = loop_.now();
  if (phase != ClientPhase::leasing) idle_clients_.push_back(client);
  tell(client, out);
  if (!client.held) return;
  const std::unique_ptr<Buffer> early = std::move(client.held);
  update_reading(client);
  on_client_bytes(client, *early);
}

// A worker without a server of its own repeats what one of another worker's has told: the pool may have no place left.
bool Worker::knows_welcome(PoolDesk& desk) {
  if (desk.welcome_known) return true;
  const auto told = shared_.ledger.welcome(desk.pool.account());
  if (!told) return false;
  desk.welcome = told->statuses;
  desk.server_parameters = told->parameters;
  return desk.welcome_known = true;
}

void Worker::welcome_waiting(PoolDesk& desk) {
  while (Waiter* waiter = desk.pool.login_waiters().pop_front()) {
    welcome(*static_cast<ClientSession*>(waiter->session));
  }
}

}  // namespace pgweir
