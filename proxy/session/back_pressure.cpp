// Who is read when: nothing is taken from a side that cannot be passed on.
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

// What a waiting client may send before it is not read any more.
constexpr std::size_t held_bytes_max = 64 * 1024;

}  // namespace

// --- back-pressure
//
//   client socket --> [held, while it waits] --> server's outbox --> server socket
//   client socket <-- client's outbox                             <-- server socket
//
// A side is read only while the outbox it fills is empty. Without a server the client's own outbox counts, for our
// answers go there.

void Worker::update_reading(ClientSession& client) {
  if (!client.stream) return;
  bool pause = (client.held && client.held->size() > held_bytes_max) || (suspended() && !client.console);
  if (client.server) pause |= !client.server->outbox.empty();
  else pause |= !client.outbox.empty();
  if (pause == client.reading_paused) return;
  client.reading_paused = pause;
  if (pause) client.stream->pause_reading();
  else client.stream->resume_reading();
}

void Worker::update_reading(ServerConnection& server) {
  if (!server.stream) return;
  const bool pause = suspended() || (server.client && !server.client->outbox.empty());
  if (pause == server.reading_paused) return;
  server.reading_paused = pause;
  if (pause) server.paused_at = loop_.now();
  else server.clock.on_blocked(loop_.now() - server.paused_at);
  if (pause) server.stream->pause_reading();
  else server.stream->resume_reading();
}

// --- our own words

void Worker::tell(ClientSession& client, Bytes bytes) {
  if (!client.stream || client.phase == ClientPhase::leaving) return;
  const auto result = client.outbox.send(*client.stream, bytes);
  if (result == Outbox::Result::failed) gone_clients_.push_back(client.token);
  else if (result == Outbox::Result::waiting) update_reading(client);
}

}  // namespace pgweir
