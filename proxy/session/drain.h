// A shutdown that does not wait for clients to leave: each is closed between two of its transactions, the rest when the
// time is over (shutdown_drain_timeout).
#pragma once

#include <vector>

#include "proxy/core/time.h"
#include "proxy/session/ports.h"

namespace pgweir {

class TakeoverPort;
class Worker;
struct ClientSession;

// Owned by its worker, used on its thread.
class Drain {
 public:
  bool on() const { return deadline_ != TimePoint{}; }
  // From now on; `limit` is above 0. Clients that are still logging in are refused.
  void begin(Worker& worker, Duration limit);
  // The same for another process's sake: clients go there instead, and those that cannot stay until `limit` is over (0: as
  // long as they like). `port` outlives the worker.
  void begin_giving(Worker& worker, TakeoverPort& port, Duration limit);
  bool gives_away() const { return port_ != nullptr; }
  // A transaction of the client's is over; it is closed at the turn's end, when it has been told so.
  void note_ready(Token client) { ready_.push_back(client); }
  void on_turn_end(Worker& worker);
  // Those that were idle all along, or were not ready to be closed before.
  void on_tick(Worker& worker);

 private:
  static bool between_transactions(const ClientSession& client);
  void dismiss(Worker& worker, ClientSession& client);
  static void close_all(Worker& worker);

  TimePoint deadline_{};              // TimePoint{}: there is no drain
  TakeoverPort* port_ = nullptr;
  std::vector<Token> ready_;
  std::vector<Token> told_;           // a part of the message waits for room in the socket
};

}  // namespace pgweir
