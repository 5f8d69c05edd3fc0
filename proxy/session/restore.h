// What a client has said in its StartupMessage is set again behind what resets it, before anything else reaches its server.
//
//   RESET x            ->  RESET x, and a SET of ours behind it
//   SET x TO DEFAULT   ->  SET x TO 'what the client said as it connected'
//   RESET x; SELECT 1  ->  RESET x;SET x TO '...'; SELECT 1, whose SET the client does not hear of
//
// What no text tells (DO, functions, values that are bound) is found when the transaction is over: see isolation.cpp.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "protocol/framer.h"
#include "proxy/policy/startup_values.h"

namespace pgweir {

class Worker;
struct ClientSession;
struct ServerConnection;
class Run;

// Owned by the server connection; of its current client.
struct Restores {
  struct Portal {
    std::string name;
    policy::RestoringText of;
  };
  std::vector<Portal> portals;               // that reset something when they are executed
  std::vector<policy::SqlEdit> edits;        // of the query under way
  std::vector<bool> sets;                    // of its SETs to come: whether they are ours
  std::size_t next_set = 0;
  bool refused = false;                      // the client has had an error: nothing was reset
  bool under_way = false;                    // what the server reports meanwhile is told when all is answered
};

// A part of the worker, on whose thread it runs. Its state is that of the message under way.
class Restorer {
 public:
  struct Order {                             // a statement of ours
    std::string sql;
    std::vector<std::string_view> bound;
  };
  // A new input of a client begins: nothing that was told before is needed any more.
  void begin() { rewritten_.clear(); }
  // The message as the server is to be told it. Valid until the next one.
  const Piece& told(Worker& worker, ClientSession& client, const Piece& piece) {
    is_due_ = must_wait_ = false;
    return piece.tag == 'Q' || piece.tag == 'P' || piece.tag == 'E' ? read(worker, client, piece) : piece;
  }
  // The message waits until what is under way has been answered.
  bool must_wait() const { return must_wait_; }
  // Behind the message, which is in the run, if anything follows it. False: the client has left.
  bool follows(const Piece& piece) const { return is_due_ || piece.tag == 'B'; }
  bool follow(Worker& worker, ClientSession& client, const Piece& piece, Run& run);

  // Runs SQL of ours before the message. False: the client has left.
  static bool say_ahead(Worker& worker, ClientSession& client, const Piece& piece, Run& run, std::string_view sql);

  // --- the server's answers
  static bool is_ours(ServerConnection& server, Bytes command);      // CommandComplete
  static bool holds_back(const Worker& worker, const ServerConnection& server, std::string_view parameter);
  // ReadyForQuery comes. The run goes out first where the client has to be told something.
  static void on_ready(Worker& worker, ServerConnection& server, Run& to_client);
  // An error that the client does not hear of: whether it has not got what it must have.
  static bool is_lost(const ServerConnection& server);

 private:
  const Piece& read(Worker& worker, ClientSession& client, const Piece& piece);
  const Piece& replaced(const Piece& piece, const Buffer& by);
  void note_portal(Worker& worker, ClientSession& client, const Piece& piece);
  static bool say(Worker& worker, ClientSession& client, Run& run, std::span<const Order> orders);

  std::vector<Buffer> rewritten_;
  Piece told_;                               // the latest of them
  policy::RestoringText due_;
  bool is_due_ = false, of_query_ = false, must_wait_ = false;
};

}  // namespace pgweir
