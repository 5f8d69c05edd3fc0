// A client that wants to replicate. No other client can have its server before or after it: the server is opened for it,
// with what it asks for in its StartupMessage, and closed with it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "proxy/policy/close_reason.h"
#include "proxy/session/ports.h"

namespace pgweir {

// Owned by its client.
struct Replication {
  enum class Kind : std::uint8_t { physical, logical };
  Kind kind = Kind::physical;
  std::vector<std::pair<std::string, std::string>> startup;   // for the server's StartupMessage, as the client said them
  Token server;                      // opened for it; finds nothing before and after
};

class Worker;
class ServerLogin;
struct ClientSession;
struct ServerConnection;
struct ServerSecret;

// What a worker does for clients that replicate. No state of its own: the clients' is in Replication.
class DedicatedServers {
 public:
  // As a login is logged: `no`, `yes`, `database`.
  static const char* asked(const ClientSession& client);
  // What its StartupMessage says of it. False: it has been refused.
  static bool read(Worker& worker, ClientSession& client);
  // True: its server is on its way. Otherwise there is no place; open_again() tries at each tick.
  static bool open(Worker& worker, ClientSession& client);
  static void open_again(Worker& worker);
  // Adds what the client asks for to the server's StartupMessage.
  static void ask(Worker& worker, const ServerConnection& server, ServerSecret& secret);
  static void on_ready(Worker& worker, ServerConnection& server, const ServerLogin& login);
  static void on_failed(Worker& worker, ServerConnection& server, CloseReason reason, const std::string& text, const std::string& sqlstate);
  // The client leaves: nobody else gets its server.
  static void end(Worker& worker, ClientSession& client);
};

}  // namespace pgweir
