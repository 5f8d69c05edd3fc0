// What is counted when connections end and logins succeed or fail.
#include "proxy/session/worker.h"

namespace pgweir {

void Worker::note_closed(const ClientSession& client, CloseReason reason, std::string_view words,
                         std::string_view sqlstate) {
  const CloseReasonInfo& row = info(reason);
  ++tally_.client_closes[static_cast<std::size_t>(reason)];
  if (row.tell_client) tally_.errors.add(sqlstate.empty() ? row.sqlstate : sqlstate);
  // Who connects and says nothing is a health check, and a CancelRequest is no session.
  if (reason == CloseReason::client_wrote_nothing || reason == CloseReason::job_done ||
      reason == CloseReason::cancel_wait_timeout) {
    return;
  }
  if (!client.logged_in() && row.tell_client) ++tally_.failed_logins;
  ClosedConnection& entry = closes_.next();
  entry.at = loop_.wall_now();
  entry.server = false;
  entry.reason = reason;
  entry.database.assign(client.route ? client.route->database : client.login ? client.login->database : "");
  entry.user.assign(client.route ? client.route->user : client.login ? client.login->user : "");
  entry.who = client.place;
  entry.text.assign(words);
  entry.age = loop_.now() - client.connected_at;
}

void Worker::note_closed(const ServerConnection& server, CloseReason reason, std::string_view words) {
  if (reason == CloseReason::handed_over) return;   // it lives on
  ++tally_.server_closes[static_cast<std::size_t>(reason)];
  ClosedConnection& entry = closes_.next();
  entry.at = loop_.wall_now();
  entry.server = true;
  entry.reason = reason;
  entry.database = server.desk->pool.database();
  entry.user = server.desk->pool.user();
  entry.who = fmt::format("{}:{}", server.facts.address.host, server.facts.address.port);
  entry.text.assign(words.empty() ? text(reason) : words);
  entry.age = server.facts.opened_at == TimePoint{} ? Duration{} : loop_.now() - server.facts.opened_at;
}

}  // namespace pgweir
