// The residue audit: now and then a few idle servers are asked for everything their session has. Nothing of a client's may
// be there but what the server is known to have been given; what else there is has leaked.
#pragma once

#include <string>
#include <vector>

namespace pgweir {

class Worker;
struct PoolDesk;
struct ServerConnection;

// What a worker does for it, on its thread. No state of its own: the pools' and the servers' is theirs.
class ResidueAudit {
 public:
  // Asks session_audit_servers of the pool's idle servers, when session_audit_interval is over.
  static void on_tick(Worker& worker, PoolDesk& desk);
  // A server has answered. One that is not clean is counted, told of and closed.
  static void on_answer(Worker& worker, ServerConnection& server);
  // What a server whose rows are in `told` has beyond what is known of it; words for the log, without values.
  static std::vector<std::string> residue(const Worker& worker, const ServerConnection& server);
};

}  // namespace pgweir
