// The online upgrade: clients between two transactions, and servers that nobody holds, change to another process with their
// sockets. Who cannot be moved stays until it leaves: TLS (its keys are in our memory), transactions under way, clients whose
// server has something of theirs that SQL cannot tell or who LISTEN, replication.
#pragma once

#include <memory>
#include <string>

#include "proxy/session/handed.h"
#include "proxy/session/ports.h"

namespace pgweir {

class Worker;
struct ClientSession;
struct PoolDesk;
struct ServerConnection;

// Where they go. Implemented by the process; thread-safe.
class TakeoverPort {
 public:
  virtual ~TakeoverPort() = default;
  // `server` is null unless the client holds one.
  virtual void give_client(std::unique_ptr<Detached> client, std::unique_ptr<Detached> server, Buffer record) = 0;
  virtual void give_server(std::unique_ptr<Detached> server, Buffer record) = 0;
};

// A friend of the worker's, on whose thread all of it runs.
class Takeover {
 public:
  // --- in the process that leaves
  // The client is between two transactions; whether it can be moved.
  static bool may_give(const ClientSession& client);
  static void give(Worker& worker, ClientSession& client, TakeoverPort& port);
  // Servers beyond those that the clients who stay may want.
  static void give_spare_servers(Worker& worker, TakeoverPort& port);

  // --- in the process that comes. What does not fit its configuration is closed.
  static void take(Worker& worker, const HandedClient& record, std::unique_ptr<Detached> socket,
                   std::unique_ptr<Detached> server_socket, const std::string& unread);
  static void take(Worker& worker, const HandedServer& record, std::unique_ptr<Detached> socket);

 private:
  static bool may_give(const Worker& worker, const ServerConnection& server);
  static HandedServer record_of(const Worker& worker, const ServerConnection& server);
  static void drop(Worker& worker, ServerConnection& server);
  static ServerConnection* open(Worker& worker, const HandedServer& record, std::unique_ptr<Detached> socket);
  static void restore(Worker& worker, ClientSession& client, const HandedClient& record);
};

}  // namespace pgweir
