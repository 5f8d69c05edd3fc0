#include "proxy/session/isolation_notes.h"

#include "proxy/session/worker.h"

namespace pgweir {

IsolationLog::Ref SessionNotes::log_class(Worker& worker, const ClientSession& client, std::string_view sql) {
  return worker.isolation_log_.note(client.route->database, client.route->user, worker.application_of(client), sql);
}

void SessionNotes::note_class(Worker& worker, ClientSession& client, std::string_view sql, const sql::SessionEffects& effects) {
  // What looks have shown to do nothing leaves no trace.
  if (effects.none() || !client.server->touch) return;
  auto& classes = client.server->touch->classes;
  if (classes.size() == SessionTouch::classes_max) return;
  const bool sets = !effects.settings.empty() || !effects.setting_parameters.empty() || effects.all_settings;
  const bool more = effects.leaves_something || effects.takes_something_away || !effects.functions.empty() || effects.runs_code ||
                    effects.loads_library || effects.unreadable_setting || !effects.executed.empty();
  classes.push_back({log_class(worker, client, sql), sets, more});
}

void SessionNotes::count_looks(Worker& worker, const SessionTouch& touched) {
  for (const auto& one : touched.classes) ++worker.isolation_log_.row(one.ref).looks;
}

void SessionNotes::count_pin(Worker& worker, const SessionTouch& touched, PinReason reason) {
  const bool by_setting = reason == PinReason::policy;
  for (const auto& one : touched.classes) {
    if (one.more || (by_setting && one.sets)) ++worker.isolation_log_.row(one.ref).pins[static_cast<std::size_t>(reason)];
  }
}

void SessionNotes::count_kept(Worker& worker, ClientSession& client, const SessionTouch& touched) {
  for (const auto& one : touched.classes) {
    ++worker.isolation_log_.row(one.ref).kept;
    client.set_by = one.ref;
  }
}

void SessionNotes::count_refused(Worker& worker, const ClientSession& client, std::string_view sql) {
  ++worker.isolation_log_.row(log_class(worker, client, sql)).refused;
}

void SessionNotes::count_refused(Worker& worker, const SessionTouch& touched) {
  for (const auto& one : touched.classes) worker.isolation_log_.row(one.ref).refused += one.more;
}

void SessionNotes::count_replay(Worker& worker, const ClientSession& client) {
  if (client.set_by != 0) ++worker.isolation_log_.row(client.set_by).replays;
}

bool SessionNotes::reports_readiness(const PoolDesk& desk) {
  return desk.mode == PoolMode::session && desk.limits.session_state != SessionState::off;
}

void SessionNotes::note_readiness(Worker& worker, const ClientSession& client, const Piece& piece) {
  if (!reports_readiness(*client.desk()) || client.replication || (piece.tag != 'Q' && piece.tag != 'P')) return;
  const Said& said = worker.said(client, piece);
  if (!said.facts.affects_session) return;
  const std::string_view text = said.sql;
  const sql::SessionEffects effects = sql::session_effects(text);
  if (effects.none()) return;
  IsolationRow& row = worker.isolation_log_.row(log_class(worker, client, text));
  const auto would_pin = [&](bool so, PinReason reason) { row.pins[static_cast<std::size_t>(reason)] += so; };
  would_pin(effects.locks, PinReason::advisory_lock);
  would_pin(effects.holds_cursor, PinReason::held_cursor);
  would_pin(effects.listens && client.desk()->limits.session_state == SessionState::pin, PinReason::channel);
  would_pin(effects.makes_temporary, PinReason::temporary);
  would_pin(effects.loads_library, PinReason::library);
  would_pin(effects.unreadable_setting, PinReason::unreadable);
  row.looks += effects.runs_code || !effects.functions.empty();
  row.kept += !effects.settings.empty() || !effects.setting_parameters.empty() || effects.all_settings;
}

}  // namespace pgweir
