// SUSPEND: nobody is read, what has been read goes out. RESUME goes on where things stood.
#include "proxy/session/worker.h"

namespace pgweir {

void Worker::suspend(bool on) {
  suspended_since_ = on ? loop_.now() : TimePoint{};
  clients_.for_each([&](ClientSession& client) { update_reading(client); });
  servers_.for_each([&](ServerConnection& server) { update_reading(server); });
}

bool Worker::flushed() const {
  bool all = true;
  clients_.for_each([&](const ClientSession& client) { all &= client.console || !client.stream || client.outbox.empty(); });
  servers_.for_each([&](const ServerConnection& server) { all &= !server.stream || server.outbox.empty(); });
  return all;
}

// Whoever does not take what it is owed for so long is closed.
void Worker::sweep_suspended(TimePoint now) {
  const Duration limit = config_->globals.suspend_timeout;
  if (!suspended() || limit <= Duration{} || now - suspended_since_ < limit) return;
  servers_.for_each([&](ServerConnection& server) {
    if (!server.stream || server.outbox.empty() || server.state() == ServerState::leaving) return;
    if (server.client) end_client(*server.client, CloseReason::suspend_timeout);
    end_server(server, CloseReason::suspend_timeout);
  });
  clients_.for_each([&](ClientSession& client) {
    if (!client.console && client.stream && !client.outbox.empty()) end_client(client, CloseReason::suspend_timeout);
  });
}

}  // namespace pgweir
