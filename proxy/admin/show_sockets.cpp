// SHOW CLIENTS, SERVERS, SOCKETS, ACTIVE_SOCKETS.
#include <algorithm>
#include <array>
#include <tuple>

#include "proxy/admin/shows.h"

namespace pgweir {
namespace {

using namespace compose::oid;

// The first 21 are those of SHOW CLIENTS and SERVERS, the rest is about the socket's buffers.
constexpr std::size_t common_columns = 21;
constexpr std::array<compose::Column, 28> columns = {{
    {"type"},
    {"user"},
    {"database"},
    {"replication"},
    {"state"},
    {"addr"},
    {"port", int4},
    {"local_addr"},
    {"local_port", int4},
    {"connect_time"},
    {"request_time"},
    {"wait", int4},
    {"wait_us", int4},
    {"close_needed", int4},
    {"ptr"},
    {"link"},
    {"remote_pid", int4},
    {"tls"},
    {"application_name"},
    {"prepared_statements", int4},
    {"id", int4},
    {"recv_pos", int4},
    {"pkt_pos", int4},
    {"pkt_remain", int4},
    {"send_pos", int4},
    {"send_remain", int4},
    {"pkt_avail", int4},
    {"send_avail", int4},
}};

std::string print_address(const Endpoint& end) {
  return end.family == Endpoint::Family::unix_socket ? "unix" : end.address;
}

std::string print_pointer(const void* pointer) {
  return pointer ? fmt::format("{}", pointer) : std::string();
}

Row common_row(const SocketFacts& s, std::string_view state) {
  return {s.is_server ? "S" : "C",
          s.user,
          s.database,
          std::string(s.replication),
          std::string(state),
          print_address(s.remote),
          number(s.remote.port),
          print_address(s.local),
          number(s.local.port),
          print_time(s.connected_at),
          print_time(s.requested_at),
          number(count_s(s.waiting)),
          number(count_us(s.waiting) % 1'000'000),
          number(static_cast<int>(s.close_needed)),
          print_pointer(s.self),
          print_pointer(s.link),
          number(s.remote_pid),
          s.tls,
          s.application_name,
          number(static_cast<std::int64_t>(s.prepared_statements)),
          number(s.id)};
}

// A plain buffer is either waiting to be sent or not there: positions in it are always 0.
Row socket_row(const SocketFacts& s) {
  Row row = common_row(s, s.socket_state);
  for (int position = 0; position < 4; ++position) row.push_back(number(0));
  row.push_back(number(s.unsent_bytes));
  row.push_back(number(s.received_bytes));
  row.push_back(number(s.unsent_bytes));
  return row;
}

// In the order of databases and users; sockets of one pool as they came.
template <typename Wanted>
std::vector<const SocketFacts*> in_order(const ShowContext& context, Wanted&& wanted) {
  std::vector<const SocketFacts*> sockets;
  for (const WorkerFacts& worker : context.workers) {
    for (const SocketFacts& s : worker.sockets) {
      if (wanted(s)) sockets.push_back(&s);
    }
  }
  std::sort(sockets.begin(), sockets.end(), [](const SocketFacts* a, const SocketFacts* b) {
    return std::tie(a->database, a->user, a->id) < std::tie(b->database, b->user, b->id);
  });
  return sockets;
}

template <bool servers>
std::vector<Row> rows_of_side(const ShowContext& context) {
  std::vector<Row> rows;
  const auto wanted = [](const SocketFacts& s) { return s.is_server == servers && !s.in_login; };
  for (const SocketFacts* s : in_order(context, wanted)) rows.push_back(common_row(*s, s->state));
  return rows;
}

template <bool all>
std::vector<Row> rows_of_sockets(const ShowContext& context) {
  std::vector<Row> rows;
  const auto wanted = [](const SocketFacts& s) {
    return all || s.received_bytes > 0 || s.unsent_bytes > 0;
  };
  for (const SocketFacts* s : in_order(context, wanted)) rows.push_back(socket_row(*s));
  return rows;
}

constexpr Columns common{columns.data(), common_columns};

}  // namespace

constinit const Show show_clients{"clients", Wants::sockets, common, rows_of_side<false>};
constinit const Show show_servers{"servers", Wants::sockets, common, rows_of_side<true>};
constinit const Show show_sockets{"sockets", Wants::sockets, columns, rows_of_sockets<true>};
constinit const Show show_active_sockets{"active_sockets", Wants::sockets, columns,
                                         rows_of_sockets<false>};

}  // namespace pgweir
