#include "proxy/session/sequences.h"

#include "protocol/sql/sequence_use.h"
#include "proxy/session/worker.h"

namespace pgweir {
bool Sequences::note(Worker& worker, ClientSession& client, const Piece& piece, Run& run) {
  ServerConnection& server = *client.server;
  PoolDesk& desk = *client.desk();
  if (piece.tag != 'Q' && piece.tag != 'P' && piece.tag != 'B' && piece.tag != 'F') return true;
  // A transaction begins: what the one before was given has had its chance.
  const bool outside = server.talk.transaction() == TxStatus::idle;
  if (outside && server.talk.at_rest()) server.sequences_fresh = false;
  if (piece.tag == 'P' && worker.tracks_statements(client)) return true;     // what it does it does when it is executed
  const Said& said = worker.said(client, piece);
  if (said.facts.seeds_random) worker.touch(server).stays = PinReason::random_seed;
  if (said.facts.asks_sequences && outside) desk.asks_sequences = true;
  if (!desk.asks_sequences) return true;
  const bool names_some = said.facts.asks_sequences || said.facts.advances_sequences;
  if (!names_some && !sql::may_advance_sequences(worker.text_said(client, said))) return true;
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
