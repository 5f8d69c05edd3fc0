// What a server is given, or rid of, before the words of its client: the statement that they are about, and what makes
// room for it.
#include "protocol/compose.h"
#include "proxy/session/say.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

using policy::Assumption;
using policy::ServerName;
using policy::StatementRef;
using What = policy::Assumption::What;

}  // namespace

// The statement on the client's server, where it is prepared first if need be: as who has set what the client has set by
// now, for that is what it would mean there. Null: the client has left.
const policy::ServerStatements::Prepared* Worker::prepare(ClientSession& client, const StatementRef& statement, Run& run) {
  ServerConnection& server = *client.server;
  if (auto* there = server.statements.find(*statement); there && !there->stale()) {
    server.statements.touch(*there);
    return drop_surplus(client, static_cast<std::size_t>(config_->globals.max_prepared_statements), run) ? there : nullptr;
  }
  const policy::SharedPlanning& set = planning(client);
  if (policy::same_planning(statement->text->planning, set)) return prepare_exactly(client, statement, run);
  return prepare_exactly(client, statements_.intern(statement->identity(), statement->text->kind, set), run);
}

// ... with just that name on the server.
const policy::ServerStatements::Prepared* Worker::prepare_exactly(ClientSession& client, const StatementRef& statement,
                                                                  Run& run) {
  ServerConnection& server = *client.server;
  const auto max = static_cast<std::size_t>(config_->globals.max_prepared_statements);
  if (auto* there = server.statements.find(*statement)) {
    if (!there->stale()) {
      server.statements.touch(*there);
      return drop_surplus(client, max, run) ? there : nullptr;
    }
    if (!close_there(client, *server.statements.remove(*statement), run)) return nullptr;
  }
  // Another worker had the server, and found what we prepared there out of date.
  if (auto old = server.statements.remove_foreign(statement->id); old && !close_there(client, std::move(*old), run)) {
    return nullptr;
  }
  if (!drop_surplus(client, max - 1, run)) return nullptr;
  const ServerName name(statement->id);
  if (statement->text->kind == policy::StatementKind::sql) {
    if (!replay(client, statement, run)) return nullptr;
  } else {
    if (!say_parse(client, name.view(), statement->identity(), run)) return nullptr;
    server.talk.on_request('P', For::pooler, {true, statement->id});
  }
  ++client.desk()->stats.server_parses;
  if (statement->proven_for == client.desk()->pool.account().key) {
    ++client.desk()->stats.reparses;
    ++statement_counters_.reparses;
  }
  Assumption assumption;
  assumption.what = What::prepared;
  assumption.statement = statement;
  server.assumptions.push(std::move(assumption));
  return &server.statements.add(statement, statement->id);
}

// More than `max` are there after a batch that needed them all.
bool Worker::drop_surplus(ClientSession& client, std::size_t max, Run& run) {
  while (auto surplus = client.server->statements.drop_surplus(max)) {
    if (!close_there(client, std::move(*surplus), run)) return false;
  }
  return true;
}

bool Worker::close_there(ClientSession& client, policy::ServerStatements::Prepared prepared, Run& run) {
  ServerConnection& server = *client.server;
  ++statement_counters_.closes;
  const ServerName name(prepared.id);
  if (!say(client, run, short_message_bytes, [&](Buffer& out) { compose::close(out, 'S', name.view()); })) return false;
  server.talk.on_request('C', For::pooler, {true, 0});
  Assumption assumption;
  assumption.what = What::taken_off;
  assumption.removed = std::move(prepared);
  server.assumptions.push(std::move(assumption));
  return true;
}

// The text is sent from where it lies: an assumption holds it until the server has answered, or the piece lasts.
bool Worker::say_parse(ClientSession& client, std::string_view name, Bytes identity, Run& run) {
  return say(client, run, short_message_bytes, [&](Buffer& out) { compose::parse_head(out, name, identity.size()); }) &&
         add(client, run, identity);
}

}  // namespace pgweir
