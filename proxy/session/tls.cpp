// Where TLS begins: with clients, with servers, and for the cancel requests that follow a server's connection. What it
// is made of is proxy/net's.
#include "protocol/compose.h"
#include "proxy/session/server_login.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

// server_tls_sslmode allow begins without TLS and prefer with it; each tries the other way when the first fails.
bool wants_tls(const ServerConnection& server, SslMode mode) {
  if (server.stream->remote().family == Endpoint::Family::unix_socket) return false;
  switch (mode) {
    case SslMode::disable:
      return false;
    case SslMode::allow:
      return server.other_tls_tried;
    case SslMode::prefer:
      return !server.other_tls_tried;
    default:
      return true;
  }
}

}  // namespace

// --- clients

// `received` are the first bytes of the handshake, when no SSLRequest went before it.
void Worker::begin_client_tls(ClientSession& client, Bytes received) {
  if (client.phase == ClientPhase::leaving) return;
  client.tls = true;
  client.request_at = loop_.now();
  TlsStart start;
  start.received = received;
  // Words of ours that had not left before the handshake would be taken for a part of it.
  if (!client.outbox.empty() || !client.stream->start_tls(start)) on_client_gone(client, 0);
}

void Worker::on_secured(Token token) {
  if (token.kind == Token::Kind::client) {
    const ClientSession* client = clients_.find(token);
    if (client && client->login) tally_.client_tls.add(loop_.now() - client->request_at);
  } else if (token.kind == Token::Kind::server) {
    ServerConnection* server = servers_.find(token);
    if (!server || server->state() == ServerState::leaving || !server->login) return;
    server->facts.tls = ServerTls::on;
    tally_.server_tls.add(loop_.now() - server->request_at);
    const TlsFacts facts = server->stream->tls_facts();
    if (config_->globals.log_connections) {
      log_server(log::Level::log, *server, "SSL established: {}", facts.info);
    }
    server->login->bind_to_channel(facts.server_end_point);
    start_login(*server);
  } else if (token.kind == Token::Kind::cancel) {
    CancelJob* job = cancels_.find(token);
    if (!job || job->over) return;
    job->tls = ServerTls::on;
    on_cancel_connected(*job);
  }
}

// --- servers

void Worker::greet_server(ServerConnection& server) {
  if (!wants_tls(server, config_->globals.server_tls_sslmode)) return start_login(server);
  const Globals& globals = config_->globals;
  if (globals.server_tls_direct && globals.server_tls_sslmode >= SslMode::require) return begin_server_tls(server, true);
  server.facts.tls = ServerTls::asked;
  Buffer out;
  compose::ssl_request(out);
  send_to_server(server, out);
}

void Worker::start_login(ServerConnection& server) {
  Buffer out;
  server.login->start(out);
  send_to_server(server, out);
}

void Worker::begin_server_tls(ServerConnection& server, bool direct) {
  server.facts.tls = ServerTls::handshake;
  server.request_at = loop_.now();
  TlsStart start;
  start.role = TlsRole::client;
  start.host = server.facts.address.host;
  start.direct = direct;
  if (!server.stream->start_tls(start)) on_server_gone(server, 0);
}

// One byte, and nothing behind it: what comes before the handshake may be anybody's.
void Worker::on_tls_answer(ServerConnection& server, Bytes input) {
  const auto fail = [&](const char* text) {
    on_open_failed(server, CloseReason::server_login_error, text, "08P01");
  };
  const char answer = static_cast<char>(input[0]);
  if (input.size() > 1 && answer != 'E') return fail("received unencrypted data after SSL response");
  if (answer == 'S') return begin_server_tls(server, false);
  if (answer != 'N') return fail("unexpected answer to SSLRequest");
  if (config_->globals.server_tls_sslmode >= SslMode::require) return fail("server refused SSL");
  server.facts.tls = ServerTls::plain;
  if (server.other_tls_tried) return fail("server refused SSL");       // allow: without it we have been refused already
  start_login(server);
}

// The second way of `allow` (TLS, when pg_hba.conf refuses us without) and of `prefer` (no TLS, when the handshake fails
// or pg_hba.conf refuses us with it). True: it has begun.
bool Worker::try_other_encryption(ServerConnection& server, const std::string& sqlstate) {
  const SslMode mode = config_->globals.server_tls_sslmode;
  const bool has_tls = server.facts.tls == ServerTls::on || server.facts.tls == ServerTls::handshake;
  const bool has_way = (mode == SslMode::allow && !has_tls) || (mode == SslMode::prefer && has_tls);
  const bool about_encryption = server.facts.tls == ServerTls::handshake || sqlstate == "28000";
  if (!has_way || !about_encryption || server.other_tls_tried) return false;
  if (server.stream->remote().family == Endpoint::Family::unix_socket) return false;
  const std::string why = server.facts.tls == ServerTls::handshake ? "TLS handshake failed: " + server.stream->tls_facts().error
                                                                   : server.login->failure();
  log_server(log::Level::log, server, "{}; trying again {} TLS", why, has_tls ? "without" : "with");
  server.other_tls_tried = true;
  start_over(server);
  connect(server);
  return true;
}

// --- cancel requests

// `asked`: the server has agreed to TLS.
void Worker::secure_cancel(CancelJob& job, bool asked) {
  const bool direct = config_->globals.server_tls_direct && config_->globals.server_tls_sslmode >= SslMode::require;
  if (!asked && !direct) {
    job.tls = ServerTls::asked;
    Buffer out;
    compose::ssl_request(out);
    const iovec part{out.data(), out.size()};
    if (job.stream->try_write({&part, 1}).wrote != out.size()) finish_cancel(job, "connect failed");
    return;
  }
  const ServerConnection* server = servers_.find(job.server);
  job.tls = ServerTls::handshake;
  TlsStart start;
  start.role = TlsRole::client;
  start.host = server ? server->facts.address.host : std::string{};
  start.direct = !asked;
  if (!server || !job.stream->start_tls(start)) finish_cancel(job, "connect failed");
}

void Worker::on_cancel_bytes(CancelJob& job, Bytes input) {
  if (job.over || job.tls != ServerTls::asked) return;
  if (input.size() != 1 || input[0] != std::byte{'S'}) return finish_cancel(job, "server refused SSL");
  secure_cancel(job, true);
}

}  // namespace pgweir
