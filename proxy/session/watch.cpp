// What is noted of each statement and of each wait: for the slow-query log, SHOW QUERIES and SHOW WAITS.
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

// What an entry of the table of digests may take on average, text and histograms included.
constexpr std::size_t digest_bytes = 8 * 1024;
// Slow enough for SHOW SLOW_QUERIES when log_min_duration_statement is off.
constexpr int slow_ms = 1000;

}  // namespace

void Worker::settle_watch() {
  const Globals& globals = config_->globals;
  const auto entries = static_cast<std::size_t>(std::max(1, globals.query_digests_max));
  if (!globals.query_digests) {
    watch_.reset();
    for (auto& [names, route] : routes_) route->digest_origin = Route::no_origin;
  } else if (!watch_) {
    watch_ = std::make_unique<StatementWatch>(entries, entries * digest_bytes);
  } else {
    watch_->digests.resize(entries, entries * digest_bytes);
  }
}

void Worker::close_window_if_over() {
  const Globals& globals = config_->globals;
  if (watch_) watch_->digests.turn_window(loop_.wall_now(), globals.query_window, static_cast<std::size_t>(globals.query_windows));
}

void Worker::on_statement_over(ServerConnection& server, unsigned count) {
  server.clock.on_finished(count, loop_.now(), [&](const policy::StatementClock::Finished& done) {
    if (watch_ && server.client) note_statement(server, *server.client, done);
    if (!server.client || !wants_log(done.took)) return;
    log_statement(server, *server.client, done);
  });
  if (server.client) server.client->last_wait = {};
}

// Whether anybody wants to know how long each statement takes.
bool Worker::times_statements() const { return watch_ || config_->globals.log_min_duration_statement >= 0; }

void Worker::note_statement(ServerConnection& server, ClientSession& client,
                            const policy::StatementClock::Finished& done) {
  if (done.text.empty() || !client.route) return;
  DigestTable& digests = watch_->digests;
  Route& route = *client.route;
  if (route.digest_origin == Route::no_origin) route.digest_origin = digests.origin(route.database, route.user);
  const WallTime wall_now = loop_.wall_now();
  server.last_digest = digests.find(done.text, done.cut, route.digest_origin, wall_now);
  Execution run;
  run.queue = client.last_wait;
  run.server = done.to_first_byte;
  run.client = done.blocked;
  run.stream = done.took - done.to_first_byte - done.blocked;
  run.rows = done.rows, run.bytes_in = done.bytes_in, run.bytes_out = done.bytes_out;
  run.sqlstate = done.sqlstate;
  run.who = client.place;
  run.server_pid = server.facts.backend_pid;
  run.at = wall_now;
  digests.add(server.last_digest, run);
  const int threshold = config_->globals.log_min_duration_statement;
  if (run.total() >= milliseconds(threshold < 0 ? slow_ms : threshold)) note_slow(server, client, run);
}

void Worker::note_slow(const ServerConnection& server, const ClientSession& client, const Execution& run) {
  const auto* text = watch_->digests.text(server.last_digest);
  if (!text) return;
  SlowStatement& slow = watch_->slow.next();
  slow.at = run.at;
  slow.id = watch_->digests.id(server.last_digest);
  slow.text = *text;
  slow.database = client.route->database;
  slow.user = client.route->user;
  slow.who = client.place;
  slow.sqlstate.assign(run.sqlstate);
  slow.server_pid = run.server_pid;
  slow.queue = run.queue, slow.server = run.server, slow.stream = run.stream, slow.client = run.client;
  slow.rows = run.rows;
}

// Why a client of this pool waits now.
WaitReason Worker::wait_reason(const PoolDesk& desk) const {
  const Pool& pool = desk.pool;
  if (pool.paused) return WaitReason::pause;
  if (pool.failing() && loop_.now() < pool.retry_at()) return WaitReason::login_retry;
  const std::size_t coming = pool.count(ServerState::login) + pool.count(ServerState::tested);
  if (coming >= pool.waiters().size()) return WaitReason::connect;
  switch (pool.blocked_by()) {
    case BindingLimit::max_db_connections:
      return WaitReason::max_db_connections;
    case BindingLimit::max_user_connections:
      return WaitReason::max_user_connections;
    case BindingLimit::pool_size:
      return pool.settings.limits.reserve_size > 0 && pool.settings.reserve_timeout > Duration{} &&
                     !pool.may_use_reserve(loop_.now())
                 ? WaitReason::reserve
                 : WaitReason::pool_size;
    case BindingLimit::none:
      break;
  }
  return coming > 0 ? WaitReason::connect : WaitReason::pool_size;
}

// Its wait is over. `served`: by a server.
void Worker::note_wait(const ClientSession& client, bool served) {
  client.desk()->waits[static_cast<std::size_t>(client.wait_reason)].add(loop_.now() - client.waiter.since, served);
}

void Worker::reset_queries() {
  if (!watch_) return;
  watch_->digests.clear();
  watch_->slow.clear();
  for (auto& [key, desk] : desks_) desk->waits = {};
}

}  // namespace pgweir
