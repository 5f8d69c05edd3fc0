// The servers and waiters of one database and user on one worker: plain data, told the time, doing no I/O.
//
// Owned by the worker, used on its thread only. Decides who gets which server and how many to open; opens, closes and
// wakes nobody itself.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "proxy/core/time.h"
#include "proxy/pool/ledger.h"
#include "proxy/pool/list.h"

namespace pgweir {

// Where a server stands, named as PgBouncer's SHOW SERVERS does.
enum class ServerState : std::uint8_t {
  login,           // connecting or logging in
  active,          // linked to a client
  idle,            // ready for anybody
  used,            // idle for longer than server_check_delay: checked before it is handed out
  tested,          // running server_reset_query or server_check_query
  listening,       // hears notifications for all clients of the pool; serves none
  being_canceled,  // free, but a cancel meant for its last client may still arrive
  leaving,         // its close reason is recorded
};

// A server connection as its pool sees it. Embedded in the ServerConnection, whose address it carries.
struct PooledServer {
  ListHook<PooledServer> in_state;         // member of its pool's list for `state`
  void* connection = nullptr;              // the ServerConnection
  ServerState state = ServerState::login;
  bool close_needed = false;               // stale (reload, RECONNECT): closed as soon as nobody uses it
  TimePoint opened_at{};                   // connected
  TimePoint since{};                       // in this state since
  Duration lifetime{};                     // its own share of server_lifetime, jitter included; 0 = use once
};

// A client that waits for a server. Embedded in the ClientSession.
struct Waiter {
  ListHook<Waiter> in_queue;
  void* session = nullptr;                 // the ClientSession, or the AuthLookup
  TimePoint since{};
  bool notified = false;                   // has had the NOTICE of query_wait_notify
  bool explained = false;                  // its last words are being made
  bool errand = false;                     // of the pooler's own: `session` is an AuthLookup
};

using ServerList = List<PooledServer, &PooledServer::in_state>;
using WaiterList = List<Waiter, &Waiter::in_queue>;

// What the configuration says of one pool, worked out once per reload.
struct PoolSettings {
  ServerLimits limits;
  int min_pool_size = 0;
  int connect_parallel = 8;
  Duration reserve_timeout{};              // 0: the reserve is never used
  Duration server_lifetime{};              // 0: use once
  Duration server_idle_timeout{};          // 0: off
  Duration check_delay{};                  // 0: always check
  Duration login_retry{};                  // upper bound of the pause after failures
  Duration query_wait_timeout{};           // 0: off
  Duration query_timeout{}, transaction_timeout{}, idle_transaction_timeout{};  // 0: off
  unsigned lifetime_jitter_percent = 10;
  bool round_robin = false;
  bool forced_user = false;                // min_pool_size holds without clients
};

class Pool {
 public:
  Pool(PoolAccount& account, unsigned worker) : account_(account), worker_(worker) {}

  // --- facts about it
  PoolAccount& account() const { return account_; }
  const std::string& database() const { return account_.database; }
  const std::string& user() const { return account_.user; }
  PoolSettings settings;
  bool paused = false;                     // PAUSE, KILL, SUSPEND: no server is handed out
  int clients = 0;                         // logged-in clients of this pool on this worker
  int dedicated_logins = 0;                // servers in login that are for one client, not for who waits here

  const ServerList& servers(ServerState state) const { return lists_[index(state)]; }
  std::size_t count(ServerState state) const { return lists_[index(state)].size(); }
  std::size_t servers_here() const;
  WaiterList& waiters() { return waiters_; }
  const WaiterList& waiters() const { return waiters_; }
  // Clients in login that wait for the first server's welcome.
  WaiterList& login_waiters() { return login_waiters_; }

  // --- servers
  void add(PooledServer& server, ServerState state, TimePoint now);
  void move(PooledServer& server, ServerState state, TimePoint now);
  void remove(PooledServer& server);
  // Puts a server back where borrow() finds it; most recently used first, unless server_round_robin.
  void shelve(PooledServer& server, TimePoint now);
  // The server to hand out next: idle and warm; null when there is none, or paused. It keeps its state.
  PooledServer* best_idle() const { return paused ? nullptr : servers(ServerState::idle).front(); }
  // The one that has been idle longest (idle or used), for eviction; null when there is none.
  PooledServer* longest_idle() const;

  // --- waiting
  void enqueue(Waiter& waiter, TimePoint now);
  void dequeue(Waiter& waiter);
  // Tells the other workers since when this pool's oldest client waits. After every change of the queue.
  void publish_wait(Ledger& ledger);
  // Tells them how many servers they could ask for.
  void publish_idle(Ledger& ledger);
  // Tells them which shared limit keeps this pool from opening a server.
  void publish_blocked(Ledger& ledger, BindingLimit limit);
  BindingLimit blocked_by() const { return published_block_; }

  // --- opening
  // How many servers to try to open now, before the ledger is asked: pure. `servers_everywhere` counts those of this
  // pool on all workers.
  int connections_wanted(TimePoint now, int servers_everywhere) const;
  // Servers that are tested and will serve a waiter soon.
  int tested_soon(TimePoint now) const;
  // Whether the oldest waiter has waited long enough for the reserve.
  bool may_use_reserve(TimePoint now) const;
  void on_opened(TimePoint now);
  // A connect or login failed: pause with full jitter, doubling up to login_retry. `logged_in_before` resets.
  void on_open_failed(TimePoint now, std::minstd_rand& random, std::string error, std::string sqlstate);
  bool failing() const { return failures_ > 0; }
  TimePoint retry_at() const { return retry_at_; }
  const std::string& last_error() const { return last_error_; }
  const std::string& last_sqlstate() const { return last_sqlstate_; }
  void forget_failures() { failures_ = 0, retry_at_ = {}; }
  Duration draw_lifetime(std::minstd_rand& random) const;

 private:
  static std::size_t index(ServerState state) { return static_cast<std::size_t>(state); }
  static constexpr std::size_t state_count = static_cast<std::size_t>(ServerState::leaving) + 1;

  PoolAccount& account_;
  const unsigned worker_;
  ServerList lists_[state_count];          // leaving servers are in none
  WaiterList waiters_, login_waiters_;
  TimePoint published_wait_{};             // what the ledger was told last
  int published_idle_ = 0;
  bool published_serves_ = false;
  BindingLimit published_block_ = BindingLimit::none;
  int failures_ = 0;                       // connects or logins in a row
  TimePoint retry_at_{};
  std::string last_error_, last_sqlstate_;
};

}  // namespace pgweir
