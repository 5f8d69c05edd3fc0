#include "proxy/pool/pool.h"

#include <algorithm>

namespace pgweir {
namespace {

// The first retry comes soon: most failures are a server that is just restarting.
constexpr Duration first_pause = milliseconds(100);
// A check, a reset, a question of ours that has taken so long may take any time.
constexpr Duration long_test = milliseconds(500);

}  // namespace

std::size_t Pool::servers_here() const {
  std::size_t n = 0;
  for (const ServerList& list : lists_) n += list.size();
  return n;
}

void Pool::add(PooledServer& server, ServerState state, TimePoint now) {
  server.state = state;
  server.since = now;
  lists_[index(state)].push_back(server);
}

void Pool::move(PooledServer& server, ServerState state, TimePoint now) {
  remove(server);
  if (state != ServerState::leaving) {
    add(server, state, now);
  } else {
    server.state = state;
  }
}

void Pool::remove(PooledServer& server) {
  if (server.in_state.linked()) lists_[index(server.state)].remove(server);
}

void Pool::shelve(PooledServer& server, TimePoint now) {
  remove(server);
  server.state = ServerState::idle;
  server.since = now;
  ServerList& idle = lists_[index(ServerState::idle)];
  if (settings.round_robin) idle.push_back(server);
  else idle.push_front(server);
}

PooledServer* Pool::longest_idle() const {
  PooledServer* oldest = nullptr;
  for (ServerState state : {ServerState::idle, ServerState::used}) {
    servers(state).for_each([&](PooledServer& server) {
      if (!oldest || server.since < oldest->since) oldest = &server;
    });
  }
  return oldest;
}

void Pool::enqueue(Waiter& waiter, TimePoint now) {
  waiter.since = now;
  waiter.notified = waiter.explained = false;
  waiters_.push_back(waiter);
}

void Pool::dequeue(Waiter& waiter) { waiters_.remove(waiter); }

void Pool::publish_wait(Ledger& ledger) {
  const Waiter* oldest = paused ? nullptr : waiters_.front();
  const TimePoint since = oldest ? oldest->since : TimePoint{};
  if (oldest || published_wait_ != TimePoint{}) Ledger::publish_waiting(account_, worker_, waiters_.size());
  const bool serves = count(ServerState::active) > 0;
  if (oldest && serves != published_serves_) Ledger::publish_serves(account_, worker_, published_serves_ = serves);
  if (since != published_wait_) ledger.publish_wait(account_, worker_, since);
  published_wait_ = since;
  if (!oldest) publish_blocked(ledger, BindingLimit::none);
}

void Pool::publish_idle(Ledger& ledger) {
  const bool none = paused || !waiters_.empty();
  const int idle = none ? 0 : static_cast<int>(count(ServerState::idle) + count(ServerState::used));
  if (idle != published_idle_) ledger.publish_idle(account_, worker_, idle);
  published_idle_ = idle;
}

void Pool::publish_blocked(Ledger& ledger, BindingLimit limit) {
  // What binds this pool alone is nothing to others, so that who waits for it takes no lock.
  const auto to_others = [](BindingLimit which) { return which == BindingLimit::pool_size ? BindingLimit::none : which; };
  if (to_others(limit) != to_others(published_block_)) ledger.publish_blocked(account_, worker_, limit);
  published_block_ = limit;
}

int Pool::tested_soon(TimePoint now) const {
  int count = 0;
  servers(ServerState::tested).for_each([&](const PooledServer& server) { count += now - server.since < long_test; });
  return count;
}

int Pool::connections_wanted(TimePoint now, int servers_everywhere) const {
  if (paused || now < retry_at_) return 0;
  const int opening = static_cast<int>(count(ServerState::login)) - dedicated_logins;
  int wanted = static_cast<int>(waiters_.size()) - opening;
  // What is being tested will serve a waiter soon enough, unless it takes long.
  if (wanted > 0) wanted -= tested_soon(now);
  if (!login_waiters_.empty() && opening == 0) wanted = std::max(wanted, 1);
  const bool keep_min = settings.forced_user || clients > 0;
  if (keep_min && wanted <= 0 && opening == 0) {
    int minimum = settings.min_pool_size;
    if (settings.limits.pool_size > 0) minimum = std::min(minimum, settings.limits.pool_size);
    if (servers_everywhere < minimum) wanted = 1;
  }
  // While logins fail one attempt at a time is enough to find out.
  const int parallel = failing() ? 1 : settings.connect_parallel;
  return std::clamp(wanted, 0, std::max(0, parallel - opening));
}

bool Pool::may_use_reserve(TimePoint now) const {
  const Waiter* oldest = waiters_.front();
  return settings.limits.reserve_size > 0 && settings.reserve_timeout > Duration{} && oldest &&
         now - oldest->since >= settings.reserve_timeout;
}

void Pool::on_opened(TimePoint) {
  forget_failures();
  last_error_.clear();
  last_sqlstate_.clear();
}

void Pool::on_open_failed(TimePoint now, std::minstd_rand& random, std::string error,
                          std::string sqlstate) {
  last_error_ = std::move(error);
  last_sqlstate_ = std::move(sqlstate);
  // Several attempts are under way at once: a wave of them that fails is one failure.
  if (failures_ > 0 && now < retry_at_) return;
  failures_ = std::min(failures_ + 1, 30);
  Duration bound = first_pause * (std::int64_t{1} << std::min(failures_ - 1, 20));
  bound = std::min(bound, std::max(settings.login_retry, Duration{}));
  std::uniform_int_distribution<std::int64_t> draw(0, std::max<std::int64_t>(bound.count(), 0));
  retry_at_ = now + Duration{draw(random)};
}

Duration Pool::draw_lifetime(std::minstd_rand& random) const {
  const std::int64_t full = settings.server_lifetime.count();
  const std::int64_t spread = full / 100 * settings.lifetime_jitter_percent;
  std::uniform_int_distribution<std::int64_t> draw(0, std::max<std::int64_t>(spread, 0));
  return Duration{full - draw(random)};
}

}  // namespace pgweir
