#include "proxy/session/restore.h"

#include <algorithm>

#include "protocol/backend.h"
#include "protocol/compose.h"
#include "protocol/frontend.h"
#include "proxy/session/say.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

// Statement and portal of ours.
constexpr std::string_view restorer = "PGBOUNCER_s";

Restores& restores_of(ServerConnection& server) {
  if (!server.restores) server.restores = std::make_unique<Restores>();
  return *server.restores;
}

// By SET, which takes no snapshot: the client may go on in the same breath with BEGIN ISOLATION LEVEL, for which it would be
// too late behind a SELECT.
Restorer::Order setting(const std::string& name, const std::string& value) {
  if (const auto words = policy::exact_words_of(name, value)) return {"SET " + policy::quote_setting(name) + " TO " + *words, {}};
  return {"SELECT pg_catalog.set_config($1,$2,false)", {name, value}};
}

}  // namespace

const Piece& Restorer::read(Worker& worker, ClientSession& client, const Piece& piece) {
  if (!client.startup || !piece.whole() || !worker.isolates(*client.desk()) || client.replication) return piece;
  if (piece.tag == 'Q') {
    const Said& said = worker.said(client, piece);
    if (!said.facts.resets) return piece;
    due_ = policy::restoring(said.sql, client.startup, false);
    is_due_ = of_query_ = true;
    // Which SET is ours is known of one query at a time.
    must_wait_ = !due_.sets.empty() && client.server && !client.server->talk.nothing_owed();
    if (due_.text.empty()) return piece;
    Buffer& out = rewritten_.emplace_back();
    compose::query(out, due_.text);
    return replaced(piece, out);
  }
  if (piece.tag == 'P') {
    const Said& said = worker.said(client, piece);
    const auto& view = said.parse;
    if (!view || !said.facts.resets) return piece;
    const policy::RestoringText parsed = policy::restoring(view->sql, client.startup, true);
    if (parsed.text.empty()) return piece;
    Buffer& out = rewritten_.emplace_back();
    Buffer identity(as_bytes(parsed.text).begin(), as_bytes(parsed.text).end());
    append(identity, view->identity.subspan(view->sql.size()));
    compose::parse_as(out, view->statement, identity);
    return replaced(piece, out);
  }
  if (piece.tag == 'E' && client.server && client.server->restores) {
    const auto view = read_execute(piece.body());
    for (const Restores::Portal& portal : client.server->restores->portals) {
      if (!view || portal.name != view->portal) continue;
      due_ = portal.of;
      is_due_ = true;
      of_query_ = false;
    }
  }
  return piece;
}

const Piece& Restorer::replaced(const Piece& piece, const Buffer& by) {
  return told_ = {piece.tag, true, true, load_be32(by.data() + 1), by};
}

// A Bind that goes out: what its portal will reset when it is executed.
void Restorer::note_portal(Worker& worker, ClientSession& client, const Piece& piece) {
  const Said& said = worker.said(client, piece);
  const auto& view = said.bind;
  if (!view || !worker.tracks_statements(client)) return;
  ServerConnection& server = *client.server;
  if (server.restores) std::erase_if(server.restores->portals, [&](const Restores::Portal& portal) { return portal.name == view->portal; });
  if (said.bound != Said::Bound::known || !said.facts.resets || !said.facts.affects_session) return;
  const policy::StatementRef statement = Worker::bound_by(client, *view);
  if (!statement || !statement->text->effects) return;
  policy::RestoringText text = policy::restoring(statement->text->sql(), client.startup, true);
  if (!text.behind.empty()) restores_of(server).portals.push_back({std::string(view->portal), std::move(text)});
}

bool Restorer::follow(Worker& worker, ClientSession& client, const Piece& piece, Run& run) {
  ServerConnection& server = *client.server;
  if (piece.tag == 'B') note_portal(worker, client, piece);
  if (!is_due_) return true;
  is_due_ = false;
  if (server.talk.skipping() || (due_.behind.empty() && due_.sets.empty() && due_.edits.empty())) return true;
  Restores& restores = restores_of(server);
  restores.edits = std::move(due_.edits);
  restores.sets = std::move(due_.sets);
  restores.next_set = 0;
  restores.refused = false;
  restores.under_way |= !restores.sets.empty() || !due_.behind.empty();
  // What is parsed from here on is parsed with other settings than anybody else's.
  server.steps.mark = worker.statements_.fresh_id();
  server.steps.since = nullptr;
  // In a failed transaction nothing is reset; but what is still to be answered may end it. In a batch ours is skipped with it.
  const bool surely_fails = server.talk.transaction() == TxStatus::failed && of_query_ && server.talk.owed_count() == 1;
  if (due_.behind.empty() || surely_fails) return true;
  // DISCARD ALL is done at once. What follows it may fail, and take back what stands beside it.
  const bool apart = due_.discards && !of_query_;
  std::vector<Order> orders;
  if (apart) orders.push_back({"BEGIN", {}});
  for (const auto& [name, value] : due_.behind) orders.push_back(setting(name, value));
  if (apart) orders.push_back({"COMMIT", {}});
  if (!say(worker, client, run, orders)) return false;
  if (!of_query_) return true;
  if (!worker.say(client, run, short_message_bytes, [](Buffer& out) { compose::sync(out); })) return false;
  server.talk.on_request('S', For::pooler);
  return true;
}

bool Restorer::say(Worker& worker, ClientSession& client, Run& run, std::span<const Order> orders) {
  Buffer words;
  std::string tags;
  for (const Order& order : orders) {
    compose::close(words, 'S', restorer);
    compose::parse(words, restorer, order.sql);
    const std::vector<std::optional<std::string_view>> bound(order.bound.begin(), order.bound.end());
    compose::bind(words, restorer, restorer, bound);
    compose::execute(words, restorer);
    compose::close(words, 'P', restorer);
    tags += "CPBEC";
  }
  compose::close(words, 'S', restorer);
  tags += 'C';
  if (!worker.say(client, run, words.size(), [&](Buffer& out) { append(out, words); })) return false;
  for (const char tag : tags) client.server->talk.on_request(tag, For::pooler);
  return true;
}

// Before a Query in a batch of its own, which the client's failures do not take back.
bool Restorer::say_ahead(Worker& worker, ClientSession& client, const Piece& piece, Run& run, std::string_view sql) {
  const bool apart = piece.tag == 'Q' && !client.server->talk.batch_open();
  const Order order{std::string(sql), {}};
  if (!say(worker, client, run, {&order, 1})) return false;
  if (!apart) return true;
  if (!worker.say(client, run, short_message_bytes, [](Buffer& out) { compose::sync(out); })) return false;
  client.server->talk.on_request('S', For::pooler);
  return true;
}

bool Restorer::is_ours(ServerConnection& server, Bytes command) {
  Restores* restores = server.restores.get();
  if (!restores || restores->next_set >= restores->sets.size() || server.swallowing) return false;
  const auto view = read_command_complete(command);
  return view && view->tag == "SET" && restores->sets[restores->next_set++];
}

bool Restorer::holds_back(const Worker& worker, const ServerConnection& server, std::string_view parameter) {
  if (!server.restores || !server.restores->under_way || !server.client || !server.client->startup) return false;
  const std::string name = policy::lower_case(parameter);
  const policy::SessionSettings& startup = *server.client->startup;
  return worker.shared_.tracked.place_of(name) != policy::TrackedParameters::none &&
         std::any_of(startup.begin(), startup.end(), [&](const auto& entry) { return entry.first == name; });
}

void Restorer::on_ready(Worker& worker, ServerConnection& server, Run& to_client) {
  Restores& restores = *server.restores;
  if (!server.talk.pooler_is_answered()) restores.edits.clear(), restores.sets.clear();
  if (!restores.under_way || server.talk.owed_count() != 1) return;
  restores.under_way = false;
  ClientSession* client = server.client;
  if (!client || !client->startup) return;
  const policy::TrackedParameters& tracked = worker.shared_.tracked;
  Buffer news;
  for (const auto& [name, startup] : *client->startup) {
    const std::size_t place = tracked.place_of(name);
    const auto* is = policy::value_at(server.facts.parameters, place);
    const auto* was = policy::value_at(client->parameters, place);
    if (!is || !*is || (was && *was == *is)) continue;
    compose::parameter_status(news, tracked.name(place), **is);
    client->parameters = policy::with_value(client->parameters, place, **is, tracked.size());
  }
  if (news.empty()) return;
  worker.flush_to_client(server, to_client);
  worker.tell(*client, news);
}

bool Restorer::is_lost(const ServerConnection& server) {
  return server.restores && server.restores->under_way && !server.restores->refused && server.client;
}

}  // namespace pgweir
