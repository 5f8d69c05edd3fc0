#include "proxy/session/statement_effects.h"

#include <algorithm>

#include "proxy/session/isolation_notes.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

// Names of settings of no module that are looked for besides those the client has used.
constexpr std::size_t custom_names_max = 256;

// A function is looked behind until so many looks have found nothing, and now and then after that.
constexpr std::uint32_t looks_for_trust = 8, calls_per_look = 64;
constexpr std::size_t functions_max = 4096;

// Functions by number, for FunctionCall. Source: PostgreSQL's pg_proc.dat.
constexpr std::uint32_t set_config_oid = 2078, first_lock_oid = 2880, last_lock_oid = 2892, first_user_oid = 16384;

}  // namespace

bool StatementEffects::note(Worker& worker, ClientSession& client, const Piece& piece, Run& run) {
  if (!Worker::isolates(*client.desk()) || client.replication) {
    SessionNotes::note_readiness(worker, client, piece);
    return true;
  }
  note_piece(worker, client, piece);
  return Sequences::note(worker, client, piece, run);
}

void StatementEffects::note_piece(Worker& worker, ClientSession& client, const Piece& piece) {
  switch (piece.tag) {
    case 'Q':
      return note_text(worker, client, worker.said(client, piece), piece.ends);
    case 'P':
      if (worker.tracks_statements(client)) return;       // what it does it does when it is executed
      return note_text(worker, client, worker.said(client, piece), piece.ends);
    case 'B':
      return note_bind(worker, client, worker.said(client, piece), piece.body());
    case 'F': {
      const auto call = read_function_call(piece.body());
      if (!call) return;
      const std::uint32_t oid = call->function_oid;
      if (oid == set_config_oid) Worker::touch(*client.server).stays = PinReason::unreadable;
      if ((oid >= first_lock_oid && oid <= last_lock_oid) || oid >= first_user_oid) Worker::touch(*client.server).everything = true;
      return;
    }
    default:
      return;
  }
}

void StatementEffects::note_text(Worker& worker, ClientSession& client, const Said& said, bool whole) {
  if (!whole) Worker::touch(*client.server).everything = true;       // nobody has read the rest
  if (!said.facts.affects_session) return;
  const sql::SessionEffects effects = sql::session_effects(said.sql);
  note_effects(worker, client, effects, {});
  SessionNotes::note_class(worker, client, said.sql, effects);
}

void StatementEffects::note_bind(Worker& worker, ClientSession& client, const Said& said, Bytes body) {
  if (said.bound == Said::Bound::forgotten) Worker::touch(*client.server).everything = true;
  if (said.bound != Said::Bound::known || !said.facts.affects_session) return;
  const policy::StatementText& text = *Worker::bound_by(client, *said.bind)->text;
  if (!text.effects) return;
  note_effects(worker, client, *text.effects, body.subspan(said.bind->statement_end));
  SessionNotes::note_class(worker, client, text.sql(), *text.effects);
}

void StatementEffects::note_effects(Worker& worker, ClientSession& client, const sql::SessionEffects& effects, Bytes parameters) {
  if (effects.none()) return;
  ServerConnection& server = *client.server;
  for (const std::string& name : effects.functions) note_function(server, name);
  for (const std::string& name : effects.executed) {
    const policy::StatementRef* named = client.statements.find(name);
    if (!named || !*named) {
      Worker::touch(server).everything = Worker::touch(server).code = true;      // nobody knows its text
    } else if ((*named)->text->effects && (*named)->text->effects->executed.empty()) {
      note_effects(worker, client, *(*named)->text->effects, {});        // its parameters stand in SQL, where nobody reads them
    }
  }
  for (const std::string& name : effects.settings) note_setting(worker, server, name);
  for (const std::uint16_t number : effects.setting_parameters) {
    const auto name = bind_parameter(parameters, number);
    if (!name) Worker::touch(server).stays = PinReason::unreadable;
    else note_setting(worker, server, policy::lower_case(*name));
  }
  if (effects.all_settings || effects.leaves_something || effects.takes_something_away || effects.runs_code) Worker::touch(server).everything = true;
  if (effects.runs_code) Worker::touch(server).code = true;
  if (effects.makes_code) Worker::touch(server).makes_code = true;
  if (effects.temporary_tables > 0) Worker::touch(server).temporaries += effects.temporary_tables;
  if (effects.unreadable_setting) Worker::touch(server).stays = PinReason::unreadable;
  if (effects.loads_library) Worker::touch(server).stays = PinReason::library;
}

void StatementEffects::note_setting(Worker& worker, ServerConnection& server, const std::string& name) {
  if (worker.shared_.tracked.place_of(name) != policy::TrackedParameters::none) return;    // the server reports it
  SessionTouch& touched = Worker::touch(server);
  if (!policy::is_plain_setting(name)) {
    touched.stays = PinReason::unreadable;
    return;
  }
  if (server.desk->limits.session_state == SessionState::pin) touched.stays = PinReason::policy;
  if (std::find(touched.settings.begin(), touched.settings.end(), name) == touched.settings.end()) touched.settings.push_back(name);
  if (name.find('.') != std::string::npos && worker.custom_names_.size() < custom_names_max) worker.custom_names_.insert(name);
}

void StatementEffects::note_function(ServerConnection& server, const std::string& name) {
  auto& functions = server.desk->functions;
  auto found = functions.find(name);
  if (found == functions.end() && functions.size() < functions_max) found = functions.try_emplace(name).first;
  if (found != functions.end()) {
    FunctionTrust& trust = found->second;
    if (!trust.dirty && trust.clean_looks >= looks_for_trust && ++trust.calls % calls_per_look != 0) return;
  }
  SessionTouch& touched = Worker::touch(server);
  touched.everything = touched.code = true;
  touched.functions.push_back(name);
}

}  // namespace pgweir
