// What all workers share: how many servers and clients there are against every limit, and who is hungry.
//
// The only thread-safe class of the inner rooms. Owned by the process; every worker holds a reference. It counts and
// answers; it opens, closes and wakes nobody.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "proxy/core/check.h"
#include "proxy/core/time.h"

namespace pgweir {

inline constexpr unsigned workers_max = 64;

// Names a (database, user) pair for the whole life of the process.
using PoolKey = std::uint32_t;

// The limits that bind one pool, as the configuration has them now. 0 = unlimited, but for reserve_size (0 = none).
struct ServerLimits {
  int pool_size = 0;
  int reserve_size = 0;
  int db_connections = 0;
  int user_connections = 0;
};

enum class BindingLimit : std::uint8_t { none, pool_size, max_db_connections, max_user_connections };

// What a server told at its login (session/pool_desk.h).
struct Welcome;

// So much of memory goes from core to core at a time: what several workers write must not share it.
inline constexpr std::size_t cache_line_bytes = 64;

// What one worker tells the others of a pool, for each transaction perhaps; `coming` they tell it.
struct alignas(cache_line_bytes) WorkerAccount {
  // Since when the oldest waiter waits, in ns on the monotonic clock; 0: nobody waits.
  std::atomic<std::int64_t> oldest_wait{0};
  std::atomic<std::int32_t> idle{0};                   // servers
  std::atomic<std::int32_t> waiting{0}, coming{0};     // clients, and servers that are on their way there
  std::atomic<bool> serves{false};                     // clients have servers there, which may come free
};

// What one pool looks like to the other workers. The atomics are read without the ledger's lock.
struct PoolAccount {
  PoolKey key = 0;
  std::string database, user;
  std::unique_ptr<WorkerAccount[]> workers;            // one for each of the ledger's
  // Open or opening, on all workers: changes with the ledger's lock.
  std::atomic<int> servers{0};
  // Ledger's lock:
  std::shared_ptr<const Welcome> welcome;  // null: no server has told yet, or it counts no more
  struct Shared* database_account = nullptr;
  struct Shared* user_account = nullptr;
  // Servers of the pool opened under a smaller number must not serve any more; see Worker::stale.
  std::atomic<std::uint64_t> config_generation{0};
  // Whether code that no statement names may change sessions, and when a server was asked last (loop clock; 0: never).
  enum class HiddenCode : std::uint8_t { unknown, none, some };
  std::atomic<HiddenCode> hidden_code{HiddenCode::unknown};
  std::atomic<std::int64_t> hidden_code_asked{0};
  std::atomic<bool> had_hidden_code{false};            // by the last answer
  std::atomic<std::uint64_t> hidden_code_made{0};      // how often some may have been; an answer from before does not count
  // How many workers have somebody who waits. Read for each transaction, and written when a queue begins or ends: away
  // from what is written by others.
  alignas(cache_line_bytes) std::atomic<int> hungry_workers{0};
};

// What pools of one database, or of one user, share.
struct Shared {
  std::string name;
  int servers = 0;                       // ledger's lock
  int clients = 0;                       // ledger's lock
  bool registered = false;               // ledger's lock; an automatic database that is known
  std::atomic<int> blocked{0};           // (pool, worker) pairs that this limit keeps from opening a server
  std::vector<PoolAccount*> pools;       // ledger's lock
};

// A pool on a worker that should look again whether it can open a server.
struct Poke {
  PoolKey key = 0;
  unsigned worker = 0;
};

class Ledger {
 public:
  // `workers` of 1 to workers_max.
  explicit Ledger(unsigned workers) : workers_(workers) {}

  PoolAccount& account(const std::string& database, const std::string& user);
  PoolAccount* find(PoolKey key);
  // Says that somebody has asked for that automatic database; true for the first since it was forgotten.
  bool register_database(const std::string& name);
  void forget_database(const std::string& name);

  // Books one more server for the pool, or says which limit is in the way. `use_reserve` adds reserve_size to the
  // pool's size. Takes no lock where the pool is full: whoever waits asks, and others would wait for that.
  BindingLimit reserve(PoolAccount& pool, const ServerLimits& limits, bool use_reserve);
  // A booked server is gone. Returns who may now be able to open one, the longest waiting first.
  std::vector<Poke> give_back(PoolAccount& pool, bool beyond_pool = false);
  // Books one that serves none of the pool's clients, so that pool_size does not bind it.
  BindingLimit reserve_beyond_pool(PoolAccount& pool, const ServerLimits& limits);

  // Publishes how many of this pool's clients wait there; to be called before publish_wait.
  static void publish_waiting(PoolAccount& pool, unsigned worker, std::size_t count) {
    pool.workers[worker].waiting.store(static_cast<std::int32_t>(count), std::memory_order_seq_cst);
  }
  static void publish_serves(PoolAccount& pool, unsigned worker, bool serves) {
    pool.workers[worker].serves.store(serves, std::memory_order_seq_cst);
  }
  // Publishes since when `worker`'s oldest client of this pool waits (TimePoint{}: nobody does).
  void publish_wait(PoolAccount& pool, unsigned worker, TimePoint oldest);
  // Says that this worker's waiters are kept from a server by `limit` (none: no longer).
  void publish_blocked(PoolAccount& pool, unsigned worker, BindingLimit limit);
  void publish_idle(PoolAccount& pool, unsigned worker, int idle) {
    pool.workers[worker].idle.store(idle, std::memory_order_seq_cst);
  }

  // A server goes to that worker, or has arrived there.
  static void publish_coming(PoolAccount& pool, unsigned worker, int change) {
    pool.workers[worker].coming.fetch_add(change, std::memory_order_seq_cst);
  }

  // Another worker whose oldest waiter of this pool waits since before `older_than`; workers_max: none. Where servers
  // are on their way the oldest are taken for served: each counts for a millisecond of age, against our own waiters and
  // between workers. Is there `nobody_here` who waits, no more go there than clients wait, and a worker that serves nobody
  // need not have waited for so long.
  unsigned hungrier_worker(const PoolAccount& pool, unsigned self, TimePoint older_than, bool nobody_here) const;
  // Another worker with an idle server of this pool; workers_max: none.
  unsigned worker_with_idle(const PoolAccount& pool, unsigned self) const;
  // Whether a waiter of another pool, kept out by a limit this pool shares, waits since before `older_than`.
  bool other_pool_is_hungrier(PoolAccount& pool, TimePoint older_than);
  // One relaxed load each: whether the two calls above may find anything.
  static bool anyone_hungry(const PoolAccount& pool) {
    return pool.hungry_workers.load(std::memory_order_seq_cst) > 0;
  }
  static bool anyone_blocked(const PoolAccount& pool) {
    return pool.database_account->blocked.load(std::memory_order_relaxed) > 0 ||
           pool.user_account->blocked.load(std::memory_order_relaxed) > 0;
  }
  // All pools of the database of `pool`, itself among them. Their addresses stay.
  std::vector<PoolAccount*> pools_of_database(const PoolAccount& pool) const;
  // Pools that share `limit` with `pool`, for a worker that looks for a server to evict.
  std::vector<PoolKey> pools_under(PoolAccount& pool, BindingLimit limit);

  // Clients. Each returns false, and counts nothing, when the limit (0: none) is reached.
  bool admit_socket(int max_client_conn, bool exempt);
  void dismiss_socket();
  bool admit_database_client(const std::string& database, int limit);
  bool admit_user_client(const std::string& user, int limit);
  void dismiss_database_client(const std::string& database);
  void dismiss_user_client(const std::string& user);

  // What clients of the pool are told at login: whichever worker's server tells it first, all may repeat it.
  void keep_welcome(PoolAccount& pool, std::shared_ptr<const Welcome> welcome);
  std::shared_ptr<const Welcome> welcome(const PoolAccount& pool) const;

  struct Counts { int servers = 0, clients = 0; };
  int sockets() const { return sockets_.load(std::memory_order_relaxed); }
  static int pool_servers(const PoolAccount& pool) { return pool.servers.load(std::memory_order_seq_cst); }
  Counts database_counts(const std::string& name) const;
  Counts user_counts(const std::string& name) const;

 private:
  static BindingLimit book_shared(PoolAccount& pool, const ServerLimits& limits);   // with the lock
  static bool admit(std::map<std::string, Shared>& in, const std::string& name, int limit);
  static void dismiss(std::map<std::string, Shared>& in, const std::string& name);
  Shared& shared(std::map<std::string, Shared>& in, const std::string& name);

  const unsigned workers_;
  mutable std::mutex mutex_;
  std::deque<PoolAccount> accounts_;                       // index = key; addresses stay
  std::map<std::pair<std::string, std::string>, PoolKey> keys_;
  std::map<std::string, Shared> databases_, users_;
  std::map<std::pair<PoolKey, unsigned>, BindingLimit> blocked_;
  std::atomic<int> sockets_{0};
};

}  // namespace pgweir
