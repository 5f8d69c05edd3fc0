// The channels of clients: to and from the listener they share, and what they are told.
#include "proxy/session/channels.h"

#include <algorithm>

#include "protocol/compose.h"
#include "protocol/frontend.h"
#include "protocol/sql/session_effects.h"
#include "protocol/wire.h"
#include "proxy/policy/session_report.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

using Channel = ClientChannels::Channel;

auto find_channel(ClientChannels& channels, std::string_view name) {
  return std::find_if(channels.list.begin(), channels.list.end(), [&](const Channel& channel) { return channel.name == name; });
}

bool any_on_server(const ClientChannels& channels) {
  return std::any_of(channels.list.begin(), channels.list.end(), [](const Channel& channel) { return channel.on_server; });
}

struct Told {
  std::vector<std::string> channels;
  std::string canary;
};

Told read_told(Bytes rows) {
  Told told;
  policy::for_each_fact(rows, [&](const policy::SessionFact& fact) {
    if (fact.kind == "channel") told.channels.emplace_back(fact.name);
    else if (fact.kind == "custom" && fact.name == Listeners::canary) told.canary = fact.value.value_or("");
  });
  return told;
}

std::string_view channel_of(Bytes notification) {
  WireReader reader(notification);
  (void)reader.u32();                                  // whose it is
  return reader.cstring();
}

// The messages of a backlog that are not about that channel.
void purge(Buffer& waiting, std::string_view name) {
  Buffer left;
  Framer framer(Direction::from_server);
  Bytes rest = waiting;
  while (auto piece = framer.next(rest)) {
    if (piece->tag != 'A' || channel_of(piece->body()) != name) append(left, piece->bytes);
  }
  waiting = std::move(left);
}

}  // namespace

std::string quote_channel(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

// --- giving them to the server that the client has got

bool Listeners::asks_for_channels(Worker& worker, const ClientSession& client, const Piece& piece) {
  const Said& said = worker.said(client, piece);
  if (!said.facts.affects_session) return false;
  if (said.bound != Said::Bound::known) return sql::session_effects(said.sql).needs_channels;
  const auto& effects = Worker::bound_by(client, *said.bind)->text->effects;
  return effects && effects->needs_channels;
}

bool Listeners::must_give(Worker& worker, ClientSession& client, const Piece& piece) {
  ServerConnection& server = *client.server;
  if (server.touch && std::exchange(server.touch->just_given, false)) return false;
  if (!asks_for_channels(worker, client, piece)) return false;
  // In the middle of a batch there is no room for a question of ours; after an error the statement fails as well.
  const Conversation& talk = server.talk;
  if (talk.batch_open() || talk.skipping() || talk.in_copy() || talk.transaction() == TxStatus::failed) return false;
  SessionTouch& touched = Worker::touch(server);
  touched.everything = true;
  if (touched.given == SessionTouch::Given::surely) return false;
  const std::vector<Channel>& list = client.channels->list;
  const bool all_there = std::all_of(list.begin(), list.end(), [](const Channel& channel) { return channel.on_server; });
  if (all_there) touched.given = SessionTouch::Given::surely;
  return !all_there;
}

bool Listeners::give(Worker& worker, ClientSession& client, Run& run) {
  ServerConnection& server = *client.server;
  worker.flush_to_server(client, run);
  if (client.phase == ClientPhase::leaving) return false;
  if (!server.talk.at_rest()) {
    client.stalled = true;             // until what it has sent before is answered
    return true;
  }
  SessionTouch& touched = Worker::touch(server);
  std::string sql;
  for (const Channel& channel : client.channels->list) sql += "LISTEN " + quote_channel(channel.name) + ";";
  touched.just_given = true;
  if (server.talk.transaction() == TxStatus::idle) {
    touched.given = SessionTouch::Given::surely;
  } else {
    touched.given = SessionTouch::Given::if_committed;
    // One for all of them: whichever part of the transaction is committed, what was given in it is there.
    if (touched.canary.empty()) touched.canary = std::to_string(worker.shared_.fleet.next_id());
    sql += fmt::format("SELECT pg_catalog.set_config('{}','{}',false)", canary, touched.canary);
  }
  client.phase = ClientPhase::preparing;
  worker.start_job(server, ServerJob::give_channels, sql);
  return client.phase != ClientPhase::leaving;
}

void Listeners::on_given(Worker& worker, ServerConnection& server) {
  ClientSession& client = *server.client;
  if (server.job_failed && server.touch) server.touch->given = SessionTouch::Given::no;
  client.phase = ClientPhase::leasing;
  if (client.held) client.last_state += worker.loop_.now() - client.held_since;
  if (server.said_fatal) return worker.end_client(client, CloseReason::server_said_fatal);
  worker.feed_held(client);
}

// --- the look has told

// The listener hears in one encoding, and so must those who share it.
bool Listeners::may_share(const Worker& worker, const ClientSession& client) {
  const PoolDesk& desk = *client.desk();
  if (!worker.isolates(desk) || desk.limits.session_state == SessionState::pin || client.replication) return false;
  if (!desk.listener) return true;
  const auto* encoding = policy::value_at(client.parameters, worker.shared_.tracked.place_of("client_encoding"));
  return encoding && *encoding && **encoding == desk.listener->encoding;
}

bool Listeners::settle(Worker& worker, ServerConnection& server, const SessionTouch& touched, Bytes rows, PinReason reason) {
  ClientSession& client = *server.client;
  const Told told = read_told(rows);
  const bool committed = touched.given == SessionTouch::Given::if_committed && told.canary == touched.canary;
  const bool all_told = touched.given == SessionTouch::Given::surely || committed;
  const auto is_told = [&](const std::string& name) {
    return std::find(told.channels.begin(), told.channels.end(), name) != told.channels.end();
  };
  if (client.channels) {
    const std::vector<Channel> known = client.channels->list;
    for (const Channel& channel : known)
      if ((all_told || channel.on_server) && !is_told(channel.name)) forget(client, channel.name);
  }
  const bool stays = reason != PinReason::none && reason != PinReason::channel;
  for (const std::string& name : told.channels) {
    if (stays || (client.channels && find_channel(*client.channels, name) != client.channels->list.end())) continue;
    if (!may_share(worker, client)) return false;
    want(worker, client, name);
  }
  if (client.desk()->listener) pump(worker, *client.desk());
  if (client.channels && client.channels->list.empty()) client.channels.reset();
  if (stays || (told.channels.empty() && !committed)) return false;
  const bool moves = client.channels && any_on_server(*client.channels);
  if (moves && !all_confirmed(client)) return false;
  begin_move(worker, server, moves, committed);
  return true;
}

bool Listeners::all_confirmed(const ClientSession& client) {
  const SharedListener* listener = client.desk()->listener.get();
  if (!listener || !listener->ready) return false;
  const std::vector<Channel>& list = client.channels->list;
  return std::all_of(list.begin(), list.end(), [&](const Channel& channel) {
    const auto found = listener->channels.find(channel.name);
    return !channel.on_server || (found != listener->channels.end() && found->second.confirmed);
  });
}

// --- moving

bool Listeners::try_move(Worker& worker, ServerConnection& server) {
  const ClientSession& client = *server.client;
  if (!client.channels || client.pin != PinReason::channel) return false;
  if (!any_on_server(*client.channels) || !all_confirmed(client)) return false;
  begin_move(worker, server, true, false);
  return true;
}

void Listeners::begin_move(Worker& worker, ServerConnection& server, bool with_marker, bool reset_canary) {
  ClientSession& client = *server.client;
  client.phase = ClientPhase::preparing;
  worker.begin_job(server, ServerJob::move_channels);
  Buffer words;
  const auto say = [&](const std::string& sql) {
    compose::query(words, sql);
    server.talk.on_request('Q', For::pooler);
  };
  if (with_marker) {
    SharedListener& listener = *client.desk()->listener;
    client.channels->move = worker.shared_.fleet.next_id();
    client.channels->incarnation = listener.incarnation;
    listener.moves.emplace(client.channels->move, client.token);
    for (Channel& channel : client.channels->list)
      if (channel.on_server) channel.move = client.channels->move;
    say(fmt::format("LISTEN {0};NOTIFY {0},'{1}'", quote_channel(listener.marker), client.channels->move));
  }
  // Two queries: the marker, and all before it, are told when the first is over.
  say(reset_canary ? "UNLISTEN *;RESET pgweir.channels" : "UNLISTEN *");
  worker.send_to_server(server, words);
}

void Listeners::on_moved(Worker& worker, ServerConnection& server) {
  ClientSession& client = *server.client;
  if (server.job_failed) {
    // Those that its server still tells of stay there, and so does the server.
    if (client.channels) {
      const std::vector<Channel> list = client.channels->list;
      for (const Channel& channel : list)
        if (channel.on_server) forget(client, channel.name);
      if (client.channels->list.empty()) client.channels.reset();
    }
    worker.pin(server, PinReason::channel);
    return go_on(worker, server);
  }
  if (client.channels && std::exchange(client.channels->move, 0) != 0) {
    ClientChannels& channels = *client.channels;
    const SharedListener& listener = *client.desk()->listener;
    const bool lost = channels.incarnation != listener.incarnation;     // meanwhile, and its marker with it
    for (Channel& channel : channels.list) {
      channel.on_listener |= lost;
      channel.on_server = false;
    }
    if (lost) {
      if (channels.lost_since == WallTime{}) channels.lost_since = listener.heard_wall;
      if (listener.ready) note_gap(worker, client);
    }
  }
  worker.pin(server, PinReason::none);
  go_on(worker, server);
}

void Listeners::go_on(Worker& worker, ServerConnection& server) {
  ClientSession& client = *server.client;
  client.phase = ClientPhase::leasing;
  if (client.held) client.last_state += worker.loop_.now() - client.held_since;
  if (server.said_fatal) return worker.end_client(client, CloseReason::server_said_fatal);
  if (client.pin == PinReason::none) worker.give_back(server);
  worker.feed_held(client);
}

bool Listeners::swallows(ServerConnection& server, Bytes body) {
  ClientSession* client = server.client;
  if (!client || !client->channels) return false;
  ClientChannels& channels = *client->channels;
  const std::string_view name = channel_of(body);
  const SharedListener* listener = client->desk()->listener.get();
  if (listener && name == listener->marker) {
    for (Channel& channel : channels.list) channel.on_server = false;
    return true;
  }
  const auto found = find_channel(channels, name);
  return found != channels.list.end() && !found->on_server;
}

// --- wanting and leaving

void Listeners::want(Worker& worker, ClientSession& client, const std::string& name) {
  PoolDesk& desk = *client.desk();
  if (!client.channels) client.channels = std::make_unique<ClientChannels>();
  if (!desk.listener) {
    desk.listener = std::make_unique<SharedListener>();
    Fleet& fleet = worker.shared_.fleet;
    desk.listener->marker = fmt::format("pgweir_{:x}_{:x}", fleet.random_secret(), fleet.random_secret());
    const auto* encoding = policy::value_at(client.parameters, worker.shared_.tracked.place_of("client_encoding"));
    if (encoding && *encoding) desk.listener->encoding = **encoding;
  }
  client.channels->list.push_back({.name = name});
  desk.listener->channels[name].clients.push_back(client.token);
}

void Listeners::forget(ClientSession& client, const std::string& name) {
  ClientChannels& channels = *client.channels;
  const auto here = find_channel(channels, name);
  if (here != channels.list.end()) channels.list.erase(here);
  purge(channels.waiting, name);
  SharedListener& listener = *client.desk()->listener;
  const auto found = listener.channels.find(name);
  if (found == listener.channels.end()) return;
  std::erase(found->second.clients, client.token);
  if (!found->second.clients.empty()) return;
  if (found->second.confirmed) listener.unwanted.push_back(name);
  listener.channels.erase(found);
}

void Listeners::leave(Worker& worker, ClientSession& client) {
  const std::vector<Channel> list = client.channels->list;
  client.channels->waiting.clear();
  for (const Channel& channel : list) forget(client, channel.name);
  client.channels.reset();
  PoolDesk& desk = *client.desk();
  std::erase_if(desk.listener->moves, [&](const auto& move) { return move.second == client.token; });
  pump(worker, desk);
}

// --- telling

// Between two transactions, and behind the last message.
bool Listeners::may_hear(const ClientSession& client) {
  if (!client.outbox.empty()) return false;
  if (client.phase == ClientPhase::idle) return true;
  if (client.phase != ClientPhase::leasing || client.stalled) return false;
  const ServerConnection& server = *client.server;
  return server.job == ServerJob::none && server.talk.at_rest() && server.talk.transaction() == TxStatus::idle &&
         server.framer.between_messages() && !server.request_cut;
}

void Listeners::deliver(Worker& worker, ClientSession& client) {
  ClientChannels& channels = *client.channels;
  if (channels.waiting.empty() || !may_hear(client)) return;
  const Buffer out = std::exchange(channels.waiting, {});
  client.desk()->stats.sent_bytes += out.size();
  worker.tell(client, out);
}

void Listeners::wake(Worker& worker, ClientSession& client) {
  if (client.channels->waiting.empty() || std::exchange(client.channels->due, true)) return;
  worker.to_notify_.push_back(client.token);
}

void Listeners::deliver_due(Worker& worker) {
  const std::vector<Token> due = std::exchange(worker.to_notify_, {});
  for (const Token token : due) {
    ClientSession* client = worker.clients_.find(token);
    if (!client || !client->channels) continue;
    client->channels->due = false;
    if (client->channels->waiting.size() > notifications_waiting_max && !may_hear(*client)) {
      worker.end_client(*client, CloseReason::notifications_unread);
    } else {
      deliver(worker, *client);
    }
  }
}

std::size_t Listeners::listening(const PoolDesk& desk) {
  if (!desk.listener) return 0;
  std::vector<std::uint32_t> places;
  for (const auto& [name, channel] : desk.listener->channels)
    for (const Token token : channel.clients) places.push_back(token.index);
  std::sort(places.begin(), places.end());
  return static_cast<std::size_t>(std::unique(places.begin(), places.end()) - places.begin());
}

}  // namespace pgweir
