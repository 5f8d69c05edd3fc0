#include "proxy/session/drain.h"

#include <algorithm>

#include "protocol/compose.h"
#include "proxy/session/client_login.h"
#include "proxy/session/worker.h"

namespace pgweir {

void Drain::begin(Worker& worker, Duration limit) {
  if (on()) return;
  deadline_ = worker.now() + limit;
  worker.clients().for_each([&](ClientSession& client) {
    const bool logging_in = client.phase < ClientPhase::idle;
    if (logging_in) worker.end_client(client, CloseReason::pooler_shutting_down);
  });
  on_tick(worker);
}

void Drain::begin_giving(Worker& worker, TakeoverPort& port, Duration limit) {
  port_ = &port;
  deadline_ = limit > Duration{} ? worker.now() + limit : TimePoint::max();
  on_tick(worker);
}

void Drain::on_turn_end(Worker& worker) {
  // Closing one may free a server for another, who is told later.
  const std::vector<Token> ready = std::exchange(ready_, {});
  for (const Token token : ready) {
    ClientSession* client = worker.find_client(token);
    if (client && between_transactions(*client)) dismiss(worker, *client);
  }
  std::erase_if(told_, [&](Token token) {
    ClientSession* client = worker.find_client(token);
    if (client && !client->outbox.empty()) return false;
    if (client) worker.end_client(*client, CloseReason::drained);
    return true;
  });
}

// A client that reads slowly has its message as well, behind its last answer.
void Drain::dismiss(Worker& worker, ClientSession& client) {
  if (port_) {
    if (Takeover::may_give(client)) Takeover::give(worker, client, *port_);
    return;
  }
  const CloseReasonInfo& row = info(CloseReason::draining);
  Buffer message;
  compose::error_response(message, "FATAL", row.sqlstate, row.text);
  worker.tell(client, message);
  told_.push_back(client.token);
}

void Drain::on_tick(Worker& worker) {
  if (worker.now() >= deadline_) return close_all(worker);
  worker.clients().for_each([&](ClientSession& client) {
    if (between_transactions(client)) dismiss(worker, client);
  });
  if (port_) Takeover::give_spare_servers(worker, *port_);
}

// Nothing of its last request is still on its way, and nothing of a next one has come.
bool Drain::between_transactions(const ClientSession& client) {
  if (client.held || !client.outbox.empty() || client.skip_to_sync || client.skip_message) return false;
  if (!client.framer.between_messages()) return false;
  if (client.phase == ClientPhase::idle) return true;
  if (client.phase != ClientPhase::leasing) return false;
  const ServerConnection& server = *client.server;
  return server.job == ServerJob::none && server.talk.at_rest() && server.talk.transaction() == TxStatus::idle &&
         server.outbox.empty() && !server.request_cut && server.framer.between_messages();
}

void Drain::close_all(Worker& worker) {
  std::size_t left = 0;
  worker.clients().for_each([&](ClientSession& client) {
    if (client.phase == ClientPhase::console || client.phase == ClientPhase::leaving) return;
    ++left;
    worker.end_client(client, CloseReason::draining);
  });
  worker.servers().for_each([&](ServerConnection& server) { worker.end_server(server, CloseReason::shutdown); });
  if (left > 0) log::line(log::Level::warning, "shutdown_drain_timeout: closed {} clients that were not done", left);
}

}  // namespace pgweir
