// When a server that nobody waits for goes to a client who waits on another worker. Where transactions are long it goes at
// once. Where they are short, one of that worker's own comes free sooner than a stranger could be there, and servers that went
// to and fro for every pause of a worker would cost more than they serve: there it goes to who has waited for a millisecond, or
// has no server of its own worker's to wait for.
#pragma once

#include "proxy/core/time.h"
#include "proxy/pool/ledger.h"

namespace pgweir {

class Worker;
struct PoolDesk;

class HandOver {
 public:
  // Below this difference in age a server stays where it is: moving it costs more than it brings.
  static constexpr Duration margin = milliseconds(1);

  // Since before when another worker's client must wait for a server that nobody waits for here.
  static TimePoint older_than(const Worker& worker, const PoolDesk& desk);
  // A server has just been shelved: it goes to whoever waits elsewhere, now or, if nobody waits for long enough, later.
  // True: it has gone.
  static bool feed_others(Worker& worker, PoolDesk& desk);
  // Clients of the pool wait here: another worker with an idle server is asked for it, now or later.
  static void ask(Worker& worker, PoolDesk& desk);
  static void on_alarm(Worker& worker);
  // A client has given its server back, which it had for so long.
  static void note_lease(PoolDesk& desk, Duration took);

 private:
  static bool may_wait(const PoolDesk& desk);
  static void donate(Worker& worker, PoolKey key, unsigned to);
  static void look_later(Worker& worker, PoolDesk& desk);
};

}  // namespace pgweir
