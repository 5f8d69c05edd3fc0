// Which statements do something to their sessions, and what comes of it, counted for SHOW ISOLATION; in session mode, what
// would come of it in transaction mode.
#pragma once

#include <string_view>

#include "protocol/framer.h"
#include "protocol/sql/session_effects.h"
#include "proxy/observe/isolation_log.h"
#include "proxy/session/session_touch.h"

namespace pgweir {

class Worker;
struct ClientSession;
struct PoolDesk;

// On the worker's thread; the counts are in its IsolationLog.
class SessionNotes {
 public:
  // A statement of the client's that holds a server does this.
  static void note_class(Worker& worker, ClientSession& client, std::string_view sql, const sql::SessionEffects& effects);
  // What came of those that have touched a session: it was looked at, its server stays, its settings were kept, and given again.
  static void count_looks(Worker& worker, const SessionTouch& touched);
  static void count_pin(Worker& worker, const SessionTouch& touched, PinReason reason);
  static void count_kept(Worker& worker, ClientSession& client, const SessionTouch& touched);
  static void count_refused(Worker& worker, const ClientSession& client, std::string_view sql);     // it has not run
  static void count_refused(Worker& worker, const SessionTouch& touched);                           // a look has found it
  static void count_replay(Worker& worker, const ClientSession& client);
  // The report in session mode. Texts count as they come; a prepared statement counts when it is prepared.
  static bool reports_readiness(const PoolDesk& desk);
  static void note_readiness(Worker& worker, const ClientSession& client, const Piece& piece);

 private:
  static IsolationLog::Ref log_class(Worker& worker, const ClientSession& client, std::string_view sql);
};

}  // namespace pgweir
