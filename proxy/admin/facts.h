// What one worker has to say for the tables of SHOW, as plain values that may go to another thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/session/worker.h"

namespace pgweir {

// One pool's part on one worker.
struct PoolFacts {
  std::string database, user;
  DatabasePtr entry;
  PoolMode mode = PoolMode::session;
  std::uint64_t clients_active = 0;  // logged in and not waiting
  std::uint64_t clients_waiting = 0;
  CancelCounts cancels;
  std::uint64_t servers_active = 0, servers_idle = 0, servers_used = 0, servers_tested = 0,
                servers_login = 0;
  Duration oldest_wait{};
  std::uint64_t size = 0;            // pool_size; 0: unlimited
  PoolTimes times;
  PoolStats stats;
  PoolStats last_period;
  WaitCounts waits{};
  SessionState session_state{};
  std::uint64_t pinned = 0;          // clients who keep their server now
  std::uint64_t listening = 0;       // clients with channels on the shared listener now
  IsolationCounts isolation{};
  WaitReason wait_reason = WaitReason::pool_size;   // of those who wait now
};

// One socket, client's or server's.
struct SocketFacts {
  bool is_server = false;
  std::string database, user;
  std::string_view replication = "none";   // physical, logical
  std::string_view state;         // as SHOW CLIENTS and SHOW SERVERS name it
  std::string_view socket_state;  // as SHOW SOCKETS does
  bool in_login = false;          // not yet in any pool: SHOW SOCKETS alone lists it
  Endpoint remote, local;
  WallTime connected_at{}, requested_at{};
  Duration waiting{};  // since its query began
  bool close_needed = false;
  const void* self = nullptr;  // shown, never followed
  const void* link = nullptr;
  std::uint32_t remote_pid = 0;
  std::string tls;                // what TLS speaks; empty: plain
  std::string application_name;
  int fd = -1;
  std::string client_encoding, std_strings, datestyle, timezone;
  std::uint64_t id = 0;
  std::size_t received_bytes = 0;  // held until a server is there
  std::size_t prepared_statements = 0;
  std::size_t unsent_bytes = 0;
};

// Numbers of objects, for LISTS and MEM.
struct ObjectCounts {
  std::size_t clients = 0, clients_in_login = 0, console_clients = 0, servers = 0, pools = 0;
};

// What the process knows of names, as SHOW DNS_HOSTS, DNS_ZONES and LISTS tell it.
struct DnsFacts {
  struct Host { std::string name; std::int64_t ttl_s = 0; std::string addresses; };   // comma list
  struct Zone { std::string name; std::uint32_t serial = 0; int names = 0; };
  std::vector<Host> hosts;
  std::vector<Zone> zones;
  int lookups = 0;                 // questions without an answer yet
  int waiting = 0;                 // names somebody waits for
};

// What a table wants to be collected.
enum class Wants : std::uint8_t { nothing, pools, sockets, queries, slow_queries, activity, pools_and_activity, isolation };

// What a server does for its client, or a client that waits for one.
struct ActivityFacts {
  std::string database, user, who, application_name;
  std::string pool_user;           // as whom its servers log in
  std::uint32_t server_pid = 0;    // 0: it has none
  std::string server;              // `address:port`
  std::string_view state;          // active, idle in transaction, waiting
  std::string_view wait_reason;    // of those who wait
  Duration lasts{};                // in this state
  std::string query;               // normalized, readable: what runs, or ran last; not of those who wait
  std::uint64_t query_id = 0;
};

// What a worker knows of prepared statements in the shared modes.
struct StatementFacts {
  std::size_t texts = 0, text_bytes = 0, unused_bytes = 0;
  std::uint64_t texts_dropped = 0;
  std::size_t client_names = 0, on_servers = 0;
  policy::StatementCounters counters;
};

struct WorkerFacts {
  std::vector<PoolFacts> pools;      // Wants::pools; without those whose database is gone
  std::vector<SocketFacts> sockets;  // Wants::sockets
  std::vector<DigestRow> queries;               // Wants::queries; filled by collect_queries()
  DigestCounters query_counters;                // in any case
  std::vector<SlowStatement> slow;              // Wants::slow_queries
  std::vector<ActivityFacts> activity;          // Wants::activity
  std::vector<IsolationRow> isolation;          // Wants::isolation, which has pools too
  ObjectCounts counts;               // in any case
  StatementFacts statements;         // in any case
  std::map<int, PeerCounts> peers;   // in any case
};

// On the worker's thread. `limit`: so many of Wants::activity, those that last longest.
WorkerFacts collect_facts(Worker& worker, Wants wants, std::size_t limit = ~std::size_t{0});

}  // namespace pgweir
