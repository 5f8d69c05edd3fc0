#include "proxy/session/refusals.h"

#include <algorithm>

#include "protocol/backend.h"
#include "protocol/compose.h"
#include "protocol/frontend.h"
#include "protocol/sql/session_effects.h"
#include "proxy/session/isolation_notes.h"
#include "proxy/session/say.h"

namespace pgweir {
namespace {

// Functions by number, for FunctionCall. Source: PostgreSQL's pg_proc.dat.
constexpr std::uint32_t set_config_oid = 2078;
bool locks(std::uint32_t function) { return (function >= 2880 && function <= 2883) || (function >= 2886 && function <= 2889); }

std::optional<sql::Lasting> lasting_of(PinReason left) {
  switch (left) {
    case PinReason::advisory_lock: return sql::Lasting::advisory_lock;
    case PinReason::held_cursor: return sql::Lasting::held_cursor;
    case PinReason::channel: return sql::Lasting::channel;
    case PinReason::temporary: return sql::Lasting::temporary;
    case PinReason::library: return sql::Lasting::library;
    case PinReason::unreadable: return sql::Lasting::unreadable_setting;
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<Refusals::Found> Refusals::find(Worker& worker, const ClientSession& client, const Piece& piece) {
  if (client.replication || !in_force(*client.desk())) return {};
  if (piece.tag == 'F') {
    const auto call = read_function_call(piece.body());
    if (call && locks(call->function_oid)) return Found{policy::refusal_of(sql::Lasting::advisory_lock, "function call " + std::to_string(call->function_oid)), {}};
    if (call && call->function_oid == set_config_oid) return Found{policy::refusal_of(sql::Lasting::unreadable_setting, "function call set_config"), {}};
    return {};
  }
  if (piece.tag != 'Q' && piece.tag != 'P') return {};
  const Said& said = worker.said(client, piece);
  if (!said.facts.affects_session) return {};
  const std::string_view text = said.sql;
  const auto lasting = sql::first_lasting(text);
  // A LISTEN keeps no server: the shared listener hears for it.
  if (!lasting || lasting->what == sql::Lasting::channel) return {};
  return Found{policy::refusal_of(lasting->what, lasting->text), text};
}

bool Refusals::answer(Worker& worker, ClientSession& client, const Piece& piece) {
  const auto refused = find(worker, client, piece);
  if (!refused) return false;
  ++client.desk()->isolation.refused;
  if (!refused->text.empty()) SessionNotes::count_refused(worker, client, refused->text);
  worker.tally_.errors.add(policy::refusal_sqlstate);
  compose::error_response(worker.answers_, "ERROR", policy::refusal_sqlstate, refused->refusal.message, {}, refused->refusal.hint);
  const auto parsed = piece.tag == 'P' ? read_parse_lead(piece.body()) : std::nullopt;
  // As PostgreSQL does it: a Query, and a Parse of the unnamed statement, forget that one even when they fail.
  if (!parsed || parsed->statement.empty()) client.statements.unnamed = {};
  if (piece.tag == 'P') client.skip_to_sync = true;
  else compose::ready_for_query(worker.answers_);
  return true;
}

std::optional<Worker::Verdict> Refusals::judge(Worker& worker, ClientSession& client, const Piece& piece, Run& run) {
  ServerConnection& server = *client.server;
  if (server.refused && server.talk.nothing_owed()) server.refused.reset();
  // Nothing of a failed batch has an effect.
  if (server.talk.skipping() || server.talk.in_copy()) return {};
  const auto refused = find(worker, client, piece);
  if (!refused) return {};
  if (!server.refused) server.refused = std::make_unique<RefusedStatements>();
  RefusedStatements::One& one = server.refused->under_way.emplace_back();
  one.number = ++server.refused->last_number;
  one.refusal = refused->refusal;
  const std::string text = policy::stand_in(one.number);
  const auto parsed = piece.tag == 'P' ? read_parse_lead(piece.body()) : std::nullopt;
  if (parsed) compose::parse(one.stand_in, parsed->statement, text);
  else compose::query(one.stand_in, text);
  const Piece instead{parsed ? 'P' : 'Q', true, true, static_cast<std::uint32_t>(one.stand_in.size() - 1), one.stand_in};
  const Worker::Verdict verdict = worker.tracks_statements(client) ? worker.judge_statement(client, instead, run) : worker.pass(client, instead);
  if (verdict == Worker::Verdict::end) return verdict;
  if (verdict == Worker::Verdict::wait) {
    server.refused->under_way.pop_back();      // it is judged again
    return verdict;
  }
  if (verdict == Worker::Verdict::forward) {
    if (server.timed) server.clock.on_request(piece, worker.loop_.now());
    if (!worker.say(client, run, one.stand_in.size(), [&](Buffer& out) { append(out, one.stand_in); })) return Worker::Verdict::end;
  }
  ++server.desk->isolation.refused;
  if (!refused->text.empty()) SessionNotes::count_refused(worker, client, refused->text);
  worker.note_request(client, worker.loop_.now());
  return Worker::Verdict::swallow;             // of the client's own message, to its end
}

std::optional<Refusals::Told> Refusals::translate(Worker& worker, ServerConnection& server, const Piece& error, Run& to_client) {
  const std::uint64_t number = policy::stand_in_number(ReportView(error.body()).message());
  auto& all = server.refused->under_way;
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.number == number; });
  if (found == all.end()) return {};
  Buffer words;
  compose::error_response(words, "ERROR", policy::refusal_sqlstate, found->refusal.message, {}, found->refusal.hint);
  all.erase(all.begin(), found + 1);           // those before it have been skipped
  const Piece instead{'E', true, true, static_cast<std::uint32_t>(words.size() - 1), words};
  if (!worker.on_server_piece(server, instead, to_client)) return Told::gone;
  worker.flush_to_client(server, to_client);   // before the words are gone
  return Told::alive;
}

void Refusals::end(Worker& worker, ServerConnection& server, PinReason left, const SessionTouch& touched) {
  SessionNotes::count_refused(worker, touched);
  ++server.desk->isolation.refused;
  ClientSession& client = *server.client;
  const std::string words = policy::refusal_behind(lasting_of(left), touched.functions);
  client.pin = left;                           // so that the server is cleaned
  worker.end_client(client, CloseReason::session_state_refused, words);
}

}  // namespace pgweir
