// PREPARE, EXECUTE and DEALLOCATE in SQL: statements have the server's names for what they are about, and are preceded
// by what their server lacks. What they mean is decided when they run, as PostgreSQL does: for the extended protocol
// that is Bind, not Parse.
#include "protocol/compose.h"
#include "proxy/session/say.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

using policy::ServerName;
using policy::Verb;

// A stand-in that a DEALLOCATE may really take away, since the statement itself stays on the server for others.
constexpr std::string_view stand_in = "PGBOUNCER_0";
constexpr std::string_view stand_in_text{"select 1\0\0\0", 11};
// Statement and portal by which a PREPARE of ours is run.
constexpr std::string_view replayer = "PGBOUNCER_r";

}  // namespace

// --- as a Query

// True: the query is about prepared statements, and `verdict` says what becomes of it.
bool Worker::judge_sql(ClientSession& client, const Piece& piece, std::string_view sql, Run& run, Verdict& verdict) {
  ServerConnection& server = *client.server;
  const std::vector<policy::SqlVerb> verbs = policy::verbs_in(sql);
  if (verbs.empty()) return false;
  if (!server.talk.nothing_owed()) {
    verdict = stall(client, run);
    return true;
  }
  policy::SqlPlan plan = policy::plan_sql(sql, verbs, planning(client), client.statements, server.statements, statements_);
  if (plan.text.empty()) return false;
  const auto max = static_cast<std::size_t>(config_->globals.max_prepared_statements);
  const bool ahead = !plan.needed.empty() || !plan.in_the_way.empty() || server.statements.count() + plan.made > max;
  // Behind messages without a Sync, what we put before it and its failure could not be told from the client's.
  if (ahead && server.talk.batch_open()) return false;
  verdict = Verdict::end;
  if (ahead && !prepare_for(client, plan, max, run)) return true;
  Note note = forget_unnamed(client);
  note.mark = plan.renames.front().id;
  server.assumptions.on_boundary();
  if (!say(client, run, plan.text.size() + 16, [&](Buffer& out) { compose::query(out, plan.text); })) return true;
  server.talk.on_request('Q', For::client, note);
  if (server.timed) server.clock.on_request(piece, loop_.now());
  ++statement_counters_.sql_rewrites;
  server.touching = server.sql.query_under_way = true;
  server.sql.edits = std::move(plan.edits);
  server.sql.renames = std::move(plan.renames);
  server.sql.orders = std::move(plan.orders);
  verdict = Verdict::replace;
  return true;
}

// A batch of ours alone, so that its failure is not the client's: the query then fails by itself.
bool Worker::prepare_for(ClientSession& client, const policy::SqlPlan& plan, std::size_t max, Run& run) {
  ServerConnection& server = *client.server;
  for (const policy::StatementRef& statement : plan.in_the_way) {
    auto there = server.statements.remove(*statement);
    if (there && !close_there(client, std::move(*there), run)) return false;
    auto old = server.statements.remove_foreign(statement->id);
    if (old && !close_there(client, std::move(*old), run)) return false;
  }
  for (const policy::StatementRef& statement : plan.needed) {
    if (!prepare_exactly(client, statement, run)) return false;
  }
  if (!drop_surplus(client, max > plan.made ? max - plan.made : 0, run)) return false;
  if (!server.talk.batch_open()) return true;
  if (!say(client, run, short_message_bytes, [](Buffer& out) { compose::sync(out); })) return false;
  server.talk.on_request('S', For::pooler);
  return true;
}

// --- by the extended protocol

// What the client's statement is for its server: the same text, with the server's name for what it is about. True: there
// is one, or `verdict` says why not yet.
bool Worker::resolve_verb(ClientSession& client, const policy::StatementRef& statement, Run& run,
                          policy::VerbPortal& resolved, Verdict& verdict) {
  ServerConnection& server = *client.server;
  const policy::SqlVerb* verb = statement ? statement->text->verb.get() : nullptr;
  if (!verb) return false;
  verdict = Verdict::end;
  if (in_doubt(server) || !server.talk.earlier_is_answered() || !server.sql.orders.empty()) {
    verdict = stall(client, run);
    return true;
  }
  // PostgreSQL refuses it, whatever it means; and would refuse what we put before it.
  if (server.talk.transaction() == TxStatus::failed) return false;
  const policy::StatementRef* known = client.statements.find(verb->name);
  const std::string_view sql = statement->text->sql();
  resolved.verb = verb->verb;
  resolved.name = verb->name;
  resolved.taken = verb->verb == Verb::prepare && known;
  if (known) {
    resolved.about = *known;
  } else if (verb->verb == Verb::prepare) {
    resolved.about = statements_.intern(as_bytes(sql.substr(verb->name_end, verb->end - verb->name_end)),
                                        policy::StatementKind::sql, planning(client));
  } else {
    return false;                      // PostgreSQL does not know it either
  }
  if (verb->verb == Verb::execute || resolved.taken) {
    const auto* there = prepare(client, resolved.about, run);
    if (!there) return true;
    resolved.about = there->statement;
    resolved.about_id = there->id;       // another worker may have had it prepared
  } else {
    resolved.about_id = resolved.about->id;
  }
  const ServerName name(resolved.about_id);
  const std::string text =
      policy::renamed(sql, *verb, verb->verb == Verb::deallocate ? stand_in : name.view(), resolved.edits);
  Buffer identity(as_bytes(text).begin(), as_bytes(text).end());
  append(identity, Bytes(statement->identity()).subspan(sql.size()));
  resolved.text = statements_.intern(identity, policy::StatementKind::parsed, planning(client));
  if (prepare(client, resolved.text, run)) verdict = Verdict::replace;
  return true;
}

// True: the Bind has been judged.
bool Worker::bind_verb(ClientSession& client, const Piece& piece, const BindView& view, const policy::StatementRef& statement,
                       Run& run, Verdict& verdict) {
  policy::VerbPortal portal;
  if (!resolve_verb(client, statement, run, portal, verdict)) return false;
  if (verdict != Verdict::replace) return true;
  if (!view.statement.empty()) ++client.desk()->stats.binds;
  portal.portal = view.portal;
  portal.statement = view.statement;
  portal.mark = statements_.fresh_id();
  if (!bind_to(client, piece, view, portal.text, run, portal.mark)) {
    verdict = Verdict::end;
    return true;
  }
  ServerConnection& server = *client.server;
  note_bind_text(server, piece, view, view.statement, statement->text->sql());
  server.touching |= portal.verb != Verb::execute || portal.about->text->touches_statements;
  server.sql.portals.push_back(std::move(portal));
  return true;
}

bool Worker::describe_verb(ClientSession& client, const policy::StatementRef& statement, Run& run, Verdict& verdict) {
  policy::VerbPortal resolved;
  if (!resolve_verb(client, statement, run, resolved, verdict)) return false;
  if (verdict == Verdict::replace) verdict = describe_as(client, resolved.text, resolved.name, run);
  return true;
}

// Before the Execute of such a portal. False: it goes out as any other.
bool Worker::judge_execute_verb(ClientSession& client, const Piece& piece, Run& run, Verdict& verdict) {
  ServerConnection& server = *client.server;
  const auto view = read_execute(piece.body());
  const policy::VerbPortal* portal = view ? server.sql.portal(view->portal) : nullptr;
  if (!portal) return false;
  verdict = Verdict::end;
  if (!server.talk.earlier_is_answered() || !server.sql.orders.empty()) {
    verdict = stall(client, run);
    return true;
  }
  if (portal->verb == Verb::execute || portal->taken) {
    if (!prepare_exactly(client, portal->about, run)) return true;
  } else if (portal->verb == Verb::deallocate) {
    if (!say(client, run, short_message_bytes, [](Buffer& out) { compose::close(out, 'S', stand_in); })) return true;
    server.talk.on_request('C', For::pooler);
    if (!say_parse(client, stand_in, as_bytes(stand_in_text), run)) return true;
    server.talk.on_request('P', For::pooler);
  } else {
    const auto max = static_cast<std::size_t>(config_->globals.max_prepared_statements);
    auto there = server.statements.find(*portal->about) ? server.statements.remove(*portal->about) : std::nullopt;
    if (there && !close_there(client, std::move(*there), run)) return true;
    auto old = server.statements.remove_foreign(portal->about->id);
    if (old && !close_there(client, std::move(*old), run)) return true;
    if (!drop_surplus(client, max - 1, run)) return true;
  }
  server.touching |= portal->verb != Verb::execute || portal->about->text->touches_statements;
  if (portal->verb != Verb::execute) {
    server.sql.orders.push_back({portal->verb, false, portal->name,
                                 portal->verb == Verb::prepare && !portal->taken ? portal->about : policy::StatementRef()});
  }
  verdict = pass(client, piece, {false, portal->mark});
  return true;
}

// PREPARE by messages, for what has come into being by PREPARE: types are written as names there.
bool Worker::replay(ClientSession& client, const policy::StatementRef& statement, Run& run) {
  ServerConnection& server = *client.server;
  const std::string text = policy::prepare_text(*statement);
  const auto compose_all = [&](Buffer& out) {
    compose::close(out, 'S', replayer);
    compose::parse(out, replayer, text);
    compose::bind(out, replayer, replayer);
    compose::execute(out, replayer);
    compose::close(out, 'P', replayer);
    compose::close(out, 'S', replayer);
  };
  if (!say(client, run, text.size() + 6 * short_message_bytes, compose_all)) return false;
  for (const char tag : {'C', 'P', 'B', 'E', 'C', 'C'}) {
    server.talk.on_request(tag, For::pooler, {tag == 'E', tag == 'E' ? statement->id : 0});
  }
  return true;
}

// --- the server's answers

// CommandComplete of something that may have prepared or deallocated. True: the client is not to hear of it.
bool Worker::on_sql_done(ServerConnection& server, Bytes body) {
  const auto view = read_command_complete(body);
  if (!view) return false;
  if (view->tag == "DEALLOCATE ALL" || view->tag == "DISCARD ALL") {
    server.statements.clear();
    if (server.client) server.client->statements.clear();
    if (view->tag == "DISCARD ALL") on_discarded(server);
    return false;
  }
  auto& orders = server.sql.orders;
  const Verb verb = view->tag == "PREPARE"      ? Verb::prepare
                    : view->tag == "DEALLOCATE" ? Verb::deallocate
                                                : Verb::other;
  if (server.swallowing || verb == Verb::other || orders.empty() || orders.front().verb != verb) return false;
  const policy::SqlOrder order = std::move(orders.front());
  orders.erase(orders.begin());
  // A name that was taken has been given to another text: it was not there any more.
  if (verb == Verb::prepare && !order.ours && !order.statement) server.statements.suspect_all();
  if (order.statement && order.statement->text->reads_clock) ++order.statement->version;
  if (order.statement && !server.statements.find(*order.statement)) {
    server.statements.add(order.statement, order.statement->id);
  }
  if (!order.ours && server.client) server.client->statements.set(order.name, order.statement);
  return order.ours;
}

}  // namespace pgweir
