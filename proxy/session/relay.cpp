// The data plane: bytes of a client to its server and back. Runs of untouched messages leave in one system call,
// straight from the buffer they arrived in.
#include "protocol/backend.h"
#include "protocol/compose.h"
#include "protocol/frontend.h"
#include "protocol/startup.h"
#include "protocol/wire.h"
#include "proxy/policy/release.h"
#include "proxy/session/batch_watch.h"
#include "proxy/session/hidden_code.h"
#include "proxy/session/refusals.h"
#include "proxy/session/say.h"
#include "proxy/session/server_login.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

// Old enough for its address to have moved since.
constexpr Duration read_only_age = seconds(1);

}  // namespace

// --- client to server

void Worker::from_client(ClientSession& client, Bytes input) {
  const TimePoint now = loop_.now();
  client.framer.read_statements(tracks_statements(client));
  answers_.clear();
  restorer_.begin();
  Run run;
  bool flush = false;
  BatchWatch batch(may_be_repeated(client), input);
  while (auto piece = client.framer.next(input)) {
    Verdict verdict = client.swallow_rest ? Verdict::swallow : Verdict::forward;
    const Piece told = client.startup ? restorer_.told(*this, client, *piece) : *piece;
    if (piece->starts) {
      verdict = client.startup && restorer_.must_wait() ? stall(client, run) : judge(client, told, run);
      if (verdict == Verdict::end) return;
      if (verdict == Verdict::wait) return wait_with(client, *piece, input, run);
      client.swallow_rest = verdict == Verdict::swallow;
      flush |= piece->tag == 'H';
    }
    batch.add(*piece, verdict == Verdict::swallow);
    if (verdict == Verdict::swallow) continue;
    if (verdict == Verdict::forward) {
      if (client.server->timed) client.server->clock.on_request(*piece, now);
      if (!add(client, run, told.bytes)) return;
    }
    client.server->request_cut = !piece->ends;
    if (client.startup && !restorer_.follow(*this, client, *piece, run)) return;
  }
  if (client.framer.failed()) {
    const bool unknown = client.framer.failure() == Framer::Failure::unknown_tag;
    end_sending(client, unknown ? CloseReason::unknown_packet : CloseReason::bad_packet_header, run,
                unknown ? std::string{}
                        : "bad packet header: '" + header_hex(client.framer.offending_header()) + "'");
    return;
  }
  tell_answers(client);
  if (client.server) keep_batch(*client.server, batch.repeatable());
  flush_to_server(client, run);
  words_.clear();
  client.framer.end_turn();
  if (!client.server) return;
  // A Flush after nothing but replies of ours brings no word of the server's.
  if (flush && client.server->framer.between_messages()) {
    if (client.server->talk.has_news() && !add_fakes(*client.server, run)) return;
    flush_to_client(*client.server, run);
  }
  release_if_possible(*client.server);
}

// The message, and all behind it, are judged again later: nothing of them has been noted yet.
void Worker::wait_with(ClientSession& client, const Piece& piece, Bytes input, Run& run) {
  tell_answers(client);
  flush_to_server(client, run);
  words_.clear();
  if (client.phase == ClientPhase::leaving) return;
  client.framer.reset();
  hold(client, piece.bytes);
  hold(client, input);
}

// Ends the client in the middle of its input. What came before goes out: a server that has been sent half of a message
// must not look as if it had all of it.
Worker::Verdict Worker::end_sending(ClientSession& client, CloseReason reason, Run& run, const std::string& text) {
  flush_to_server(client, run);
  if (client.phase != ClientPhase::leaving) end_client(client, reason, text);
  return Verdict::end;
}

// Puts bytes into the run; sends first when it is full.
bool Worker::add(ClientSession& client, Run& run, Bytes bytes) {
  if (run.append(bytes)) return true;
  flush_to_server(client, run);
  if (client.phase == ClientPhase::leaving) return false;
  (void)run.append(bytes);
  return true;
}

void Worker::tell_answers(ClientSession& client) {
  if (answers_.empty()) return;
  tell(client, answers_);
  answers_.clear();
}

Worker::Verdict Worker::judge(ClientSession& client, const Piece& piece, Run& run) {
  if (piece.tag == 'X') return end_sending(client, CloseReason::client_close_request, run);
  if (piece.tag == 'p') return end_sending(client, CloseReason::unknown_packet, run);
  if (piece.tag == 'Q' && config_->globals.disable_pqexec) return end_sending(client, CloseReason::pqexec_disallowed, run);
  if (!client.server) {
    const Verdict verdict = judge_without_server(client, piece);
    if (verdict != Verdict::forward) return verdict;
  }
  ServerConnection& server = *client.server;
  if (server.timed != times_statements() && server.talk.nothing_owed()) start_clock(server);
  if (server.timed && server.clock.wants_flush(piece)) {
    if (!say(client, run, short_message_bytes, [](Buffer& out) { compose::flush(out); })) return Verdict::end;
    server.clock.on_flush();
  }
  if (const auto refused = Refusals::replace(*this, client, piece, run)) return *refused;
  if (client.channels && Listeners::must_give(*this, client, piece))
    return Listeners::give(*this, client, run) ? Verdict::wait : Verdict::end;
  if (!note_what_it_does(client, piece, run)) return Verdict::end;
  if (piece.tag == 'Q' || piece.tag == 'P') Vacancy::make(*this, piece);
  const Verdict verdict = tracks_statements(client) ? judge_statement(client, piece, run) : pass(client, piece);
  // A Flush, or late data of a COPY, is owed nothing: no reply would end what began with it.
  const bool goes_out = verdict != Verdict::wait && verdict != Verdict::end;
  if (goes_out && (piece.tag == 'Q' || piece.tag == 'B')) note_planning(client, piece);
  if (goes_out && !client.server->talk.nothing_owed()) note_request(client, loop_.now());
  return verdict;
}

// What needs no server, or has to wait for one.
Worker::Verdict Worker::judge_without_server(ClientSession& client, const Piece& piece) {
  switch (piece.tag) {
    case 'd': case 'c': case 'f':
      return Verdict::swallow;          // late data of a COPY that has failed
    case 'H':
      return Verdict::swallow;          // nothing is under way that could be flushed
    case 'S': {
      client.skip_to_sync = false;
      compose::ready_for_query(answers_);
      return Verdict::swallow;
    }
    default:
      break;
  }
  if (client.skip_to_sync) return Verdict::swallow;
  if (client.skip_message) {
    client.skip_message = false;
    return Verdict::swallow;
  }
  if (Refusals::answer(*this, client, piece)) return Verdict::swallow;
  if (tracks_statements(client)) {
    const Verdict verdict = judge_statement_without_server(client, piece);
    if (verdict != Verdict::forward) return verdict;
  }
  tell_answers(client);
  if (borrow(client)) return Verdict::forward;
  return client.phase == ClientPhase::leaving ? Verdict::end : Verdict::wait;
}

void Worker::note_request(ClientSession& client, TimePoint now) {
  PoolStats& stats = client.desk()->stats;
  client.server->request_at = now;
  if (!client.in_query) {
    note_idle(client, now);
    client.in_query = true;
    client.query_since = client.request_at = now;
    ++stats.queries;
  }
  if (!client.in_transaction) {
    client.in_transaction = true;
    client.xact_since = now;
    ++stats.xacts;
  }
}

void Worker::hold(ClientSession& client, Bytes bytes) {
  if (bytes.empty()) return;
  if (!client.held) {
    client.held = spare_buffers_.take();
    client.held_since = loop_.now();
  }
  append(*client.held, bytes);
  update_reading(client);
}

void Worker::feed_held(ClientSession& client) {
  std::unique_ptr<Buffer> held = std::move(client.held);
  update_reading(client);
  if (!held) return;
  from_client(client, *held);
  spare_buffers_.give(std::move(held));
}

void Worker::flush_to_server(ClientSession& client, Run& run) {
  if (run.empty()) return;
  ServerConnection& server = *client.server;
  client.desk()->stats.received_bytes += run.size();
  const auto result = server.outbox.send(*server.stream, run.parts());
  run.clear();
  if (result == Outbox::Result::failed) {
    on_server_gone(server, 0);
  } else if (result == Outbox::Result::waiting) {
    update_reading(client);
  }
}

// --- server to client

void Worker::from_server(ServerConnection& server, Bytes input) {
  if (server.login) return on_server_login_bytes(server, input);
  if (server.listens) return Listeners::hear(*this, server, input);
  Run run;
  while (auto piece = server.framer.next(input)) {
    if (!on_server_piece(server, *piece, run)) return;
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
bool Worker::on_server_piece(ServerConnection& server, const Piece& piece, Run& to_client) {
  if (const auto told = Refusals::tell(*this, server, piece, to_client)) return *told == Refusals::Told::alive;
  if (piece.starts && !add_fakes(server, to_client)) return false;
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
  if (!to_client.append(piece.bytes)) {
    flush_to_client(server, to_client);
    if (server.state() == ServerState::leaving) return false;
    if (server.client) (void)to_client.append(piece.bytes);
  }
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
