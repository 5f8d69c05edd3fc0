// Prepared statements of clients that share servers: each request is passed on, renamed, answered by us, or preceded
// by what its server lacks. The rule: wherever PostgreSQL would refuse, PostgreSQL is made to refuse, so that the
// error comes at its place and the transaction fails with it.
#include <algorithm>

#include "protocol/compose.h"
#include "protocol/frontend.h"
#include "proxy/policy/prepared/sql_verb.h"
#include "proxy/policy/prepared/trace_comment.h"
#include "proxy/session/say.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

using policy::Assumption;
using policy::ClientStatements;
using policy::ServerName;
using policy::StatementRef;
using What = policy::Assumption::What;

bool is_same(const StatementRef& statement, Bytes identity, const policy::SharedPlanning& planning) {
  return statement && statement->text->kind == policy::StatementKind::parsed &&
         statement->identity().size() == identity.size() &&
         std::memcmp(statement->identity().data(), identity.data(), identity.size()) == 0 &&
         policy::same_planning(statement->text->planning, planning);
}

}  // namespace

bool Worker::holds_too_much(const ClientSession& client) const {
  const auto max = static_cast<std::size_t>(config_->globals.max_client_statement_bytes);
  return max > 0 && client.statements.bytes() > max;
}

Worker::Verdict Worker::judge_statement(ClientSession& client, const Piece& piece, Run& run) {
  ServerConnection& server = *client.server;
  if (holds_too_much(client)) return end_sending(client, CloseReason::max_client_statement_bytes, run);
  // In a failed batch, or where a COPY wants data, nothing of it has an effect.
  if (piece.tag != 'S' && (server.talk.skipping() || server.talk.in_copy())) return pass(client, piece);
  if (server.talk.nothing_owed()) {
    server.touching = false;
    server.names_in_flight.clear();
    if (!server.sql.empty()) server.sql.end_query();
    if (!server.talk.batch_open()) server.statements.begin_epoch();
  } else if (server.sql.query_under_way) {
    return stall(client, run);
  }
  switch (piece.tag) {
    case 'P':
      return judge_parse(client, piece, run);
    case 'B':
      return judge_bind(client, piece, run);
    case 'D':
      return judge_describe(client, piece, run);
    case 'C':
      return judge_close(client, piece, run);
    case 'Q':
      return judge_query(client, piece, run);
    case 'E': {
      Verdict verdict = Verdict::forward;
      if (!server.sql.portals.empty() && judge_execute_verb(client, piece, run, verdict)) return verdict;
      return pass(client, piece);
    }
    case 'S':
      server.assumptions.on_boundary();
      return pass(client, piece);
    default:
      return pass(client, piece);
  }
}

Worker::Verdict Worker::pass(ClientSession& client, const Piece& piece, Note note) {
  client.server->talk.on_request(piece.tag, For::client, note);
  return Verdict::forward;
}

// What needs no server, so that it must not wait for one: with more clients than servers in one thread of a driver,
// each preparing a statement while the others hold a transaction open, nobody would ever get on.
Worker::Verdict Worker::judge_statement_without_server(ClientSession& client, const Piece& piece) {
  if (piece.tag == 'C' && piece.ends) {
    const auto view = read_close(piece.body());
    if (!view || view->kind != 'S') return Verdict::forward;
    if (view->name.empty()) client.statements.unnamed = {};
    else client.statements.erase(view->name);
    compose::close_complete(answers_);
    return Verdict::swallow;
  }
  if (piece.tag != 'P' || !piece.ends || holds_too_much(client)) return Verdict::forward;
  const auto& view = said(client, piece).parse;
  PoolDesk& desk = *client.desk();
  if (!view || view->statement.empty() || client.statements.find(view->statement)) return Verdict::forward;
  const PooledServer* idle = desk.pool.waiters().empty() ? desk.pool.best_idle() : nullptr;
  if (idle && !needs_check(desk, *idle)) return Verdict::forward;
  StatementRef statement = statements_.intern(identity_of(*view), policy::StatementKind::parsed, planning(client));
  if (statement->text->reads_clock || !statements_.is_proven(*statement, desk.pool.account().key)) return Verdict::forward;
  ++desk.stats.client_parses;
  client.statements.set(view->statement, std::move(statement));
  compose::parse_complete(answers_);
  return Verdict::swallow;
}

// --- Parse

Worker::Verdict Worker::judge_parse(ClientSession& client, const Piece& piece, Run& run) {
  ServerConnection& server = *client.server;
  const auto& view = said(client, piece).parse;
  if (!view) {
    // Too large to be remembered beyond its batch, or broken: PostgreSQL will say so.
    const auto lead = read_parse_lead(piece.body());
    if (!lead || !lead->statement.empty()) return pass(client, piece);
    return parse_unnamed(client, piece, {}, said(client, piece).facts.touches_statements);
  }
  if (view->statement.empty()) {
    const Bytes identity = identity_of(*view);
    StatementRef statement = client.statements.unnamed;
    const policy::SharedPlanning& set = planning(client);
    if (!is_same(statement, identity, set)) statement = statements_.intern(identity, policy::StatementKind::parsed, set);
    if (may_share(*statement)) return share_unnamed(client, piece, std::move(statement), run);
    return parse_unnamed(client, piece, std::move(statement), false);
  }
  if (in_doubt(server)) return stall(client, run);
  ++client.desk()->stats.client_parses;
  if (const StatementRef* known = client.statements.find(view->statement)) return parse_duplicate(client, piece, StatementRef(*known), run);
  StatementRef statement = statements_.intern(identity_of(*view), policy::StatementKind::parsed, planning(client));
  // What others have had parsed says another time.
  if (statement->text->reads_clock) ++statement->version;
  Assumption assumption{What::named, false, statement, {}, std::string(view->statement), {}};
  auto* there = server.statements.find(*statement);
  if (there && !there->stale()) {
    server.statements.touch(*there);
    if (server.talk.earlier_is_answered() && server.talk.transaction() != TxStatus::failed) {
      server.talk.owe_fake('1', true);
      server.assumptions.push(std::move(assumption));
      client.statements.set(view->statement, std::move(statement));
      return Verdict::swallow;
    }
    // The transaction may have failed, and then only few statements may be parsed: let the server tell.
    server.statements.unnamed_is_the_clients = false;
    if (!say_parse(client, {}, statement->identity(), run)) return Verdict::end;
    ++client.desk()->stats.server_parses;
  } else {
    if (!prepare(client, statement, run)) return Verdict::end;
    // That was ours; make it the client's.
    assumption.what = What::named;
    server.talk.owe_fake('1', true);
    server.assumptions.push(std::move(assumption));
    client.statements.set(view->statement, std::move(statement));
    return Verdict::replace;
  }
  server.talk.on_request('P', For::client, {true, 0});
  server.assumptions.push(std::move(assumption));
  client.statements.set(view->statement, std::move(statement));
  return Verdict::replace;
}

// What makes the statement the same as another: its text but for what changes with each request, and its types. Valid
// until the next call.
Bytes Worker::identity_of(const ParseView& view) {
  const policy::WithoutTrace kept = policy::without_trace_comments(view.sql);
  if (kept.end == view.sql.size() && kept.blank_end == 0) return view.identity;
  const auto text = as_bytes(view.sql.substr(0, kept.end));
  identity_.assign(text.begin(), text.end());
  std::fill(identity_.begin() + static_cast<std::ptrdiff_t>(kept.blank_begin),
            identity_.begin() + static_cast<std::ptrdiff_t>(kept.blank_end), std::byte{' '});
  append(identity_, view.identity.subspan(view.sql.size()));
  return identity_;
}

// PostgreSQL parses before it looks at the name, so that it gets both: the text, and a name that it has.
Worker::Verdict Worker::parse_duplicate(ClientSession& client, const Piece& piece, const StatementRef& known, Run& run) {
  ServerConnection& server = *client.server;
  const auto* there = prepare(client, known, run);
  if (!there) return Verdict::end;
  const auto view = read_parse(piece.body());
  if (!say_parse(client, ServerName(there->id).view(), view->identity, run)) return Verdict::end;
  server.talk.on_request('P', For::client, {true, there->id});
  server.assumptions.push({What::duplicate, false, {}, {}, std::string(view->statement), {}});
  return Verdict::replace;
}

// --- Bind, Describe, Close

Worker::Verdict Worker::judge_bind(ClientSession& client, const Piece& piece, Run& run) {
  ServerConnection& server = *client.server;
  const auto& view = said(client, piece).bind;
  if (!view) return pass(client, piece);
  if (view->statement.empty()) {
    const StatementRef& unnamed = client.statements.unnamed;
    if (server.assumptions.unnamed_unsettled()) return stall(client, run);
    if (unnamed && unnamed->text->verb) {
      Verdict verdict = Verdict::forward;
      if (bind_verb(client, piece, *view, StatementRef(unnamed), run, verdict)) return verdict;
    }
    if (unnamed && unnamed->shared) {
      if (in_doubt(server)) return stall(client, run);
      const StatementRef shared = unnamed;
      if (!bind_to(client, piece, *view, shared, run)) return Verdict::end;
      note_bind_text(server, piece, *view, {}, shared->text->sql());
      return Verdict::replace;
    }
    if (!server.statements.unnamed_is_the_clients) {
      if (!server.talk.earlier_is_answered()) return stall(client, run);
      if (!renew_unnamed(client, run)) return Verdict::end;
    }
    server.touching |= unnamed && unnamed->text->touches_statements;
    server.sql.unbind(view->portal);
    return pass(client, piece);
  }
  if (in_doubt(server)) return stall(client, run);
  const StatementRef* known = client.statements.find(view->statement);
  if (!known) return pass(client, piece);            // PostgreSQL does not know it either
  const StatementRef statement = *known;
  if (statement->text->verb) {
    Verdict verdict = Verdict::forward;
    if (bind_verb(client, piece, *view, statement, run, verdict)) return verdict;
  }
  ++client.desk()->stats.binds;
  if (!bind_to(client, piece, *view, statement, run)) return Verdict::end;
  server.touching |= statement->text->touches_statements;
  note_bind_text(server, piece, *view, view->statement, statement->text->sql());
  return Verdict::replace;
}

// The client's Bind, to a statement by our name for it. False: the client has left.
bool Worker::bind_to(ClientSession& client, const Piece& piece, const BindView& view, const StatementRef& statement,
                     Run& run, std::uint64_t mark) {
  ServerConnection& server = *client.server;
  server.sql.unbind(view.portal);
  const auto* there = prepare(client, statement, run);
  if (!there) return false;
  const ServerName name(there->id);
  const auto rest_bytes = piece.length - 4 - static_cast<std::uint32_t>(view.statement_end);
  if (!say(client, run, short_message_bytes + view.portal.size(),
           [&](Buffer& out) { compose::bind_head(out, view.portal, name.view(), rest_bytes); }) ||
      !add(client, run, piece.body().subspan(view.statement_end))) {
    return false;
  }
  server.talk.on_request('B', For::client, mark != 0 ? Note{false, mark} : note_name(server, there->id, view.statement));
  return true;
}

Worker::Verdict Worker::judge_describe(ClientSession& client, const Piece& piece, Run& run) {
  ServerConnection& server = *client.server;
  const auto view = read_describe(piece.body());
  if (!view || view->kind != 'S') return pass(client, piece);
  if (view->name.empty()) {
    if (server.assumptions.unnamed_unsettled()) return stall(client, run);
    if (const StatementRef unnamed = client.statements.unnamed; unnamed && unnamed->text->verb) {
      Verdict verdict = Verdict::forward;
      if (describe_verb(client, unnamed, run, verdict)) return verdict;
    }
    if (const StatementRef unnamed = client.statements.unnamed; unnamed && unnamed->shared) {
      if (in_doubt(server)) return stall(client, run);
      return describe_as(client, unnamed, {}, run);
    }
    if (!server.statements.unnamed_is_the_clients) {
      if (!server.talk.earlier_is_answered()) return stall(client, run);
      if (!renew_unnamed(client, run)) return Verdict::end;
    }
    return pass(client, piece);
  }
  if (in_doubt(server)) return stall(client, run);
  const StatementRef* known = client.statements.find(view->name);
  if (!known) return pass(client, piece);
  if ((*known)->text->verb) {
    Verdict verdict = Verdict::forward;
    if (describe_verb(client, StatementRef(*known), run, verdict)) return verdict;
  }
  return describe_as(client, StatementRef(*known), view->name, run);
}

Worker::Verdict Worker::describe_as(ClientSession& client, const StatementRef& statement, std::string_view name, Run& run) {
  const auto* there = prepare(client, statement, run);
  if (!there) return Verdict::end;
  if (!say(client, run, short_message_bytes, [&](Buffer& out) { compose::describe(out, 'S', ServerName(there->id).view()); }))
    return Verdict::end;
  client.server->talk.on_request('D', For::client, note_name(*client.server, there->id, name));
  return Verdict::replace;
}

// The server keeps the statement: other clients may use it, and what is not used is dropped in time.
Worker::Verdict Worker::judge_close(ClientSession& client, const Piece& piece, Run& run) {
  ServerConnection& server = *client.server;
  const auto view = read_close(piece.body());
  if (!view || view->kind != 'S') return pass(client, piece);
  if (view->name.empty()) {
    // Goes to the server, which forgets its unnamed statement as well.
    return parse_unnamed(client, piece, {}, false);
  }
  if (in_doubt(server)) return stall(client, run);
  const StatementRef* known = client.statements.find(view->name);
  if (!known) return pass(client, piece);
  Assumption assumption;
  assumption.what = What::named;
  assumption.before = *known;
  assumption.name = view->name;
  client.statements.erase(view->name);
  server.talk.owe_fake('3', true);
  server.assumptions.push(std::move(assumption));
  return Verdict::swallow;
}

// --- Query

Worker::Verdict Worker::judge_query(ClientSession& client, const Piece& piece, Run& run) {
  ServerConnection& server = *client.server;
  const Said& what = said(client, piece);
  const bool touches = what.facts.touches_statements;
  if (touches && in_doubt(server)) return stall(client, run);
  const bool has_names = client.statements.count() > 0 || in_doubt(server);
  if (piece.ends && (touches || (has_names && policy::may_execute(what.sql)))) {
    Verdict verdict = Verdict::forward;
    if (judge_sql(client, piece, what.sql, run, verdict)) return verdict;
  }
  const Note note = forget_unnamed(client);
  server.assumptions.on_boundary();
  server.touching |= touches;
  return pass(client, piece, note);
}

// --- what several of them need

// Which names there are depends on replies that have not come yet.
bool Worker::in_doubt(ServerConnection& server) { return server.touching || server.assumptions.names_in_doubt(); }

// An error about our name for a statement is to bear the one that the client used: two of its may share a statement.
Note Worker::note_name(ServerConnection& server, std::uint64_t id, std::string_view name) {
  const std::size_t at = server.names_in_flight.size();
  if (at + name.size() >= mark_name_max) return {false, id};
  server.names_in_flight.append(name).push_back('\0');
  return {false, id | (at + 1) << mark_id_bits};
}

// Keeps the message, and all behind it, until the server has answered everything it has been sent.
Worker::Verdict Worker::stall(ClientSession& client, Run& run) {
  ServerConnection& server = *client.server;
  if (server.talk.batch_open() && !say(client, run, short_message_bytes, [](Buffer& out) { compose::flush(out); })) {
    return Verdict::end;
  }
  client.stalled = true;
  return Verdict::wait;
}

}  // namespace pgweir
