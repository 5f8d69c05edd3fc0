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
#include "proxy/session/statement_effects.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

// What has a text, or does something of itself: all else is about these.
bool acts(char tag) { return tag == 'Q' || tag == 'P' || tag == 'B' || tag == 'F'; }

// Whether what an idle client says needs a server, and there is none to be had: it is not worth reading before there is one.
bool must_queue(const ClientSession& client, Bytes input) {
  const PoolDesk& desk = *client.desk();
  if ((desk.pool.waiters().empty() && desk.pool.best_idle()) || Refusals::in_force(desk) || client.replication) return false;
  if (client.skip_to_sync || client.skip_message || client.swallow_rest || !client.framer.between_messages()) return false;
  // What is not all here must not take a server: the rest may never come. Nor must what is no message.
  if (input.size() <= header_bytes) return false;
  const std::uint32_t length = load_be32(input.data() + 1);
  if (length < 4 || length >= input.size()) return false;
  // A named Parse may be answered without a server.
  const char tag = static_cast<char>(input[0]);
  return tag == 'Q' || tag == 'B' || (tag == 'P' && input[header_bytes] == std::byte{0});
}

}  // namespace

// --- client to server

// The quick way of what follows in a batch that is under way, and is about what has been judged: judge() would pass it on
// as it is. True: it has been noted.
inline bool Worker::goes_along(ClientSession& client, const Piece& piece, TimePoint now) {
  const bool of_portal = piece.tag == 'D' && piece.bytes.size() > header_bytes && piece.bytes[header_bytes] == std::byte{'P'};
  if (!of_portal && piece.tag != 'E' && piece.tag != 'S') return false;
  if (!client.server || !client.in_query || holds_too_much(client)) return false;
  ServerConnection& server = *client.server;
  if (server.talk.nothing_owed() || server.sql.query_under_way || !server.sql.portals.empty()) return false;
  if (server.timed && server.clock.wants_flush(piece)) return false;
  if (piece.tag == 'S') server.assumptions.on_boundary();
  server.talk.on_request(piece.tag);
  server.request_at = now;
  return true;
}

void Worker::from_client(ClientSession& client, Bytes input) {
  if (!client.server && must_queue(client, input) && !config_->globals.disable_pqexec && !borrow(client)) {
    return client.phase == ClientPhase::leaving ? void() : hold(client, input);
  }
  const TimePoint now = loop_.now();
  client.framer.read_statements(tracks_statements(client));
  answers_.clear();
  restorer_.begin();
  said_.at = nullptr;
  Run run;
  bool flush = false;
  BatchWatch batch(may_be_repeated(client), input);
  while (auto piece = client.framer.next(input)) {
    Verdict verdict = client.swallow_rest && !piece->starts ? Verdict::swallow : Verdict::forward;
    const Piece& told = restorer_.told(*this, client, *piece);
    if (piece->starts) {
      if (!goes_along(client, told, now)) {
        verdict = restorer_.must_wait() ? stall(client, run) : judge(client, told, run);
        if (verdict == Verdict::end) return;
        if (verdict == Verdict::wait) return wait_with(client, *piece, input, run);
      }
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
    if (client.startup && restorer_.follows(*piece) && !restorer_.follow(*this, client, *piece, run)) return;
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
  if (acts(piece.tag)) {
    if (const auto refused = Refusals::replace(*this, client, piece, run)) return *refused;
    if (client.channels && Listeners::must_give(*this, client, piece))
      return Listeners::give(*this, client, run) ? Verdict::wait : Verdict::end;
    if (!StatementEffects::note(*this, client, piece, run)) return Verdict::end;
    if (const Said& what = said(client, piece); what.facts.vacates_database) Vacancy::make(*this, what.sql);
  }
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

}  // namespace pgweir
