// session_state=refuse: a statement that leaves what no other server can be given is not run.
//
//   client            pgweir                                             server
//   Query lock   ->   no server held: ERROR 0A000, ReadyForQuery
//   Query lock   ->   a server held (a transaction, or a pipeline):  ->  Query "session_state=refuse 7"
//   ERROR 0A000  <-   the same error, in the words of refusal 7      <-  ERROR: syntax error at ...
//
// The server refuses in the client's stead, so that transaction, batch and what is owed are what they are after any
// statement that PostgreSQL cannot parse. What only a look tells ends the client instead.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "proxy/observe/isolation.h"
#include "proxy/policy/refusal.h"
#include "proxy/session/worker.h"

namespace pgweir {

// Of one server, for the client that holds it; in the order of the stand-ins that have been sent.
struct RefusedStatements {
  struct One {
    std::uint64_t number;
    policy::Refusal refusal;
    Buffer stand_in;               // the message; lasts until the server has answered
  };
  std::deque<One> under_way;
  std::uint64_t last_number = 0;
};

// What a worker does about them; on its thread. No state of its own.
class Refusals {
 public:
  static bool in_force(const PoolDesk& desk) {
    return desk.mode != PoolMode::session && desk.limits.session_state == SessionState::refuse;
  }
  // The client holds no server. True: its message has been answered with the error.
  static bool answer(Worker& worker, ClientSession& client, const Piece& piece);
  // It holds one. Nothing: the message may go out; else it has been replaced, and this is what becomes of it.
  static std::optional<Worker::Verdict> replace(Worker& worker, ClientSession& client, const Piece& piece, Run& run) {
    if (!in_force(*client.desk())) return {};
    return judge(worker, client, piece, run);
  }
  // A server's error about a stand-in is told in the refusal's own words. Nothing: the piece is something else.
  enum class Told : std::uint8_t { alive, gone };     // the server
  static std::optional<Told> tell(Worker& worker, ServerConnection& server, const Piece& piece, Run& to_client) {
    if (!server.refused || piece.tag != 'E' || !piece.whole()) return {};
    return translate(worker, server, piece, to_client);
  }
  // A look has found `left`: the client goes, and its server is cleaned.
  static void end(Worker& worker, ServerConnection& server, PinReason left, const SessionTouch& touched);

 private:
  static std::optional<Worker::Verdict> judge(Worker& worker, ClientSession& client, const Piece& piece, Run& run);
  static std::optional<Told> translate(Worker& worker, ServerConnection& server, const Piece& error, Run& to_client);
  struct Found {
    policy::Refusal refusal;
    std::string_view text;         // all that was sent; empty: a FunctionCall
  };
  static std::optional<Found> find(Worker& worker, const ClientSession& client, const Piece& piece);
};

}  // namespace pgweir
