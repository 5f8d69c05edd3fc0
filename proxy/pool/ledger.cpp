#include "proxy/pool/ledger.h"

#include <algorithm>
#include <utility>

namespace pgweir {
namespace {

bool reached(int count, int limit) { return limit > 0 && count >= limit; }

}  // namespace

Shared& Ledger::shared(std::map<std::string, Shared>& in, const std::string& name) {
  Shared& entry = in[name];
  entry.name = name;
  return entry;
}

PoolAccount& Ledger::account(const std::string& database, const std::string& user) {
  std::lock_guard lock(mutex_);
  auto [place, fresh] = keys_.try_emplace({database, user}, static_cast<PoolKey>(accounts_.size()));
  if (!fresh) return accounts_[place->second];
  PoolAccount& pool = accounts_.emplace_back();
  pool.key = place->second;
  pool.workers = std::make_unique<WorkerAccount[]>(workers_);
  pool.database = database;
  pool.user = user;
  pool.database_account = &shared(databases_, database);
  pool.user_account = &shared(users_, user);
  pool.database_account->pools.push_back(&pool);
  pool.user_account->pools.push_back(&pool);
  return pool;
}

bool Ledger::register_database(const std::string& name) {
  std::lock_guard lock(mutex_);
  return !std::exchange(shared(databases_, name).registered, true);
}

void Ledger::forget_database(const std::string& name) {
  std::lock_guard lock(mutex_);
  shared(databases_, name).registered = false;
}

PoolAccount* Ledger::find(PoolKey key) {
  std::lock_guard lock(mutex_);
  return key < accounts_.size() ? &accounts_[key] : nullptr;
}

BindingLimit Ledger::reserve(PoolAccount& pool, const ServerLimits& limits, bool use_reserve) {
  const int size = limits.pool_size + (use_reserve ? limits.reserve_size : 0);
  const auto is_full = [&] { return limits.pool_size > 0 && pool_servers(pool) >= size; };
  // Without the lock no place is missed: who asks has published its wait before, give_back() looks for it after.
  if (is_full()) return BindingLimit::pool_size;
  std::lock_guard lock(mutex_);
  if (is_full()) return BindingLimit::pool_size;
  const BindingLimit limit = book_shared(pool, limits);
  if (limit == BindingLimit::none) ++pool.servers;
  return limit;
}

BindingLimit Ledger::reserve_beyond_pool(PoolAccount& pool, const ServerLimits& limits) {
  std::lock_guard lock(mutex_);
  return book_shared(pool, limits);
}

BindingLimit Ledger::book_shared(PoolAccount& pool, const ServerLimits& limits) {
  if (reached(pool.database_account->servers, limits.db_connections))
    return BindingLimit::max_db_connections;
  if (reached(pool.user_account->servers, limits.user_connections))
    return BindingLimit::max_user_connections;
  ++pool.database_account->servers;
  ++pool.user_account->servers;
  return BindingLimit::none;
}

std::vector<Poke> Ledger::give_back(PoolAccount& pool, bool beyond_pool) {
  std::lock_guard lock(mutex_);
  PGWEIR_CHECK(beyond_pool || pool.servers > 0);
  if (!beyond_pool) --pool.servers;
  --pool.database_account->servers;
  --pool.user_account->servers;
  struct Hungry {
    std::int64_t since;
    Poke poke;
  };
  std::vector<Hungry> hungry;
  auto add = [&](PoolAccount& candidate) {
    for (unsigned worker = 0; worker < workers_; ++worker) {
      const std::int64_t since = candidate.workers[worker].oldest_wait.load(std::memory_order_seq_cst);
      if (since != 0) hungry.push_back({since, {candidate.key, worker}});
    }
  };
  if (anyone_hungry(pool)) add(pool);
  // Only the pools that a shared limit keeps waiting care about a place of another pool's.
  for (const auto& [place, limit] : blocked_) {
    PoolAccount& other = accounts_[place.first];
    const bool shares = limit == BindingLimit::max_db_connections
                            ? other.database_account == pool.database_account
                            : other.user_account == pool.user_account;
    if (&other != &pool && shares) {
      const std::int64_t since = other.workers[place.second].oldest_wait.load(std::memory_order_relaxed);
      if (since != 0) hungry.push_back({since, {other.key, place.second}});
    }
  }
  std::sort(hungry.begin(), hungry.end(),
            [](const Hungry& a, const Hungry& b) { return a.since < b.since; });
  std::vector<Poke> pokes;
  for (const Hungry& h : hungry) pokes.push_back(h.poke);
  return pokes;
}

void Ledger::publish_wait(PoolAccount& pool, unsigned worker, TimePoint oldest) {
  const std::int64_t now = oldest.time_since_epoch().count();
  const std::int64_t before = pool.workers[worker].oldest_wait.exchange(now, std::memory_order_seq_cst);
  if (before == 0 && now != 0) pool.hungry_workers.fetch_add(1, std::memory_order_seq_cst);
  if (before != 0 && now == 0) pool.hungry_workers.fetch_sub(1, std::memory_order_seq_cst);
}

void Ledger::publish_blocked(PoolAccount& pool, unsigned worker, BindingLimit limit) {
  std::lock_guard lock(mutex_);
  auto counter = [&](BindingLimit which) -> std::atomic<int>* {
    if (which == BindingLimit::max_db_connections) return &pool.database_account->blocked;
    if (which == BindingLimit::max_user_connections) return &pool.user_account->blocked;
    return nullptr;
  };
  BindingLimit before = BindingLimit::none;
  if (auto found = blocked_.find({pool.key, worker}); found != blocked_.end()) {
    before = found->second;
    if (before == limit) return;
    blocked_.erase(found);
  }
  if (auto* count = counter(before)) count->fetch_sub(1, std::memory_order_relaxed);
  if (auto* count = counter(limit)) {
    count->fetch_add(1, std::memory_order_relaxed);
    blocked_[{pool.key, worker}] = limit;
  }
}

unsigned Ledger::hungrier_worker(const PoolAccount& pool, unsigned self, TimePoint older_than, bool nobody_here) const {
  constexpr Duration step = milliseconds(1);
  unsigned best = workers_max;
  std::int64_t best_since = TimePoint::max().time_since_epoch().count();
  for (unsigned worker = 0; worker < workers_; ++worker) {
    if (worker == self) continue;
    const WorkerAccount& there = pool.workers[worker];
    std::int64_t since = there.oldest_wait.load(std::memory_order_seq_cst);
    if (since == 0) continue;
    const std::int32_t coming = there.coming.load(std::memory_order_seq_cst);
    if (nobody_here && coming > 0 && coming >= there.waiting.load(std::memory_order_seq_cst)) continue;
    const std::int64_t behind_those = since + coming * step.count();
    const bool waits_for_nobody = nobody_here && !there.serves.load(std::memory_order_seq_cst);
    const bool due = waits_for_nobody || (nobody_here ? since : behind_those) < older_than.time_since_epoch().count();
    since = behind_those;
    if (due && since < best_since) {
      best = worker;
      best_since = since;
    }
  }
  return best;
}

unsigned Ledger::worker_with_idle(const PoolAccount& pool, unsigned self) const {
  unsigned best = workers_max;
  int most = 0;
  for (unsigned worker = 0; worker < workers_; ++worker) {
    const int idle = pool.workers[worker].idle.load(std::memory_order_seq_cst);
    if (worker != self && idle > most) {
      best = worker;
      most = idle;
    }
  }
  return best;
}

bool Ledger::other_pool_is_hungrier(PoolAccount& pool, TimePoint older_than) {
  std::lock_guard lock(mutex_);
  const std::int64_t limit_since = older_than.time_since_epoch().count();
  for (const auto& [place, limit] : blocked_) {
    PoolAccount& other = accounts_[place.first];
    if (&other == &pool) continue;
    const bool shares = limit == BindingLimit::max_db_connections
                            ? other.database_account == pool.database_account
                            : other.user_account == pool.user_account;
    const std::int64_t since = other.workers[place.second].oldest_wait.load(std::memory_order_relaxed);
    if (shares && since != 0 && since < limit_since) return true;
  }
  return false;
}

std::vector<PoolAccount*> Ledger::pools_of_database(const PoolAccount& pool) const {
  std::lock_guard lock(mutex_);
  return pool.database_account->pools;
}

std::vector<PoolKey> Ledger::pools_under(PoolAccount& pool, BindingLimit limit) {
  std::lock_guard lock(mutex_);
  std::vector<PoolKey> keys;
  const Shared* shared = limit == BindingLimit::max_db_connections     ? pool.database_account
                         : limit == BindingLimit::max_user_connections ? pool.user_account
                                                                       : nullptr;
  if (!shared) return keys;
  for (const PoolAccount* other : shared->pools)
    if (other != &pool) keys.push_back(other->key);
  return keys;
}

bool Ledger::admit_socket(int max_client_conn, bool exempt) {
  const int before = sockets_.fetch_add(1, std::memory_order_relaxed);
  if (exempt || before < max_client_conn) return true;
  sockets_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void Ledger::dismiss_socket() { sockets_.fetch_sub(1, std::memory_order_relaxed); }

// Names come from clients who have yet to prove anything: nothing of them may stay when they are gone.
bool Ledger::admit(std::map<std::string, Shared>& in, const std::string& name, int limit) {
  auto found = in.find(name);
  if (found != in.end() && reached(found->second.clients, limit)) return false;
  if (found == in.end()) {
    found = in.try_emplace(name).first;
    found->second.name = name;
  }
  ++found->second.clients;
  return true;
}

void Ledger::dismiss(std::map<std::string, Shared>& in, const std::string& name) {
  auto found = in.find(name);
  PGWEIR_CHECK(found != in.end() && found->second.clients > 0);
  if (--found->second.clients == 0 && found->second.pools.empty()) in.erase(found);
}

bool Ledger::admit_database_client(const std::string& database, int limit) {
  std::lock_guard lock(mutex_);
  return admit(databases_, database, limit);
}

bool Ledger::admit_user_client(const std::string& user, int limit) {
  std::lock_guard lock(mutex_);
  return admit(users_, user, limit);
}

void Ledger::dismiss_database_client(const std::string& database) {
  std::lock_guard lock(mutex_);
  dismiss(databases_, database);
}

void Ledger::dismiss_user_client(const std::string& user) {
  std::lock_guard lock(mutex_);
  dismiss(users_, user);
}

void Ledger::keep_welcome(PoolAccount& pool, std::shared_ptr<const Welcome> welcome) {
  std::lock_guard lock(mutex_);
  pool.welcome = std::move(welcome);
}

std::shared_ptr<const Welcome> Ledger::welcome(const PoolAccount& pool) const {
  std::lock_guard lock(mutex_);
  return pool.welcome;
}

Ledger::Counts Ledger::database_counts(const std::string& name) const {
  std::lock_guard lock(mutex_);
  auto found = databases_.find(name);
  return found == databases_.end() ? Counts{} : Counts{found->second.servers, found->second.clients};
}

Ledger::Counts Ledger::user_counts(const std::string& name) const {
  std::lock_guard lock(mutex_);
  auto found = users_.find(name);
  return found == users_.end() ? Counts{} : Counts{found->second.servers, found->second.clients};
}

}  // namespace pgweir
