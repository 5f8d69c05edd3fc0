// What a server's replies mean for prepared statements: which assumptions came true, and what is told in our own name.
#include <algorithm>
#include <charconv>

#include "protocol/backend.h"
#include "protocol/compose.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

constexpr std::byte parse_complete[] = {std::byte{'1'}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{4}};
constexpr std::byte close_complete[] = {std::byte{'3'}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{4}};

}  // namespace

// Puts the replies we owe, and whose turn has come, at their place. False: the server is gone.
bool Worker::add_fakes(ServerConnection& server, Run& to_client) {
  while (const char tag = server.talk.take_fake()) {
    const Bytes message = tag == '1' ? Bytes(parse_complete) : Bytes(close_complete);
    if (!server.client || to_client.append(message)) continue;
    flush_to_client(server, to_client);
    (void)to_client.append(message);
  }
  return settle_assumptions(server);
}

bool Worker::settle_assumptions(ServerConnection& server) {
  const unsigned count = server.talk.take_settled();
  if (count == 0 || server.assumptions.settle(count, server.desk->pool.account().key)) return true;
  // It has taken another text under a name of ours.
  log_server(log::Level::warning, server, "a prepared statement was replaced on the server");
  if (server.client) end_client(*server.client, CloseReason::protocol_violation);
  if (server.state() != ServerState::leaving) end_server(server, CloseReason::protocol_violation);
  return false;
}

// An ErrorResponse to a request of the client's, or to what we put before it.
void Worker::on_batch_failed(ServerConnection& server, const Piece& piece, const ReplyVerdict& verdict) {
  renames_.clear();
  edits_.clear();
  if (verdict.mark != 0) on_marked_failed(server, ReportView(piece.body()), verdict);
  if (server.restores && !server.swallowing) {
    if (edits_.empty()) edits_ = server.restores->edits;
    server.restores->refused = true;
  }
  server.may_repeat = false;
  if (server.touch) server.touch->temporaries = 0;
  if (!server.swallowing) server.sql.orders.clear();
  if (verdict.notes_dropped > 0 && server.client) {
    server.assumptions.take_back(verdict.notes_dropped, verdict.failed_is_noted, server.client->statements, server.statements);
  }
}

// The other workers' servers have it under names of their own, or will be handed what is prepared here.
void Worker::statement_is_stale(policy::Statement& statement) {
  ++statement.version;
  for (unsigned worker = 0; worker < shared_.fleet.size(); ++worker) {
    if (worker == number_) continue;
    shared_.fleet.post(worker, [text = statement.text](Worker& other) {
      if (policy::Statement* same = other.statements_.find(*text)) ++same->version;
      other.servers_.for_each([&](ServerConnection& server) { server.statements.forget_foreign(*text); });
    });
  }
}

// ... that names a prepared statement.
void Worker::on_marked_failed(ServerConnection& server, const ReportView& report, const ReplyVerdict& verdict) {
  const std::uint64_t id = verdict.mark & ((std::uint64_t{1} << mark_id_bits) - 1);
  const std::uint64_t name_at = verdict.mark >> mark_id_bits;
  const policy::VerbPortal* portal = server.sql.marked(id);
  policy::Statement* statement = portal ? portal->text.get() : server.statements.by_id(id);
  const bool of_query = server.sql.query_under_way && !server.swallowing;
  if (report.sqlstate() == "0A000" && report.field('R') == "RevalidateCachedQuery") {
    // "cached plan must not change result type": from now on it is prepared anew wherever it is used.
    if (statement) statement_is_stale(*statement);
    if (statement && !portal && !of_query && repeat_batch(server)) return;
    if (portal && portal->about) statement_is_stale(*portal->about);
    for (const policy::SqlRename& rename : server.sql.renames) {
      policy::Statement* named = of_query && rename.id != id ? server.statements.by_id(rename.id) : nullptr;
      if (named) statement_is_stale(*named);
    }
  }
  if (report.sqlstate() == "26000") server.statements.suspect_all();
  if (!server.client) return;
  if (of_query) {
    renames_ = server.sql.renames;
    edits_ = server.sql.edits;
    // What it calls by two names is said by that of the PREPARE which has failed, the first that is not done.
    const auto& orders = server.sql.orders;
    if (report.sqlstate() == "42P05" && !orders.empty()) {
      std::stable_partition(renames_.begin(), renames_.end(), [&](const policy::SqlRename& one) { return one.name == orders.front().name; });
    }
    return;
  }
  if (portal) {
    renames_ = {{portal->text->id, portal->statement}, {portal->about_id, portal->name}, {0, portal->name}};
    edits_ = portal->edits;
    return;
  }
  const std::string_view next = verdict.failed_is_noted ? server.assumptions.next_name() : std::string_view{};
  const std::string_view name = !next.empty() ? next
                                : name_at > 0 ? std::string_view(server.names_in_flight.c_str() + name_at - 1)
                                : statement ? server.client->statements.name_of(*statement) : std::string_view{};
  // A shared unnamed statement was called by no name at all, which is said as "".
  const bool unnamed = next.empty() && name_at > 0;
  if (!name.empty() || unnamed) renames_ = {{id, std::string(name)}};
}

// Says the batch that has just failed once more. False: the client has heard of it, or of what comes behind it.
bool Worker::repeat_batch(ServerConnection& server) {
  ClientSession* client = server.client;
  const bool only_its_sync = server.talk.owed_count() == 1 && !server.talk.skipping();
  if (!server.may_repeat || !client || !only_its_sync || client->stalled || !client->framer.between_messages()) return false;
  ++statement_counters_.repeats;
  server.may_repeat = false;
  server.repeating = client->stalled = client->repeated = true;
  server.clock.forget();
  Buffer again = std::move(server.batch);
  if (client->held) append(again, *client->held);
  client->held = std::make_unique<Buffer>(std::move(again));
  update_reading(*client);
  return true;
}

// An error bears the names and the positions that the client knows. True: it has been put into the run.
bool Worker::correct_error(ServerConnection& server, const Piece& piece, Run& to_client) {
  if ((renames_.empty() && edits_.empty()) || !piece.whole()) return false;
  const bool named = as_text(piece.body()).find("PGBOUNCER_") != std::string_view::npos;
  const ReportView report(piece.body());
  const std::string_view position = report.field('P');
  if (!named && (edits_.empty() || position.empty())) return false;
  std::string text(as_text(piece.bytes));
  if (!edits_.empty() && !position.empty()) {
    std::uint32_t at = 0;
    (void)std::from_chars(position.data(), position.data() + position.size(), at);
    const auto offset = static_cast<std::size_t>(position.data() - as_text(piece.bytes).data());
    text.replace(offset, position.size(), std::to_string(policy::client_position(edits_, at)));
  }
  for (const policy::SqlRename& rename : renames_) {
    const policy::ServerName name(rename.id);
    for (std::size_t at = 0; (at = text.find(name.view(), at)) != std::string::npos;) {
      const std::size_t end = at + name.view().size();
      const bool whole = end == text.size() || text[end] < '0' || text[end] > '9';
      if (whole) text.replace(at, name.view().size(), rename.name);
      at += whole ? rename.name.size() : name.view().size();
    }
  }
  store_be32(reinterpret_cast<std::byte*>(text.data()) + 1, static_cast<std::uint32_t>(text.size() - 1));
  renames_.clear();
  edits_.clear();
  (void)to_client.append(as_bytes(text));
  flush_to_client(server, to_client);
  return true;
}

// Only what begins outside a transaction is a unit that can be said again, and only once.
bool Worker::may_be_repeated(ClientSession& client) const {
  if (client.repeated) return client.repeated = false;
  return tracks_statements(client) && client.framer.between_messages() && !client.swallow_rest &&
         (!client.server ||
          (client.server->talk.at_rest() && client.server->talk.transaction() == TxStatus::idle));
}

void Worker::keep_batch(ServerConnection& server, Bytes batch) {
  server.may_repeat = !batch.empty();
  if (server.may_repeat) server.batch.assign(batch.begin(), batch.end());
}

// The server has answered all it was sent: what the client has said since is judged now.
void Worker::resume_stalled(ClientSession& client) {
  client.stalled = false;
  feed_held(client);
}

}  // namespace pgweir
