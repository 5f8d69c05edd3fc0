#include "proxy/session/hidden_code.h"

#include <algorithm>

#include "protocol/backend.h"
#include "proxy/policy/hidden_code.h"
#include "proxy/policy/session_report.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

using State = PoolAccount::HiddenCode;

// One that has been asked and does not answer is not waited for longer; nor is more often asked, whatever clients make.
constexpr Micros patience = std::chrono::seconds(6);

// True: it is this worker's turn to ask, now.
bool take_turn(PoolAccount& pool, TimePoint now, Micros since_last) {
  std::int64_t asked = pool.hidden_code_asked.load(std::memory_order_relaxed);
  const std::int64_t at = now.time_since_epoch().count();
  const std::int64_t wait = std::chrono::duration_cast<TimePoint::duration>(since_last).count();
  return (asked == 0 || at - asked >= wait) && pool.hidden_code_asked.compare_exchange_strong(asked, at, std::memory_order_relaxed);
}

// Names of settings that looks ask for, with those that clients have used.
constexpr std::size_t custom_names_max = 512;

// Of what is created and altered, what runs no code when others use it; all else may.
constexpr std::string_view harmless[] = {"CREATE TABLE AS", "CREATE SEQUENCE", "ALTER SEQUENCE", "CREATE ROLE", "ALTER ROLE", "CREATE DATABASE",
                                         "ALTER DATABASE", "CREATE STATISTICS", "ALTER DEFAULT PRIVILEGES", "ALTER SYSTEM"};

bool makes_code(std::string_view tag) {
  return (tag.starts_with("CREATE ") || tag.starts_with("ALTER ") || tag == "IMPORT FOREIGN SCHEMA") &&
         std::find(std::begin(harmless), std::end(harmless), tag) == std::end(harmless);
}

// The default of a new table may be such code; that of a temporary one is its session's, which is looked at anyway.
bool is_temporary_table(SessionTouch* touched, std::string_view tag) {
  if (tag != "CREATE TABLE" || !touched || touched->temporaries == 0) return false;
  --touched->temporaries;
  return true;
}

}  // namespace

bool HiddenCode::is_asked_for(const Worker& worker, const PoolDesk& desk) {
  return worker.config().globals.session_audit_interval != Micros{} && worker.isolates(desk);
}

void HiddenCode::ask(Worker& worker, ServerConnection& server) {
  server.told.clear();
  server.made_when_asked = server.desk->pool.account().hidden_code_made.load();
  server.desk->asked_at_assignments = server.desk->stats.server_assignments;
  worker.start_job(server, ServerJob::hidden_code, policy::hidden_code_question());
}

bool HiddenCode::ask_first(Worker& worker, ServerConnection& server) {
  PoolAccount& pool = server.desk->pool.account();
  if (!is_asked_for(worker, *server.desk) || pool.hidden_code.load(std::memory_order_relaxed) != State::unknown) return false;
  if (!take_turn(pool, worker.now(), patience)) return false;
  ask(worker, server);
  return true;
}

void HiddenCode::on_tick(Worker& worker, PoolDesk& desk) {
  if (!is_asked_for(worker, desk) || desk.pool.paused) return;
  PoolAccount& pool = desk.pool.account();
  const bool known = pool.hidden_code.load(std::memory_order_relaxed) != State::unknown;
  if (known && desk.asked_at_assignments == desk.stats.server_assignments) return;    // nobody has been there
  PooledServer* idle = desk.pool.servers(ServerState::idle).front();
  if (!idle || !take_turn(pool, worker.now(), known ? worker.config().globals.session_audit_interval : patience)) return;
  ask(worker, *static_cast<ServerConnection*>(idle->connection));
}

void HiddenCode::on_answer(Worker& worker, ServerConnection& server) {
  PoolAccount& pool = server.desk->pool.account();
  const Buffer told = std::exchange(server.told, {});
  server.checked = true;
  // A server that cannot tell, perhaps as it is no PostgreSQL, cannot be looked at either.
  if (server.job_failed && pool.hidden_code.load(std::memory_order_relaxed) != State::unknown) return;
  std::string names;
  std::vector<std::string> settings;
  policy::for_each_fact(told, [&](const policy::SessionFact& fact) {
    if (fact.kind == "name") settings.emplace_back(fact.name);
    if (fact.kind == "hidden") names.append(names.empty() ? "" : ", ").append(fact.name);
  });
  for (unsigned number = 0; !settings.empty() && number < worker.shared_.fleet.size(); ++number) {
    worker.shared_.fleet.post(number, [settings](Worker& other) {
      for (const std::string& name : settings) {
        if (other.custom_names_.size() < custom_names_max) other.custom_names_.insert(name);
      }
    });
  }
  // Some may have been made meanwhile, of which the answer knows nothing: it is asked again.
  const auto is_old = [&] { return server.made_when_asked != pool.hidden_code_made.load(); };
  if (is_old()) return;
  // Where one cannot tell, what was known before counts.
  const bool had_some = pool.had_hidden_code.load();
  const bool some = !names.empty() || (server.job_failed && had_some);
  pool.hidden_code.store(some ? State::some : State::none);
  if (is_old()) return pool.hidden_code.store(State::unknown);      // by another worker, a moment ago
  pool.had_hidden_code.store(some);
  if (some && !had_some) {
    worker.log_server(log::Level::log, server, "code that no statement names may change sessions ({}): every session of this pool is looked at "
                      "after each transaction", names);
  } else if (had_some && !some) {
    worker.log_server(log::Level::log, server, "no code changes sessions unseen any more");
  }
}

bool HiddenCode::possible(const Worker& worker, const PoolDesk& desk) {
  return desk.pool.account().hidden_code.load(std::memory_order_relaxed) != State::none && is_asked_for(worker, desk);
}

void HiddenCode::on_command(Worker& worker, ServerConnection& server, Bytes body) {
  if (body.size() < 8 || (body[0] != std::byte{'C'} && body[0] != std::byte{'A'} && body[0] != std::byte{'I'}) || !server.client || !is_asked_for(worker, *server.desk)) return;
  const auto view = read_command_complete(body);
  if (!view) return;
  if (!makes_code(view->tag) || is_temporary_table(server.touch.get(), view->tag)) return;
  SessionTouch& touched = worker.touch(server);
  touched.everything = touched.code = touched.makes_code = true;
}

void HiddenCode::forget(Worker& worker, PoolDesk& desk) {
  for (PoolAccount* pool : worker.shared_.ledger.pools_of_database(desk.pool.account())) {
    ++pool->hidden_code_made;
    pool->hidden_code.store(State::unknown);
  }
}

}  // namespace pgweir
