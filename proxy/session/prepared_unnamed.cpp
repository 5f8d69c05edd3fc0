// The unnamed statement: it lasts from one batch to the next for the client that parsed it, and is never another's. Where
// share_unnamed_statements is set, a text that has come twice lives on the server under our name instead.
#include "protocol/compose.h"
#include "proxy/session/say.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

using policy::Assumption;
using policy::StatementRef;
using What = policy::Assumption::What;

}  // namespace

Worker::Verdict Worker::parse_unnamed(ClientSession& client, const Piece& piece, StatementRef statement, bool touches) {
  ServerConnection& server = *client.server;
  Assumption assumption;
  assumption.what = What::unnamed;
  assumption.unnamed_was_the_clients = std::exchange(server.statements.unnamed_is_the_clients, true);
  assumption.before = std::exchange(client.statements.unnamed, std::move(statement));
  server.assumptions.push(std::move(assumption));
  server.touching |= touches;
  return pass(client, piece, {true, 0});
}

// A text that comes for the second time is likely to come again; one with its values in it never does.
bool Worker::may_share(policy::Statement& statement) const {
  if (!config_->globals.share_unnamed_statements || statement.text->touches_statements || statement.text->verb ||
      statement.text->reads_clock) return false;
  if (statement.came_unnamed) statement.shared = true;
  statement.came_unnamed = true;
  return statement.shared;
}

// The server has it under our name, and that is what the client's Bind will get.
Worker::Verdict Worker::share_unnamed(ClientSession& client, const Piece& piece, StatementRef statement, Run& run) {
  ServerConnection& server = *client.server;
  // What the server would say of the text now cannot be known.
  if (!server.talk.earlier_is_answered() || server.talk.transaction() == TxStatus::failed) {
    return parse_unnamed(client, piece, std::move(statement), false);
  }
  if (in_doubt(server)) return stall(client, run);
  const auto* there = server.statements.find(*statement);
  const bool nothing_said = there && !there->stale();
  if (!prepare(client, statement, run)) return Verdict::end;
  statement_counters_.shared_parses += nothing_said;
  Assumption assumption;
  assumption.what = What::unnamed;
  assumption.statement = statement;
  assumption.unnamed_was_the_clients = std::exchange(server.statements.unnamed_is_the_clients, false);
  assumption.before = std::exchange(client.statements.unnamed, std::move(statement));
  server.talk.owe_fake('1', true);
  server.assumptions.push(std::move(assumption));
  return nothing_said ? Verdict::swallow : Verdict::replace;
}

// A Query forgets the unnamed statement.
Note Worker::forget_unnamed(ClientSession& client) {
  ServerConnection& server = *client.server;
  Note note;
  if (client.statements.unnamed || !server.assumptions.empty()) {
    note.noted = true;
    Assumption assumption;
    assumption.what = What::unnamed;
    assumption.unnamed_was_the_clients = server.statements.unnamed_is_the_clients;
    assumption.before = std::exchange(client.statements.unnamed, {});
    server.assumptions.push(std::move(assumption));
  }
  server.statements.unnamed_is_the_clients = true;
  return note;
}

// Gives the server the client's unnamed statement, or takes the one away that another client left there.
bool Worker::renew_unnamed(ClientSession& client, Run& run) {
  ServerConnection& server = *client.server;
  const StatementRef unnamed = client.statements.unnamed;
  server.statements.unnamed_is_the_clients = true;
  Assumption assumption;
  assumption.what = What::renewed;
  assumption.statement = unnamed;
  if (unnamed) {
    if (!say_parse(client, {}, unnamed->identity(), run)) return false;
    ++client.desk()->stats.server_parses;
  } else if (!say(client, run, short_message_bytes, [](Buffer& out) { compose::close(out, 'S', {}); })) {
    return false;
  }
  server.talk.on_request(unnamed ? 'P' : 'C', For::pooler, {true, 0});
  server.assumptions.push(std::move(assumption));
  return true;
}

}  // namespace pgweir
