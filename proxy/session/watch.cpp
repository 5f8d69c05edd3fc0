// What is noted of each statement and of each wait: for the slow-query log, SHOW QUERIES and SHOW WAITS.
#include "protocol/sql/comment_tags.h"
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
    clients_.for_each([](ClientSession& client) { client.digest_place = {}; });
  } else if (!watch_) {
    watch_ = std::make_unique<StatementWatch>(entries, entries * digest_bytes);
  } else {
    watch_->digests.resize(entries, entries * digest_bytes);
  }
  servers_.for_each([&](ServerConnection& server) { server.clock.show_values(globals.log_parameter_max_length); });
}

void Worker::close_window_if_over() {
  const Globals& globals = config_->globals;
  if (watch_) watch_->digests.turn_window(loop_.wall_now(), globals.query_window, static_cast<std::size_t>(globals.query_windows));
}

// The server has nothing under way.
void Worker::start_clock(ServerConnection& server) {
  if (server.timed != times_statements()) server.clock.forget();
  server.timed = times_statements();
  server.clock.show_values(config_->globals.log_parameter_max_length);
}

// A Bind to a statement that its server knows under our name.
void Worker::note_bind_text(ServerConnection& server, const Piece& piece, const BindView& view, std::string_view name,
                            std::string_view sql) {
  if (server.timed) server.clock.on_bind(view.portal, name, sql, piece.body().subspan(view.statement_end));
}

void Worker::on_statement_over(ServerConnection& server, unsigned count) {
  server.clock.on_finished(count, loop_.now(), [&](const policy::StatementClock::Finished& done) {
    if (!server.client || server.client->replication) return;
    const bool logged = wants_log(done.took);
    if (!watch_ && !logged) return;
    const std::string_view text = policy::begins_with_verb(done.text) ? executed_text(server, done) : done.text;
    if (watch_) note_statement(server, *server.client, done, text);
    if (logged) log_statement(server, *server.client, done, text);
  });
  if (server.client) server.client->last_wait = server.client->last_state = {};
}

// The statement that was really run, when it was run by EXECUTE in SQL. Where the client's names are followed from server to
// server, that is where they are known; elsewhere the server's session has them.
std::string_view Worker::executed_text(ServerConnection& server, const policy::StatementClock::Finished& done) {
  if (const std::string_view text = policy::executed_text(done.text, server.client->statements); !text.empty()) return text;
  if (server.desk->mode != PoolMode::session) return done.text;
  if (!server.sql_texts) server.sql_texts = std::make_unique<policy::SqlTexts>();
  if (done.sqlstate.empty()) {
    const auto change = server.sql_texts->on_done(done.text);
    if (change.all) server.clock.forget_statements();
    else if (change.one) server.clock.forget_statement(change.name);
  }
  const std::string_view text = server.sql_texts->executed(done.text);
  return text.empty() ? done.text : text;
}

DigestTable::Origin Worker::digest_origin(ClientSession& client) {
  Route& route = *client.route;
  DigestTable& digests = watch_->digests;
  if (!config_->globals.query_digests_by_application) {
    if (route.digest_origin == Route::no_origin) route.digest_origin = digests.origin(route.database, route.user);
    return route.digest_origin;
  }
  DigestPlace& place = client.digest_place;
  if (place.origin == Route::no_origin || place.of != client.parameters) {
    const auto* name = policy::value_at(client.parameters, shared_.tracked.place_of("application_name"));
    place.origin = digests.origin(route.database, route.user, name ? name->value_or("") : std::string());
    place.of = client.parameters;
  }
  return place.origin;
}

void Worker::note_statement(ServerConnection& server, ClientSession& client,
                            const policy::StatementClock::Finished& done, std::string_view text) {
  if (text.empty() || !client.route) return;
  const Globals& globals = config_->globals;
  const WallTime wall_now = loop_.wall_now();
  server.last_digest = watch_->digests.find(text, done.cut, digest_origin(client), wall_now);
  Execution run;
  run.queue = client.last_wait;
  run.state = client.last_state;
  run.server = done.to_first_byte;
  run.client = done.blocked;
  run.stream = done.took - done.to_first_byte - done.blocked;
  run.rows = done.rows, run.bytes_in = done.bytes_in, run.bytes_out = done.bytes_out;
  run.sqlstate = done.sqlstate;
  run.who = client.place;
  run.statement = done.text;
  run.values = done.values;
  run.show_values = globals.log_parameter_max_length != 0;
  run.server_pid = server.facts.backend_pid;
  run.at = wall_now;
  watch_->digests.add(server.last_digest, run);
  const int threshold = globals.log_min_duration_statement;
  if (run.total() >= milliseconds(threshold < 0 ? slow_ms : threshold)) note_slow(server, client, run);
}

// A client in a transaction lets its server wait until now; that is the doing of the statement before.
void Worker::note_idle(const ClientSession& client, TimePoint now) {
  if (watch_ && client.in_transaction && !client.in_query) watch_->digests.add_idle(client.server->last_digest, now - client.idle_since);
}

void Worker::note_slow(const ServerConnection& server, const ClientSession& client, const Execution& run) {
  const auto text = watch_->digests.text(server.last_digest);
  if (!text) return;
  SlowStatement& slow = watch_->slow.next();
  slow.at = run.at;
  slow.id = watch_->digests.id(server.last_digest);
  slow.text = text;
  slow.database = client.route->database;
  slow.user = client.route->user;
  slow.who = client.place;
  slow.application = application_of(client);
  slow.tags = sql::comment_tag_list(run.statement);
  slow.sqlstate.assign(run.sqlstate);
  slow.server = server_place(server);
  slow.server_pid = run.server_pid;
  slow.parts = {run.queue, run.state, run.server, run.stream, run.client, {}};
  slow.rows = run.rows;
}

// Why a client of this pool waits now.
WaitReason Worker::wait_reason(const PoolDesk& desk) const {
  const Pool& pool = desk.pool;
  if (pool.paused) return WaitReason::pause;
  if (pool.failing()) return WaitReason::login_retry;
  const std::size_t coming = pool.count(ServerState::login) + pool.count(ServerState::tested);
  if (coming > 0 && coming >= pool.waiters().size()) return WaitReason::connect;
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
  return coming > 0 || pool.waiters().empty() ? WaitReason::connect : WaitReason::pool_size;
}

// Its wait is over. `served`: by a server.
void Worker::note_wait(const ClientSession& client, bool served) {
  client.desk()->waits[static_cast<std::size_t>(client.wait_reason)].add(loop_.now() - client.waiter.since, served);
}

void Worker::reset_queries() {
  isolation_log_.clear();
  if (!watch_) return;
  watch_->digests.clear();
  watch_->slow.clear();
  for (auto& [key, desk] : desks_) desk->waits = {};
}

}  // namespace pgweir
