// One client: who it is, what it waits for, which server it holds. Owned by its worker's slab, used on its thread.
#pragma once

#include <memory>
#include <string>

#include "config/effective.h"
#include "protocol/framer.h"
#include "proxy/observe/isolation.h"
#include "proxy/observe/isolation_log.h"
#include "proxy/observe/waits.h"
#include "proxy/policy/close_reason.h"
#include "proxy/policy/parameters.h"
#include "proxy/policy/prepared/client_statements.h"
#include "proxy/policy/session_settings.h"
#include "proxy/pool/pool.h"
#include "proxy/session/channels.h"
#include "proxy/session/outbox.h"
#include "proxy/session/ports.h"
#include "proxy/session/replication.h"

namespace pgweir {

class ClientLogin;
struct ServerConnection;
struct PoolDesk;
struct AuthLookup;

enum class ClientPhase : std::uint8_t {
  starting,     // no StartupMessage yet
  proving,      // authentication in progress
  looking_up,   // auth_query is asked about its user; its bytes are held
  welcoming,    // proven; waits for the first server of a cold pool to learn its parameters
  idle,         // logged in, holds no server, owes us nothing
  queued,       // asked for a server; its bytes are held
  preparing,    // holds a server that is being given the client's settings; its bytes are held
  leasing,      // holds a server
  console,      // talks to the admin console
  canceling,    // brought a CancelRequest; kept until that has been delivered
  leaving,      // the reason is recorded; buried at the end of this turn
};

// What a database and a user mean to the clients that came as both. Owned by the worker, never freed; its contents
// change with a reload.
struct Route {
  std::string database;
  std::string user;              // the login user
  PoolDesk* desk = nullptr;      // null for the console
  ClientLimits limits;
  static constexpr std::uint32_t no_origin = ~0u;
  std::uint32_t digest_origin = no_origin;   // in the worker's table of digests
};

// State that the console keeps for its clients.
struct ConsoleState {
  bool admin = false;
  bool own_uid = false;          // came over the unix socket as the process's own user
  std::uint64_t waiting_for = 0; // number of the command it waits for (PAUSE, WAIT_CLOSE), 0 = none
};

// Where a client's statements are counted when applications count; asked for anew when its parameters are others.
struct DigestPlace {
  policy::SharedParameters of;
  std::uint32_t origin = Route::no_origin;
};

struct ClientSession {
  ClientSession();
  ~ClientSession();

  Token token;
  ClientPhase phase = ClientPhase::starting;
  CloseReason close_reason = CloseReason::none;
  bool counted_database = false, counted_user = false;   // in the ledger
  bool reading_paused = false;
  bool skip_to_sync = false;     // an error of ours: everything up to the next Sync is ignored
  bool skip_message = false;     // the next message has been answered already
  bool swallow_rest = false;     // the message under way is not forwarded
  bool unix_socket = false;
  bool tls = false;              // TLS has begun; bytes that arrive came through it
  bool repeated = false;         // its held bytes are a batch that a server has refused once
  bool stalled = false;          // its bytes are held until its server has answered what it was sent
  bool settled = false;          // it is on the worker where its pool is
  bool in_query = false;         // query_since is running
  WaitReason wait_reason = WaitReason::pool_size;   // while it is queued
  bool in_transaction = false;   // xact_since is running
  PinReason pin = PinReason::none;   // why its server stays with it outside of transactions
  IsolationLog::Ref set_by = 0;      // the class of statement that has changed its settings last
  bool long_key = false;         // it speaks protocol 3.2, so that its cancel key may be a long one
  std::uint64_t secret = 0;      // what its cancel key is made of
  std::uint64_t id = 0;          // one counter with the servers, in order of arrival

  std::unique_ptr<Stream> stream;
  std::string place;                           // `1.2.3.4:5678`, also when the socket does not know any more
  Framer framer{Direction::from_client};
  std::unique_ptr<ClientLogin> login;          // until it is logged in
  std::unique_ptr<ConsoleState> console;
  std::unique_ptr<Replication> replication;    // null: an ordinary client
  Route* route = nullptr;                      // set when the StartupMessage has been understood
  ServerConnection* server = nullptr;          // the lease
  AuthLookup* lookup = nullptr;                // while looking_up
  Waiter waiter;
  ListHook<ClientSession> by_age;              // in the worker's list of logins or of idle clients
  std::unique_ptr<Buffer> held;                // while it may not proceed
  Outbox outbox;
  policy::SharedParameters parameters;         // what the client believes
  policy::ClientStatements statements;
  DigestPlace digest_place;
  policy::SharedSettings settings;             // what it has set for its session beyond the parameters
  policy::SharedSettings startup;              // what it said as it connected, of both kinds: what RESET goes back to
  std::unique_ptr<ClientChannels> channels;    // null: nothing listens for it but its own server

  TimePoint connected_at{};
  TimePoint request_at{};        // the last request began
  TimePoint query_since{}, xact_since{};
  TimePoint idle_since{};        // no lease since; idle in transaction since
  TimePoint held_since{};
  Duration last_wait{};          // the latest wait for a server
  Duration last_state{};         // ... and for its settings to be on it; both until its statement is over

  PoolDesk* desk() const { return route ? route->desk : nullptr; }
  bool logged_in() const { return phase >= ClientPhase::idle && phase <= ClientPhase::console; }
};

}  // namespace pgweir
