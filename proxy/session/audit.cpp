#include "proxy/session/audit.h"

#include <algorithm>
#include <map>
#include <optional>

#include "protocol/sql/session_effects.h"
#include "proxy/policy/session_report.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

bool is_identity(std::string_view name) { return name == "role" || name == "session_authorization"; }

// A setting has two spellings: `7168` in pg_settings, `7MB` when it is shown. Either may be the one we know it by.
struct Spellings {
  std::optional<std::string> listed, shown;
  bool has(const std::string& value) const { return listed == value || shown == value; }
};

// Those that connect_query sets belong to every server of the pool.
bool set_at_connect(const PoolDesk& desk, const std::string& name) {
  if (desk.database->connect_query.empty()) return false;
  const sql::SessionEffects effects = sql::session_effects(desk.database->connect_query);
  if (effects.all_settings || effects.runs_code || !effects.functions.empty()) return true;
  return std::find(effects.settings.begin(), effects.settings.end(), name) != effects.settings.end();
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

void ResidueAudit::on_tick(Worker& worker, PoolDesk& desk) {
  const Globals& globals = worker.config().globals;
  const TimePoint now = worker.now();
  if (globals.session_audit_interval == Micros{} || !worker.isolates(desk) || now < desk.audit_at) return;
  const bool first = desk.audit_at == TimePoint{};
  desk.audit_at = now + globals.session_audit_interval;
  if (first) return;
  std::vector<ServerConnection*> sample;
  for (const ServerState state : {ServerState::idle, ServerState::used}) {
    desk.pool.servers(state).for_each([&](PooledServer& pooled) {
      auto* server = static_cast<ServerConnection*>(pooled.connection);
      if (server->leases != server->audited_leases) sample.push_back(server);
    });
  }
  // Those that have waited for it longest.
  const auto wanted = std::min(sample.size(), static_cast<std::size_t>(std::max(0, globals.session_audit_servers)));
  std::partial_sort(sample.begin(), sample.begin() + static_cast<std::ptrdiff_t>(wanted), sample.end(),
                    [](const auto* a, const auto* b) { return a->audited_at < b->audited_at; });
  for (std::size_t i = 0; i < wanted; ++i) {
    ServerConnection& server = *sample[i];
    server.audited_at = now;
    server.audited_leases = server.leases;
    std::vector<std::string> names(worker.custom_names_.begin(), worker.custom_names_.end());
    names.insert(names.end(), {"role", "session_authorization"});
    if (server.facts.settings) {
      for (const auto& [name, value] : *server.facts.settings) {
        if (!is_identity(name) && worker.custom_names_.count(name) == 0) names.push_back(name);
      }
    }
    ++desk.isolation.audits;
    server.told.clear();
    worker.start_job(server, ServerJob::audit, policy::session_question(names, true));
  }
}

std::vector<std::string> ResidueAudit::residue(const Worker& worker, const ServerConnection& server) {
  const PoolDesk& desk = *server.desk;
  std::vector<std::string> found;
  std::map<std::string, Spellings> settings;
  policy::for_each_fact(server.told, [&](const policy::SessionFact& fact) {
    const std::string value(fact.value.value_or(""));
    if (policy::is_there(fact)) {
      found.emplace_back(fact.kind == "lock"      ? "an advisory lock"
                         : fact.kind == "cursor"  ? "a cursor WITH HOLD"
                         : fact.kind == "channel" ? "a LISTEN"
                                                  : "a temporary object");
    } else if (fact.kind == "setting") {
      settings[policy::lower_case(fact.name)].listed = value;
    } else if (fact.kind == "custom") {
      const bool nobody = (fact.name == "role" && value == "none") || (fact.name == "session_authorization" && value == desk.pool.user());
      if (!value.empty() && !nobody) settings[policy::lower_case(fact.name)].shown = value;
    }
  });
  // What is known to be there ...
  if (server.facts.settings) {
    for (const auto& [name, value] : *server.facts.settings) {
      const auto there = settings.find(name);
      const bool right = there == settings.end() ? value.empty() : there->second.has(value);
      if (!right) found.push_back("setting " + name + " has another value");
      if (there != settings.end()) settings.erase(there);
    }
  }
  // ... and what is there besides; custom settings and identities are in no list, the others are in that of the session's.
  for (const auto& [name, spellings] : settings) {
    const bool listed = spellings.listed || is_identity(name) || name.find('.') != std::string::npos;
    if (!listed || name.starts_with("transaction_")) continue;
    if (worker.shared_.tracked.place_of(name) != policy::TrackedParameters::none || set_at_connect(desk, name)) continue;
    found.push_back("setting " + name);
  }
  return found;
}

void ResidueAudit::on_answer(Worker& worker, ServerConnection& server) {
  PoolDesk& desk = *server.desk;
  if (server.job_failed) return worker.end_server(server, CloseReason::session_not_clean);   // not known to be clean
  const std::vector<std::string> found = residue(worker, server);
  server.told = {};
  if (found.empty()) {
    if (!worker.close_if_unfit(server)) worker.make_available(server);
    return;
  }
  ++desk.isolation.leaks_detected;
  worker.log_server(log::Level::warning, server, "leak detected: its session has {}, which nobody is known to have left there",
                    joined(found));
  if (!desk.distrust) {
    desk.distrust = true;
    worker.log_server(log::Level::warning, server, "from now on every session of this pool is looked at after each transaction: "
                      "something changes sessions that no statement's text tells (a trigger, a view, a function)");
  }
  worker.end_server(server, CloseReason::session_not_clean);
}

}  // namespace pgweir
