#include "proxy/session/sequences.h"

#include "protocol/frontend.h"
#include "protocol/sql/sequence_use.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

// The text that a message is about. Empty: none that is known.
std::string_view text_of(const ClientSession& client, const Piece& piece, bool tracks) {
  if (piece.tag == 'Q') {
    const auto lead = read_query_lead(piece.body());
    return lead ? lead->sql : std::string_view{};
  }
  if (piece.tag == 'P' && !tracks) {
    const auto lead = read_parse_lead(piece.body());
    return lead ? lead->sql : std::string_view{};
  }
  const auto view = piece.tag == 'B' && tracks ? read_bind(piece.body()) : std::nullopt;
  if (!view) return {};
  const policy::StatementRef* named = view->statement.empty() ? &client.statements.unnamed : client.statements.find(view->statement);
  return named && *named ? (*named)->text->sql() : std::string_view{};
}

}  // namespace

bool Sequences::note(Worker& worker, ClientSession& client, const Piece& piece, Run& run) {
  ServerConnection& server = *client.server;
  PoolDesk& desk = *client.desk();
  if (piece.tag != 'Q' && piece.tag != 'P' && piece.tag != 'B' && piece.tag != 'F') return true;
  // A transaction begins: what the one before was given has had its chance.
  const bool outside = server.talk.transaction() == TxStatus::idle;
  if (outside && server.talk.at_rest()) server.sequences_fresh = false;
  const std::string_view sql = text_of(client, piece, worker.tracks_statements(client));
  if (sql.empty()) return true;
  const sql::SequenceUse use = sql::sequence_use(sql);
  if (use.seeds) worker.touch(server).stays = PinReason::random_seed;
  if (use.asks && outside) desk.asks_sequences = true;
  if (!desk.asks_sequences || (!use.asks && !use.advances && !sql::may_advance_sequences(sql))) return true;
  if (server.talk.skipping() || server.talk.transaction() == TxStatus::failed) return true;
  server.sequences_fresh = true;
  if (server.sequences_of == client.id) return true;
  server.sequences_of = client.id;
  return Restorer::say_ahead(worker, client, piece, run, "DISCARD SEQUENCES");
}

bool Sequences::settle(Worker& worker, ServerConnection& server) {
  ClientSession& client = *server.client;
  if (server.sequences_fresh && client.pin == PinReason::none) worker.pin(server, PinReason::sequence);
  else if (!server.sequences_fresh && client.pin == PinReason::sequence) worker.pin(server, PinReason::none);
  return server.sequences_fresh;
}

void Sequences::leave(ServerConnection& server) {
  server.sequences_fresh = false;
  // Who takes numbers here is not looked at before somebody asks: only the latest client can be told its own.
  if (!server.desk->asks_sequences) server.sequences_of = server.client->id;
}

}  // namespace pgweir
