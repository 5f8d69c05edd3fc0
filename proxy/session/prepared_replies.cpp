// What a server's replies mean for prepared statements: which assumptions came true, and what is told in our own name.
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
  if (count == 0 || server.assumptions.settle(count, policy::proof_of(server.desk->pool.account().key))) return true;
  // It has taken another text under a name of ours.
  log_server(log::Level::warning, server, "a prepared statement was replaced on the server");
  if (server.client) end_client(*server.client, CloseReason::protocol_violation);
  if (server.state() != ServerState::leaving) end_server(server, CloseReason::protocol_violation);
  return false;
}

// An ErrorResponse to a request of the client's, or to what we put before it.
void Worker::on_batch_failed(ServerConnection& server, const Piece& piece, const ReplyVerdict& verdict) {
  const ReportView report(piece.body());
  renamed_id_ = 0;
  server.deallocating.clear();
  server.swallow_prepare = false;
  if (verdict.mark != 0) {
    const std::uint64_t id = verdict.mark & ((std::uint64_t{1} << mark_id_bits) - 1);
    const std::uint64_t name_at = verdict.mark >> mark_id_bits;
    policy::Statement* statement = server.statements.by_id(id);
    if (statement && report.sqlstate() == "0A000" && report.field('R') == "RevalidateCachedQuery") {
      // "cached plan must not change result type": from now on it is prepared anew wherever it is used.
      statement_is_stale(*statement);
    }
    if (report.sqlstate() == "26000") server.statements.suspect_all();
    if (server.client && as_text(piece.body()).find("PGBOUNCER_") != std::string_view::npos) {
      renamed_id_ = id;
      const std::string_view next = verdict.failed_is_noted ? server.assumptions.next_name() : std::string_view{};
      renamed_to_ = !next.empty() ? next
                    : name_at > 0 ? std::string_view(server.names_in_flight.c_str() + name_at - 1)
                    : statement ? server.client->statements.name_of(*statement) : std::string_view{};
    }
  }
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

// CommandComplete of something that may have deallocated.
void Worker::on_statements_gone(ServerConnection& server, Bytes body) {
  const auto view = read_command_complete(body);
  if (view && view->tag == "DEALLOCATE" && !server.deallocating.empty()) {
    if (server.client) server.client->statements.erase(server.deallocating);
    server.deallocating.clear();
  }
  if (!view || (view->tag != "DEALLOCATE ALL" && view->tag != "DISCARD ALL")) return;
  server.statements.clear();
  if (server.client) server.client->statements.clear();
}

// An error about a statement bears the name that the client knows. True: it has been put into the run.
bool Worker::rename_in_error(ServerConnection& server, const Piece& piece, Run& to_client) {
  if (renamed_id_ == 0 || renamed_to_.empty() || !piece.whole()) return false;
  const policy::ServerName name(std::exchange(renamed_id_, 0));
  std::string text(as_text(piece.bytes));
  for (std::size_t at = 0; (at = text.find(name.view(), at)) != std::string::npos; at += renamed_to_.size()) {
    text.replace(at, name.view().size(), renamed_to_);
  }
  store_be32(reinterpret_cast<std::byte*>(text.data()) + 1, static_cast<std::uint32_t>(text.size() - 1));
  (void)to_client.append(as_bytes(text));
  flush_to_client(server, to_client);
  return true;
}

// The server has answered all it was sent: what the client has said since is judged now.
void Worker::resume_stalled(ClientSession& client) {
  client.stalled = false;
  feed_held(client);
}

}  // namespace pgweir
