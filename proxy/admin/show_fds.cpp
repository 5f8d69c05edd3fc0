// SHOW FDS: the sockets by their number in the process. PgBouncer's online restart reads it; ours has a protocol of its own
// (TAKEOVER), so that no secret stands here and no descriptor comes with it.
#include <array>

#include "proxy/admin/shows.h"

namespace pgweir {
namespace {

using namespace compose::oid;

constexpr std::uint32_t bytea = 17;
constexpr std::array<compose::Column, 15> columns = {{{"fd", int4},
                                                      {"task"},
                                                      {"user"},
                                                      {"database"},
                                                      {"addr"},
                                                      {"port", int4},
                                                      {"cancel", int8},
                                                      {"link", int4},
                                                      {"client_encoding"},
                                                      {"std_strings"},
                                                      {"datestyle"},
                                                      {"timezone"},
                                                      {"password"},
                                                      {"scram_client_key", bytea},
                                                      {"scram_server_key", bytea}}};

Cell text_or_null(const std::string& text) { return text.empty() ? Cell() : Cell(text); }

std::vector<Row> rows(const ShowContext& context) {
  std::map<const void*, int> numbers;
  for (const WorkerFacts& worker : context.workers)
    for (const SocketFacts& s : worker.sockets) numbers[s.self] = s.fd;
  std::vector<Row> found;
  for (const WorkerFacts& worker : context.workers) {
    for (const SocketFacts& s : worker.sockets) {
      if (s.fd < 0) continue;
      const auto link = numbers.find(s.link);
      const bool unix_socket = s.remote.family == Endpoint::Family::unix_socket;
      found.push_back({number(s.fd), s.is_server ? "server" : "client", s.user, s.database,
                       unix_socket ? Cell("unix") : Cell(s.remote.address), number(s.remote.port), Cell(),
                       number(link == numbers.end() ? 0 : link->second), text_or_null(s.client_encoding),
                       text_or_null(s.std_strings), text_or_null(s.datestyle), text_or_null(s.timezone), Cell(), Cell(), Cell()});
    }
  }
  return found;
}

}  // namespace

constinit const Show show_fds{"fds", Wants::sockets, columns, rows};

}  // namespace pgweir
