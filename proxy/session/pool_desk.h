// A pool with all that its worker needs to serve it. Owned by the worker, used on its thread.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "config/effective.h"
#include "protocol/bytes.h"
#include "proxy/observe/isolation.h"
#include "proxy/observe/ladder.h"
#include "proxy/observe/stats.h"
#include "proxy/observe/waits.h"
#include "proxy/policy/host_order.h"
#include "proxy/policy/parameters.h"
#include "proxy/pool/pool.h"
#include "proxy/session/channels.h"

namespace pgweir {

// What a server told at its login, for the workers that have none of their own. Immutable.
struct Welcome {
  Buffer statuses;
  policy::SharedParameters parameters;
};

struct PoolDesk {
  PoolDesk(PoolAccount& account, unsigned worker) : pool(account, worker) {}

  Pool pool;
  DatabasePtr database;                        // how to connect
  PoolLimits limits;
  PoolMode mode = PoolMode::session;
  std::uint64_t config_generation = 0;         // grows when connections made before must not be used any more
  bool removed = false;                        // its database is gone from the configuration
  bool over_size = false;                      // pool_size has shrunk below what is open
  TimePoint unused_since{};                    // no client and no server since; TimePoint{}: it is used
  bool waiting_for_donor = false;              // another worker was asked for an idle server
  Duration lease = milliseconds(1);            // how long clients keep a server: a mean that each moves by an eighth; at first HandOver::margin
  bool looks_later = false;                    // see HandOver::look_later
  TimePoint asked_to_evict_at{};               // other workers were asked to close one of another pool's
  policy::HostOrder hosts;                     // of a host list: whose turn it is
  bool fast_fail = false;                      // the last login was refused: clients need not wait for it

  // What a server told at its login, repeated to clients so that they need no server to log in.
  bool welcome_known = false;
  Buffer welcome;                              // ParameterStatus messages of the settings that are not tracked
  policy::SharedParameters server_parameters;  // the tracked ones, as a fresh server has them

  WaitCounts waits{};                          // by what kept the clients from a server
  PoolTimes times;
  IsolationCounts isolation{};
  bool asks_sequences = false;                 // one of its clients has asked currval() or lastval() in another transaction
  std::unique_ptr<SharedListener> listener;    // null: nobody listens
  std::unordered_map<std::string, FunctionTrust> functions;   // by name; bounded
  TimePoint audit_at{};                        // the next residue audit
  std::uint64_t asked_at_assignments = 0;      // server_assignments when a server was last asked for hidden code
  bool distrust = false;                       // one has found something: every lease is followed by a full look
  PoolStats stats;
  PoolStats at_period_start;                   // of the running stats_period
  PoolStats last_period;                       // what the last completed one added
};

}  // namespace pgweir
