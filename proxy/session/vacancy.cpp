#include "proxy/session/vacancy.h"

#include "protocol/sql/database_commands.h"
#include "proxy/session/worker.h"

namespace pgweir {

void Vacancy::make(Worker& worker, std::string_view sql) {
  const auto database = sql::database_to_be_vacant(sql);
  if (!database) return;
  empty(worker, *database);
  for (unsigned other = 0; other < worker.shared_.fleet.size(); ++other) {
    if (other == worker.number_) continue;
    worker.shared_.fleet.post(other, [name = *database](Worker& theirs) { empty(theirs, name); });
  }
}

// Wherever it is: whoever is connected to another one of that name loses a connection that nobody uses.
void Vacancy::empty(Worker& worker, const std::string& database) {
  worker.servers_.for_each([&](ServerConnection& server) {
    if (server.state() == ServerState::leaving || server.dedicated || server.desk->database->server_database() != database) return;
    switch (server.state()) {
      case ServerState::idle: case ServerState::used: case ServerState::login:
        return worker.end_server(server, CloseReason::close_needed);
      default:
        server.pooled.close_needed = true;
    }
  });
}

}  // namespace pgweir
