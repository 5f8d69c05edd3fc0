// EXECUTE and DEALLOCATE in SQL of statements that were prepared by message: the server is told its own name for them.
#include "protocol/compose.h"
#include "proxy/session/say.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

using policy::ServerName;

// Stand-ins that a DEALLOCATE may really take away, since the statement itself stays on the server for others.
constexpr std::string_view stand_in = "PGBOUNCER_0";
constexpr std::string_view stand_in_text{"select 1\0\0\0", 11};
constexpr std::string_view deallocate_stand_in = "DEALLOCATE \"PGBOUNCER_0\"";
constexpr std::string_view deallocate_as_query =
    "PREPARE \"PGBOUNCER_q\" AS SELECT 1; DEALLOCATE \"PGBOUNCER_q\"";

std::string renamed(std::string_view sql, const policy::SqlVerb& verb, std::uint64_t id) {
  std::string text(sql.substr(0, verb.name_at));
  text.append("\"").append(ServerName(id).view()).append("\"").append(sql.substr(verb.name_end));
  return text;
}

}  // namespace

// As a Query. DEALLOCATE: the server answers for a stand-in, so that a failed transaction refuses it as it should.
Worker::Verdict Worker::query_about(ClientSession& client, const Piece& piece, std::string_view sql,
                                    const policy::SqlVerb& verb, const policy::StatementRef& known, Run& run) {
  ServerConnection& server = *client.server;
  if (verb.verb == policy::Verb::prepare) return pass(client, piece, forget_unnamed(client));
  if (!server.talk.nothing_owed()) return stall(client, run);
  if (server.talk.batch_open()) return pass(client, piece, forget_unnamed(client));
  std::string text(deallocate_as_query);
  std::uint64_t mark = 0;
  if (verb.verb == policy::Verb::deallocate) {
    server.deallocating = verb.name;
    server.swallow_prepare = server.touching = true;
  } else {
    const auto* there = prepare(client, known, run);
    if (!there) return Verdict::end;
    if (server.talk.batch_open()) {
      // Ours alone, so that its failure is not the client's: the EXECUTE then fails by itself.
      if (!say(client, run, short_message_bytes, [](Buffer& out) { compose::sync(out); })) return Verdict::end;
      server.talk.on_request('S', For::pooler);
    }
    mark = note_name(server, there->id, verb.name).mark;
    text = renamed(sql, verb, there->id);
  }
  Note note = forget_unnamed(client);
  note.mark = mark;
  server.assumptions.on_boundary();
  if (!say(client, run, text.size() + 16, [&](Buffer& out) { compose::query(out, text); })) return Verdict::end;
  server.talk.on_request('Q', For::client, note);
  server.clock.on_request(piece, loop_.now());
  return Verdict::replace;
}

// As the text of an unnamed statement.
Worker::Verdict Worker::parse_about(ClientSession& client, const Piece& piece, const ParseView& view,
                                    const policy::SqlVerb& verb, const policy::StatementRef& known, Run& run) {
  ServerConnection& server = *client.server;
  policy::StatementRef statement = statements_.intern(view.identity);
  if (verb.verb == policy::Verb::prepare) return parse_unnamed(client, piece, std::move(statement), false);
  if (!server.talk.nothing_owed()) return stall(client, run);
  std::string text(deallocate_stand_in);
  if (verb.verb == policy::Verb::deallocate) {
    if (!say(client, run, short_message_bytes, [](Buffer& out) { compose::close(out, 'S', stand_in); })) return Verdict::end;
    server.talk.on_request('C', For::pooler);
    if (!say_parse(client, stand_in, as_bytes(stand_in_text), run)) return Verdict::end;
    server.talk.on_request('P', For::pooler);
  } else {
    const auto* there = prepare(client, known, run);
    if (!there) return Verdict::end;
    text = renamed(view.sql, verb, there->id);
  }
  if (!say(client, run, text.size() + view.type_oids.size() + 16,
           [&](Buffer& out) { compose::parse(out, {}, text, view.type_oids); })) {
    return Verdict::end;
  }
  (void)parse_unnamed(client, piece, std::move(statement), false);
  if (verb.verb == policy::Verb::deallocate) server.deallocating = verb.name;
  server.clock.on_request(piece, loop_.now());
  return Verdict::replace;
}

}  // namespace pgweir
