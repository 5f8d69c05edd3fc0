// What a client does to its session in a shared mode: noted as it goes by (statement_effects.h), looked up on the server when its transaction
// is over, given to the next server the client gets. What cannot be given keeps the server with the client.
//
//   SET x  ->  noted  ->  transaction over  ->  look: what is x?  ->  kept with the client and the server  ->  released
//   next request, another server  ->  the two differ  ->  set_config(), RESET  ->  the request
#include <algorithm>

#include "protocol/backend.h"
#include "protocol/compose.h"
#include "proxy/policy/hidden_code.h"
#include "proxy/policy/session_report.h"
#include "proxy/session/hidden_code.h"
#include "proxy/session/isolation_notes.h"
#include "proxy/session/refusals.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

// What a server tells of its session; more is not believed.
constexpr std::size_t told_bytes_max = 256 * 1024;
// What a client may have set and still change servers. They are copied when one of them changes.
constexpr std::size_t settings_bytes_max = 64 * 1024;

// A setting that was reset is not listed as set by the session any more, though it has a value. Those of modules that are
// not there, and who one is, are in no list.
policy::SharedSettings without_reset(policy::SharedSettings settings, const policy::SessionSettings& names, Bytes told) {
  std::vector<std::string> listed;
  policy::for_each_fact(told, [&](const policy::SessionFact& fact) {
    if (fact.kind == "setting") listed.push_back(policy::lower_case(fact.name));
  });
  for (const auto& [name, value] : names) {
    const bool may_be_listed = name.find('.') == std::string::npos && name != "role" && name != "session_authorization";
    if (may_be_listed && std::find(listed.begin(), listed.end(), name) == listed.end())
      settings = policy::with_setting(settings, name, std::nullopt);
  }
  return settings;
}

}  // namespace

SessionTouch& Worker::touch(ServerConnection& server) {
  if (!server.touch) server.touch = std::make_unique<SessionTouch>();
  return *server.touch;
}

// True: the server may leave its client now. False: it stays, or is being looked at.
bool Worker::settle_session(ServerConnection& server) {
  ClientSession& client = *server.client;
  const bool numbered = Sequences::settle(*this, server);
  if (!server.touch) return !numbered && !Listeners::try_move(*this, server) && client.pin == PinReason::none;
  SessionTouch& touched = *server.touch;
  if (std::exchange(touched.makes_code, false)) HiddenCode::forget(*this, *server.desk);
  // What is said there at the startup comes back when it is not set any more, which only the whole session tells.
  touched.everything |= policy::names_any(client.startup, touched.settings);
  if (touched.stays != PinReason::none && Refusals::in_force(*server.desk)) {
    Refusals::end(*this, server, touched.stays, touched);
    return false;
  }
  if (touched.stays != PinReason::none) {
    if (touched.stays != client.pin) SessionNotes::count_pin(*this, touched, touched.stays);
    pin(server, touched.stays);
  }
  const bool for_good = client.pin == PinReason::library || client.pin == PinReason::unreadable || client.pin == PinReason::policy ||
                        client.pin == PinReason::random_seed;
  if (for_good || (client.pin != PinReason::none && !touched.everything)) return false;
  std::vector<std::string> names = touched.settings;
  if (touched.everything) {
    names.assign(custom_names_.begin(), custom_names_.end());
    names.insert(names.end(), {"role", "session_authorization"});
    if (client.settings) {
      for (const auto& [name, value] : *client.settings)
        if (custom_names_.count(name) == 0) names.push_back(name);
    }
  }
  if (!touched.canary.empty()) names.emplace_back(Listeners::canary);
  IsolationCounts& counts = server.desk->isolation;
  ++(touched.everything ? counts.full_looks : counts.looks);
  SessionNotes::count_looks(*this, touched);
  client.phase = ClientPhase::preparing;
  server.told.clear();
  std::string question = touched.everything ? policy::session_question(names, touched.code) : policy::settings_question(names);
  if (touched.everything && touched.code) question += policy::computed_names_question(touched.functions, HiddenCode::possible(*this, *server.desk));
  start_job(server, ServerJob::look, question);
  return false;
}

void Worker::pin(ServerConnection& server, PinReason reason) {
  ClientSession& client = *server.client;
  if (reason != PinReason::none && reason != client.pin) {
    ++server.desk->isolation.pins[static_cast<std::size_t>(reason)];
    log_client(log::Level::debug, client, "keeps its server: {}", text_of(reason));
  }
  client.pin = reason;
}

// A row of the answer; all of its pieces, in order.
void Worker::hear(ServerConnection& server, const Piece& piece) {
  if (server.told.size() + piece.bytes.size() > told_bytes_max) {
    server.job_failed = true;
    server.job_error = "too much to tell";
    return;
  }
  append(server.told, piece.bytes);
}

void Worker::on_looked(ServerConnection& server) {
  ClientSession& client = *server.client;
  // PostgreSQL signals a backend that is cancelled, and its process group: the second may meet our question instead.
  if (server.job_failed && server.job_error == "canceling statement due to user request") {
    client.phase = ClientPhase::leasing;
    (void)settle_session(server);
    return;
  }
  const std::unique_ptr<SessionTouch> touched = std::move(server.touch);
  server.steps = {};
  PinReason reason = PinReason::none;
  if (server.job_failed) {
    // Not known to be clean: never anybody else's. It is looked at again when something may have gone.
    reason = PinReason::unknown;
  } else {
    policy::SharedSettings settings = settings_told(server, *touched, reason);
    if (touched->everything && client.startup) settings = without_reset(settings, *client.startup, server.told);
    const policy::SharedSettings wanted = touched->everything ? policy::with_startup(settings, client.startup, shared_.tracked) : settings;
    const bool left = reason != PinReason::none || !policy::same_settings(wanted, client.settings);
    for (const std::string& name : touched->functions) {
      const auto found = server.desk->functions.find(name);
      if (found == server.desk->functions.end()) continue;
      found->second.dirty |= left;
      found->second.clean_looks += !left;
    }
    if (!policy::same_settings(wanted, client.settings)) SessionNotes::count_kept(*this, client, *touched);
    server.facts.settings = settings;
    client.settings = wanted;
    if (reason == PinReason::none && policy::settings_bytes(wanted) > settings_bytes_max) reason = PinReason::unknown;
  }
  const Buffer told = std::exchange(server.told, {});
  if (!server.job_failed && Listeners::settle(*this, server, *touched, told, reason)) return;
  if (reason == PinReason::none && server.sequences_fresh) reason = PinReason::sequence;
  client.phase = ClientPhase::leasing;
  // A channel moves to the shared listener in a moment.
  if (reason != PinReason::none && reason != PinReason::channel && Refusals::in_force(*server.desk))
    return Refusals::end(*this, server, reason, *touched);
  if (reason != PinReason::none && reason != client.pin) SessionNotes::count_pin(*this, *touched, reason);
  pin(server, reason);
  if (client.held) client.last_state += loop_.now() - client.held_since;
  // Behind the answer the server may have announced its end, which the client has read.
  if (server.said_fatal) return end_client(client, CloseReason::server_said_fatal);
  if (reason == PinReason::none) give_back(server);
  else if (give_settings(server, {})) return;
  feed_held(client);
}

// What the rows say; `reason` becomes why the server must stay, if so.
policy::SharedSettings Worker::settings_told(const ServerConnection& server, const SessionTouch& touched, PinReason& reason) const {
  const policy::SharedSettings& before = server.client->settings;
  policy::SharedSettings settings = touched.everything ? nullptr : before;
  policy::for_each_fact(server.told, [&](const policy::SessionFact& fact) {
    const std::string_view name = fact.name, value = fact.value.value_or("");
    if (fact.kind == "custom" && name == Listeners::canary) return;
    if (fact.kind == "custom") {
      const bool is_nobody = (name == "role" && value == "none") || (name == "session_authorization" && value == server.desk->pool.user());
      // What was set once and has been reset reads as nothing, not as NULL.
      const bool was_set = std::find(touched.settings.begin(), touched.settings.end(), name) != touched.settings.end() ||
                           !policy::same_settings(policy::with_setting(before, name, std::nullopt), before);
      const bool is_set = fact.value && !is_nobody && (!value.empty() || was_set);
      settings = policy::with_setting(settings, name, is_set ? std::optional(value) : std::nullopt);
    } else if (fact.kind == "setting") {
      const bool of_transaction = name.starts_with("transaction_");
      const std::string lower_name = policy::lower_case(name);
      if (!of_transaction && shared_.tracked.place_of(name) == policy::TrackedParameters::none)
        settings = policy::with_setting(settings, lower_name, value);
    } else if (policy::is_there(fact) && reason != PinReason::unreadable && (fact.kind != "channel" || reason == PinReason::none)) {
      reason = fact.kind == "lock" ? PinReason::advisory_lock
               : fact.kind == "cursor" ? PinReason::held_cursor
               : fact.kind == "computed" ? PinReason::unreadable
               : fact.kind == "channel" ? PinReason::channel
                                        : PinReason::temporary;
    }
  });
  return settings;
}

// DISCARD ALL has been answered: nothing is left that a look would not tell.
void Worker::on_discarded(ServerConnection& server) {
  if (!server.client) return;
  // What came behind it in the same breath may have set something again.
  if (server.talk.owes_client_more()) return;
  if (!outlasts_discard(server.client->pin)) server.client->pin = PinReason::none;
  if (server.touch && !outlasts_discard(server.touch->stays)) server.touch->stays = PinReason::none;
}

// --- giving

// The client's settings on the server it has just got. True: there is something to do, and it has been sent.
bool Worker::give_settings(ServerConnection& server, const std::string& reported) {
  ClientSession& client = *server.client;
  const bool differ = isolates(*server.desk) && !policy::same_settings(client.settings, server.facts.settings);
  if (!differ && reported.empty()) return false;
  client.phase = ClientPhase::preparing;
  if (!differ) {
    start_job(server, ServerJob::setup, reported);
    return true;
  }
  ++server.desk->isolation.replays;
  SessionNotes::count_replay(*this, client);
  const policy::SettingsPlan plan = policy::plan_settings(client.settings, server.facts.settings);
  begin_job(server, ServerJob::setup);
  Buffer words;
  if (const std::string sql = plan.resets + reported; !sql.empty()) {
    compose::query(words, sql);
    server.talk.on_request('Q', For::pooler);
  }
  // Bound values need no quoting, whatever the encoding is.
  if (!plan.sets.empty()) {
    compose::parse(words, {}, "SELECT pg_catalog.set_config($1,$2,false)");
    server.talk.on_request('P', For::pooler);
    for (const auto& [name, value] : plan.sets) {
      const std::optional<std::string_view> values[] = {name, value};
      compose::bind(words, {}, {}, values);
      compose::execute(words, {});
      server.talk.on_request('B', For::pooler);
      server.talk.on_request('E', For::pooler);
    }
    compose::sync(words);
    server.talk.on_request('S', For::pooler);
  }
  send_to_server(server, words);
  return true;
}

// What the client that leaves did to its session is undone before anybody else gets the server.
void Worker::clean_session(ServerConnection& server) {
  if (server.touch && std::exchange(server.touch->makes_code, false)) HiddenCode::forget(*this, *server.desk);
  if (outlasts_discard(server.client->pin)) return end_server(server, CloseReason::client_left_not_ready);
  ++server.desk->isolation.cleaned;
  unlink(server);
  start_job(server, ServerJob::clean, "DISCARD ALL");
}

}  // namespace pgweir
