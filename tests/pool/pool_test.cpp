#include "proxy/pool/pool.h"

#include <doctest/doctest.h>

#include <deque>

using namespace pgweir;

namespace {

constexpr TimePoint start{seconds(1000)};

// A pool with as many servers and waiters as a case asks for.
struct Fixture {
  Ledger ledger{2};
  PoolAccount& account = ledger.account("db", "u");
  Pool pool{account, 0};
  std::deque<PooledServer> servers;
  std::deque<Waiter> waiters;

  Fixture() {
    pool.settings.limits.pool_size = 10;
    pool.settings.connect_parallel = 8;
    pool.settings.login_retry = seconds(15);
  }
  ~Fixture() {
    for (PooledServer& s : servers) pool.remove(s);
    for (Waiter& w : waiters)
      if (w.in_queue.linked()) pool.dequeue(w);
  }
  PooledServer& server(ServerState state, TimePoint since = start) {
    PooledServer& s = servers.emplace_back();
    pool.add(s, state, since);
    return s;
  }
  Waiter& waiter(TimePoint since = start) {
    Waiter& w = waiters.emplace_back();
    pool.enqueue(w, since);
    return w;
  }
  int wanted(TimePoint now = start, int everywhere = 0) {
    return pool.connections_wanted(now, everywhere);
  }
};

}  // namespace

TEST_CASE("as many servers are wanted as clients wait for, less those that are coming") {
  struct Case {
    int waiters, login, tested, wanted;
  };
  for (const Case& c : {Case{0, 0, 0, 0},
                        {1, 0, 0, 1},
                        {3, 0, 0, 3},
                        {3, 1, 0, 2},
                        {3, 3, 0, 0},
                        {3, 1, 1, 1},
                        {20, 0, 0, 8},
                        {20, 5, 0, 3},
                        {20, 8, 0, 0}}) {
    CAPTURE(c.waiters);
    CAPTURE(c.login);
    CAPTURE(c.tested);
    Fixture f;
    for (int i = 0; i < c.waiters; ++i) f.waiter();
    for (int i = 0; i < c.login; ++i) f.server(ServerState::login);
    for (int i = 0; i < c.tested; ++i) f.server(ServerState::tested);
    CHECK(f.wanted() == c.wanted);
  }
}

TEST_CASE("a server that is tested for long is waited for no more") {
  Fixture f;
  f.waiter();
  f.server(ServerState::tested);
  CHECK(f.wanted(start + std::chrono::milliseconds(499)) == 0);
  CHECK(f.wanted(start + std::chrono::milliseconds(500)) == 1);
}

TEST_CASE("a paused pool opens nothing") {
  Fixture f;
  f.waiter();
  f.pool.paused = true;
  CHECK(f.wanted() == 0);
  CHECK(f.pool.best_idle() == nullptr);
}

TEST_CASE("min_pool_size is kept while there are clients, or a forced user; one at a time") {
  Fixture f;
  f.pool.settings.min_pool_size = 3;
  CHECK(f.wanted() == 0);
  f.pool.clients = 1;
  CHECK(f.wanted() == 1);
  CHECK(f.wanted(start, 3) == 0);
  f.pool.clients = 0;
  f.pool.settings.forced_user = true;
  CHECK(f.wanted(start, 2) == 1);
}

TEST_CASE("T48: min_pool_size above pool_size wants no more than pool_size") {
  Fixture f;
  f.pool.settings.min_pool_size = 30;
  f.pool.clients = 1;
  CHECK(f.wanted(start, 9) == 1);
  CHECK(f.wanted(start, 10) == 0);
}

TEST_CASE("after failures the pause doubles up to login_retry, and one attempt at a time is made") {
  Fixture f;
  std::minstd_rand random(1);
  for (int i = 0; i < 5; ++i) f.waiter();
  Duration bound = milliseconds(100);
  TimePoint now = start;
  for (int i = 0; i < 12; ++i) {
    f.pool.on_open_failed(now, random, "refused", "08006");
    CHECK(f.pool.retry_at() >= now);
    CHECK(f.pool.retry_at() <= now + std::min<Duration>(bound, seconds(15)));
    bound *= 2;
    if (i < 11) now = f.pool.retry_at();
  }
  CHECK(f.pool.failing());
  CHECK(f.pool.last_error() == "refused");
  CHECK(f.wanted(now + seconds(16)) == 1);
  if (f.pool.retry_at() > now) CHECK(f.wanted(f.pool.retry_at() - Duration{1}) == 0);
  f.pool.on_opened(now);
  CHECK(!f.pool.failing());
  CHECK(f.wanted() == 5);
}

TEST_CASE("a wave of failures is one failure: the pause does not double with each of them") {
  Fixture f;
  std::minstd_rand random(1);
  f.pool.on_open_failed(start, random, "refused", "08006");
  const TimePoint retry_at = f.pool.retry_at();
  for (int i = 0; i < 7; ++i) f.pool.on_open_failed(start, random, "refused again", "08006");
  CHECK(f.pool.retry_at() == retry_at);
  CHECK(f.pool.last_error() == "refused again");
}

TEST_CASE("lifetimes are spread by the jitter, downwards") {
  Fixture f;
  f.pool.settings.server_lifetime = seconds(1000);
  f.pool.settings.lifetime_jitter_percent = 10;
  std::minstd_rand random(3);
  Duration least = Duration::max(), most{};
  for (int i = 0; i < 1000; ++i) {
    const Duration drawn = f.pool.draw_lifetime(random);
    least = std::min(least, drawn);
    most = std::max(most, drawn);
  }
  CHECK(most <= seconds(1000));
  CHECK(most > seconds(990));
  CHECK(least >= seconds(900));
  CHECK(least < seconds(910));
  f.pool.settings.lifetime_jitter_percent = 0;
  CHECK(f.pool.draw_lifetime(random) == seconds(1000));
}

TEST_CASE("the server used last is handed out first, unless round robin is asked for") {
  Fixture f;
  PooledServer& a = f.server(ServerState::active);
  PooledServer& b = f.server(ServerState::active);
  f.pool.shelve(a, start);
  f.pool.shelve(b, start + seconds(1));
  CHECK(f.pool.best_idle() == &b);
  CHECK(f.pool.longest_idle() == &a);
  f.pool.settings.round_robin = true;
  f.pool.move(b, ServerState::active, start);
  f.pool.shelve(b, start + seconds(2));
  CHECK(f.pool.best_idle() == &a);
}

TEST_CASE("the reserve may be used once the oldest client has waited reserve_timeout") {
  Fixture f;
  f.waiter(start);
  CHECK(!f.pool.may_use_reserve(start + seconds(10)));
  f.pool.settings.limits.reserve_size = 1;
  f.pool.settings.reserve_timeout = seconds(5);
  CHECK(!f.pool.may_use_reserve(start + seconds(4)));
  CHECK(f.pool.may_use_reserve(start + seconds(5)));
}

TEST_CASE("other workers learn who waits here and what is idle here") {
  Fixture f;
  Waiter& first = f.waiter(start);
  f.waiter(start + seconds(1));
  f.pool.publish_wait(f.ledger);
  CHECK(f.ledger.hungrier_worker(f.account, 1, TimePoint::max(), true) == 0);
  CHECK(f.ledger.hungrier_worker(f.account, 1, start, false) == workers_max);
  CHECK(f.ledger.hungrier_worker(f.account, 0, TimePoint::max(), true) == workers_max);
  f.pool.dequeue(first);
  f.pool.publish_wait(f.ledger);
  CHECK(f.ledger.hungrier_worker(f.account, 1, start + seconds(1), false) == workers_max);
  f.pool.dequeue(f.waiters[1]);
  f.pool.publish_wait(f.ledger);
  CHECK(!Ledger::anyone_hungry(f.account));
  f.server(ServerState::idle);
  f.pool.publish_idle(f.ledger);
  CHECK(f.ledger.worker_with_idle(f.account, 1) == 0);
  CHECK(f.ledger.worker_with_idle(f.account, 0) == workers_max);
  f.pool.paused = true;
  f.pool.publish_idle(f.ledger);
  CHECK(f.ledger.worker_with_idle(f.account, 1) == workers_max);
}

TEST_CASE("a limit that other pools share is told to them, and withdrawn when the pool's own size binds instead") {
  Fixture f;
  f.pool.publish_blocked(f.ledger, BindingLimit::max_db_connections);
  CHECK(Ledger::anyone_blocked(f.account));
  f.pool.publish_blocked(f.ledger, BindingLimit::pool_size);
  CHECK(!Ledger::anyone_blocked(f.account));
  CHECK(f.pool.blocked_by() == BindingLimit::pool_size);
  f.pool.publish_blocked(f.ledger, BindingLimit::max_user_connections);
  CHECK(Ledger::anyone_blocked(f.account));
  f.pool.publish_blocked(f.ledger, BindingLimit::none);
  CHECK(!Ledger::anyone_blocked(f.account));
}
