// The data plane's way back: a server's replies to its client. Runs of untouched messages leave in one system call,
// straight from the buffer they arrived in.
#include "protocol/backend.h"
#include "proxy/session/hidden_code.h"
#include "proxy/session/refusals.h"
#include "proxy/session/server_login.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

// Old enough for its address to have moved since.
constexpr Duration read_only_age = seconds(1);

// Most messages need no more than to be passed on. True: it has been noted, and Worker::pass_on() does the rest of what
// on_server_piece() would. Not while a batch is repeated, nor behind an error: then only a Sync or a Query is owed.
bool note_plain_reply(ServerConnection& server, const Piece& piece) {
  return piece.whole() && server.client && server.talk.on_plain_reply(piece.tag);
}

}  // namespace

void Worker::from_server(ServerConnection& server, Bytes input) {
  if (server.login) return on_server_login_bytes(server, input);
  if (server.listens) return Listeners::hear(*this, server, input);
  Run run;
  while (auto piece = server.framer.next(input)) {
    if (note_plain_reply(server, *piece)) {
      if (!pass_on(server, *piece, run)) return;
    } else if (!on_server_piece(server, *piece, run)) {
      return;
    }
  }
  if (server.framer.failed()) {
    if (server.client) end_client(*server.client, CloseReason::protocol_violation);
    if (server.state() != ServerState::leaving) end_server(server, CloseReason::protocol_violation);
    return;
  }
  if (server.talk.has_news() && server.framer.between_messages() && !add_fakes(server, run)) return;
  flush_to_client(server, run);
  server.framer.end_turn();
  if (server.state() == ServerState::leaving) return;
  if (server.client && server.client->stalled && (server.talk.nothing_owed() || server.talk.in_copy())) {
    return resume_stalled(*server.client);
  }
  if (server.job != ServerJob::none && server.talk.nothing_owed() && server.framer.between_messages()) return on_job_done(server);
  release_if_possible(server);
}

// False: the server is gone, and so is what the run points to.
bool Worker::pass_on(ServerConnection& server, const Piece& piece, Run& to_client) {
  server.swallowing = server.may_repeat = false;
  if (server.talk.has_news() && !settle_assumptions(server)) return false;
  if (server.timed) server.clock.on_reply(piece.tag, piece.bytes.size(), {}, loop_.now());
  return forward(server, piece.bytes, to_client);
}

bool Worker::forward(ServerConnection& server, Bytes bytes, Run& to_client) {
  if (to_client.append(bytes)) return true;
  flush_to_client(server, to_client);
  if (server.state() == ServerState::leaving) return false;
  if (server.client) (void)to_client.append(bytes);
  return true;
}

// False: the server is gone, and so is what the run points to.
bool Worker::on_server_piece(ServerConnection& server, const Piece& piece, Run& to_client) {
  if (const auto told = Refusals::tell(*this, server, piece, to_client)) return *told == Refusals::Told::alive;
  if (piece.starts && server.talk.has_news() && !add_fakes(server, to_client)) return false;
  if (piece.starts && piece.tag == 'E' && may_leave_client(server)) {
    // It announces its end in the same breath as its last answer. That is not for the client, who would not hold it
    // any more had the two been read one after the other.
    flush_to_client(server, to_client);
    if (server.client) unlink(server);
  }
  if (piece.tag == 'Z' && piece.starts && server.restores) Restorer::on_ready(*this, server, to_client);
  if (piece.starts && !on_server_reply(server, piece)) return false;
  // What began when nobody held the server is nobody's to its end.
  if (piece.starts && !server.client) server.swallowing = true;
  if (server.lookup) server.lookup->reply.on_piece(piece.tag, piece.starts, piece.ends, piece.body());
  if (is_question(server.job) && piece.tag == 'D') hear(server, piece);
  if (server.swallowing || !server.client) return true;
  if (piece.tag == 'E' && piece.starts && correct_error(server, piece, to_client)) return server.client != nullptr;
  if (!forward(server, piece.bytes, to_client)) return false;
  if (piece.tag == 'Z' && piece.ends && !on_ready(server)) {
    return false;
  }
  return true;
}

bool Worker::on_server_reply(ServerConnection& server, const Piece& piece) {
  const Bytes body = piece.body();
  const ReplyVerdict verdict = server.talk.on_reply(piece.tag, body.empty() ? '\0' : static_cast<char>(body[0]));
  if (verdict.disposition == Disposition::out_of_sync) {
    log_server(log::Level::warning, server, "unexpected message '{}' from server", piece.tag);
    if (server.client) end_client(*server.client, CloseReason::protocol_violation);
    if (server.state() != ServerState::leaving) end_server(server, CloseReason::protocol_violation);
    return false;
  }
  server.swallowing = verdict.disposition == Disposition::swallow || server.repeating;
  if (!server.swallowing && piece.tag != 'E' && piece.tag != 'S' && piece.tag != 'N') server.may_repeat = false;
  switch (piece.tag) {
    case 'S':
      absorb_parameter(server, piece, !server.swallowing);
      break;
    case 'E':
      on_server_error(server, piece, verdict);
      if (server.state() == ServerState::leaving) return false;
      if (server.repeating) return true;
      break;
    case 'Z':
      server.repeating = false;
      break;
    case 'C':
      server.swallowing |= Restorer::is_ours(server, body);
      if (!server.swallowing) HiddenCode::on_command(*this, server, body);
      if (!body.empty() && (body[0] == std::byte{'D'} || body[0] == std::byte{'P'}) && on_sql_done(server, body)) {   // DEALLOCATE, DISCARD, PREPARE
        server.swallowing = true;
      }
      break;
    case 'N': case 'A':
      if (!server.client && server.state() == ServerState::idle) log_while_idle(server, piece);
      // A notification is the client's, also while we ask something ourselves.
      if (piece.tag == 'A' && server.client) server.swallowing = Listeners::swallows(server, body);
      break;
    default:
      break;
  }
  if (server.talk.has_news() && !settle_assumptions(server)) return false;
  if (server.timed && !server.swallowing) server.clock.on_reply(piece.tag, piece.length + 1, body, loop_.now());
  if (verdict.statements > 0) on_statement_over(server, verdict.statements);
  return true;
}

void Worker::on_server_error(ServerConnection& server, const Piece& piece, const ReplyVerdict& verdict) {
  on_batch_failed(server, piece, verdict);
  if (server.repeating) {
    server.swallowing = true;
    return;
  }
  const ReportView report(piece.body());
  const std::string_view severity = report.severity();
  if (severity == "FATAL" || severity == "PANIC") server.said_fatal = true;
  if (report.sqlstate() == "25006") replace_read_only(server);
  if (server.swallowing) {
    server.job_failed = true;
    server.job_error = report.message();
    if (Restorer::is_lost(server)) end_client(*server.client, CloseReason::invalid_server_parameter, server.job_error);
    return;
  }
  if (server.client) tally_.errors.add(report.sqlstate());
  if (!server.client) {
    // It announces its end, or something went wrong that nobody asked for: not fit for the next client.
    log_server(log::Level::log, server, "got packet 'E' from server when not linked: {}", report.message());
    end_server(server, CloseReason::idle_server_dirty);
  }
}

// A write was refused because all is read-only: after a failover the address may lead to another machine by now. It may
// as well be the client's own mistake, so that new connections are left alone.
void Worker::replace_read_only(ServerConnection& server) {
  if (server.pooled.close_needed || loop_.now() - server.pooled.opened_at < read_only_age) return;
  server.pooled.close_needed = true;
  log_server(log::Level::log, server, "is read-only (SQLSTATE 25006): to be replaced after its use");
}

void Worker::absorb_parameter(ServerConnection& server, const Piece& piece, bool forwarded) {
  const auto status = read_parameter_status(piece.body());
  if (!status) return;
  if (forwarded && Restorer::holds_back(*this, server, status->name)) server.swallowing = true, forwarded = false;
  const std::size_t place = shared_.tracked.place_of(status->name);
  if (place == policy::TrackedParameters::none) return;
  const bool same = server.client && server.client->parameters == server.facts.parameters;
  server.facts.parameters =
      policy::with_value(server.facts.parameters, place, status->value, shared_.tracked.size());
  if (!server.client || !forwarded) return;
  ClientSession& client = *server.client;
  client.parameters = same ? server.facts.parameters
                           : policy::with_value(client.parameters, place, status->value, shared_.tracked.size());
}

// ReadyForQuery for the client. False: the server is gone.
bool Worker::on_ready(ServerConnection& server) {
  ClientSession& client = *server.client;
  const TimePoint now = loop_.now();
  PoolStats& stats = server.desk->stats;
  const bool idle = server.talk.transaction() == TxStatus::idle;
  if (server.desk->mode == PoolMode::statement && !idle && !client.replication) {
    end_client(client, CloseReason::statement_mode_transaction);
    return false;
  }
  const bool ours_is_left = server.talk.pooler_is_answered() && !server.talk.owes_client_more();
  if (!server.talk.nothing_owed() && !ours_is_left) return true;
  if (client.in_query) {
    client.in_query = false;
    stats.query_us += static_cast<std::uint64_t>(count_us(now - client.query_since));
    server.desk->times.query.add(now - client.query_since);
  }
  client.idle_since = now;
  if (idle && server.timed) server.clock.forget_portals();
  if (client.in_transaction && idle) {
    client.in_transaction = false;
    stats.xact_us += static_cast<std::uint64_t>(count_us(now - client.xact_since));
    server.desk->times.xact.add(now - client.xact_since);
  }
  if (drain_.on() && idle) drain_.note_ready(client.token);
  if (idle && client.channels) Listeners::wake(*this, client);
  return true;
}

void Worker::flush_to_client(ServerConnection& server, Run& run) {
  if (run.empty()) return;
  if (!server.client) return run.clear();
  ClientSession& client = *server.client;
  server.desk->stats.sent_bytes += run.size();
  const auto result = client.outbox.send(*client.stream, run.parts());
  run.clear();
  if (result == Outbox::Result::failed) {
    gone_clients_.push_back(client.token);    // later: the rest of this turn's input is not for anybody else
  } else if (result == Outbox::Result::waiting) {
    update_reading(server);
  }
}

}  // namespace pgweir
