// Triggers, views and policies whose code changes sessions are in no statement's text. The first server of a pool is asked for
// them before it serves anybody, and again every session_audit_interval. Where there are some, and as long as it is not known,
// every session is looked at after each transaction.
#pragma once

#include "protocol/bytes.h"

namespace pgweir {

class Worker;
struct PoolAccount;
struct PoolDesk;
struct ServerConnection;

// What a worker does for it, on its thread. No state of its own: what is known is the pool's, for all workers.
class HiddenCode {
 public:
  // A server is about to become available. True: it is asked first.
  static bool ask_first(Worker& worker, ServerConnection& server);
  // Asks an idle server, where it is not known or has not been asked for long.
  static void on_tick(Worker& worker, PoolDesk& desk);
  // A server has answered; what becomes of it is the caller's.
  static void on_answer(Worker& worker, ServerConnection& server);
  // Whether what a client of the pool has done is not told by its statements alone.
  static bool possible(const Worker& worker, const PoolDesk& desk);
  // CommandComplete for a client: it may have made such code, which counts from the end of its transaction on.
  static void on_command(Worker& worker, ServerConnection& server, Bytes body);
  // For all pools of the database.
  static void forget(Worker& worker, PoolDesk& desk);

 private:
  static bool is_asked_for(const Worker& worker, const PoolDesk& desk);
  static void ask(Worker& worker, ServerConnection& server);
};

}  // namespace pgweir
