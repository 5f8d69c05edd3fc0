// What a client's statements do to its session in a shared mode, noted with its server as they go by: see isolation.cpp for
// what comes of it.
#pragma once

#include <string>

#include "protocol/framer.h"
#include "protocol/sql/session_effects.h"

namespace pgweir {

class Run;
class Worker;
struct ClientSession;
struct Said;
struct ServerConnection;

// A part of the worker, on whose thread it runs. No state of its own.
class StatementEffects {
 public:
  // Before a Query, Parse, Bind or FunctionCall goes out; may put words of ours before it. False: the client has left.
  static bool note(Worker& worker, ClientSession& client, const Piece& piece, Run& run);

 private:
  static void note_piece(Worker& worker, ClientSession& client, const Piece& piece);
  static void note_text(Worker& worker, ClientSession& client, const Said& said, bool whole);
  static void note_bind(Worker& worker, ClientSession& client, const Said& said, Bytes body);
  static void note_effects(Worker& worker, ClientSession& client, const sql::SessionEffects& effects, Bytes parameters);
  static void note_function(ServerConnection& server, const std::string& name);
  static void note_setting(Worker& worker, ServerConnection& server, const std::string& name);
};

}  // namespace pgweir
