// What currval() and lastval() answer is their session's: they tell of the numbers that this session was given. A pool
// learns it from the first client that asks so in another transaction; from then on
//
//   INSERT, nextval()    keeps its server with the client until a transaction of its own that neither takes numbers nor asks
//   lastval(), currval() answers for this client's own numbers, or that there are none (PostgreSQL's error 55000): who gets
//                        a server whose session remembers somebody else's has it forget them first (DISCARD SEQUENCES)
//
// A pool whose clients never ask is left alone: nothing is looked at but the words before brackets.
#pragma once

#include "protocol/framer.h"

namespace pgweir {

class Run;
class Worker;
struct ClientSession;
struct ServerConnection;

class Sequences {
 public:
  // Before a Query, Parse or Bind goes out; may put words of ours before it. False: the client has left.
  static bool note(Worker& worker, ClientSession& client, const Piece& piece, Run& run);
  // The client has nothing under way. Whether the server stays with it.
  static bool settle(Worker& worker, ServerConnection& server);
  // The client leaves the server.
  static void leave(ServerConnection& server);
};

}  // namespace pgweir
