// One connection to PostgreSQL. Owned by its worker's slab, used on its thread; may be handed to another worker.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "protocol/conversation.h"
#include "protocol/framer.h"
#include "proxy/observe/digests.h"
#include "proxy/policy/close_reason.h"
#include "proxy/policy/parameters.h"
#include "proxy/policy/prepared/assumptions.h"
#include "proxy/policy/prepared/sql_in_flight.h"
#include "proxy/policy/prepared/sql_texts.h"
#include "proxy/policy/session_settings.h"
#include "proxy/policy/statement_clock.h"
#include "proxy/pool/pool.h"
#include "proxy/session/outbox.h"
#include "proxy/session/ports.h"
#include "proxy/session/restore.h"
#include "proxy/session/session_touch.h"

namespace pgweir {

class ServerLogin;
struct ServerSecret;
struct ClientSession;
struct PoolDesk;
struct AuthLookup;
struct RefusedStatements;

// What the pooler itself has asked the server to do.
enum class ServerJob : std::uint8_t {
  none,
  setup,           // the client's settings, before its first request
  reset,           // server_reset_query
  check,           // server_check_query
  connect_query,   // connect_query of the database
  lookup,          // auth_query
  look,            // what its client has done to the session
  clean,           // DISCARD ALL, after a client that has left something behind
  hidden_code,     // which code changes sessions that no statement names: hidden_code.h
  audit,           // what its session has while nobody holds it: audit.h
  give_channels,   // LISTEN, to what its client listens to elsewhere
  move_channels,   // UNLISTEN *, when another connection listens for its client
};

// The rows of its answer are kept.
constexpr bool is_question(ServerJob job) { return job == ServerJob::look || job == ServerJob::audit || job == ServerJob::hidden_code; }

// How far the encryption of a connection to a server has come.
enum class ServerTls : std::uint8_t {
  plain,           // no TLS, or not yet asked for
  asked,           // the SSLRequest is out
  handshake,
  on,
};

// What survives a hand-over to another worker.
struct ServerFacts {
  std::uint64_t id = 0;                        // one counter with the clients
  std::uint32_t backend_pid = 0;
  std::string cancel_key;                      // 4 to 256 bytes
  policy::SharedParameters parameters;         // as the server reported them last
  policy::SharedSettings settings;             // what is set beyond them
  ServerAddress address;                       // where it is connected to
  TimePoint opened_at{};
  Duration lifetime{};
  bool close_needed = false;
  ServerTls tls = ServerTls::plain;
  std::vector<policy::ForeignStatement> statements;   // only while it is handed over
  std::uint64_t config_generation = 0;         // of the pool's connect settings when it was opened
};

struct ServerConnection {
  ServerConnection();
  ~ServerConnection();

  Token token;
  ServerFacts facts;
  PoolDesk* desk = nullptr;
  PooledServer pooled;                         // its place in the pool; its state is the connection's phase
  std::unique_ptr<Stream> stream;              // null while connecting
  Framer framer{Direction::from_server};
  std::unique_ptr<ServerLogin> login;          // until it is logged in
  Conversation talk;
  policy::StatementClock clock;
  bool timed = false;                          // the clock is told of requests
  std::unique_ptr<policy::SqlTexts> sql_texts; // of PREPAREs, where nobody follows the names; null: there were none
  policy::ServerStatements statements;
  policy::Assumptions assumptions;
  std::string names_in_flight;                 // what the client calls the statements of requests under way
  policy::SqlInFlight sql;                     // PREPARE, EXECUTE and DEALLOCATE under way
  std::unique_ptr<Restores> restores;          // null: its client has reset nothing that it said at its startup
  Buffer batch;                                // the client's latest, while it may be repeated
  bool may_repeat = false;                     // nothing of its answer has reached the client
  bool repeating = false;                      // up to the next ReadyForQuery nothing is forwarded
  bool touching = false;                       // a request under way may prepare or deallocate in SQL
  policy::PlanningSteps steps;                 // what its client's transaction has set that changes planning
  std::unique_ptr<SessionTouch> touch;         // null: its client has done nothing to its session
  std::uint64_t sequences_of = 0;              // the client whose numbers its session remembers; 0: who knows
  bool sequences_fresh = false;                // ... and which it was given in its latest transaction
  std::unique_ptr<RefusedStatements> refused;  // session_state=refuse: what it is to refuse for us; null: nothing
  Buffer told;                                 // of a question, the rows
  std::uint64_t made_when_asked = 0;           // hidden_code_made of its pool
  Outbox outbox;
  ClientSession* client = nullptr;             // who holds it
  CloseReason close_reason = CloseReason::none;
  ServerJob job = ServerJob::none;
  bool dedicated = false;                      // never in the pool: for one client that replicates, `owner`, or ...
  bool listens = false;                        // ... for all that LISTEN, see channels.h
  Token owner;
  bool other_tls_tried = false;                // sslmode allow or prefer: this is the second way
  std::size_t host_index = 0;                  // of a host list: which one it is tried on
  std::size_t hosts_tried = 0;                 // and how many of them have failed
  AuthLookup* lookup = nullptr;                // job == lookup
  bool job_failed = false;
  std::string job_error;                       // the server's message, for the log and the client
  bool swallowing = false;                     // the message under way is not forwarded
  bool said_fatal = false;                     // it has announced its end
  bool reading_paused = false;
  bool request_cut = false;                    // a message has gone out to it in part only
  bool checked = false;                        // server_check_query has just succeeded
  std::uint64_t leases = 0;                    // how many clients it has served
  std::uint64_t audited_leases = 0;            // ... when it was audited last
  TimePoint audited_at{};
  unsigned cancels = 0;                        // cancel requests for it that are on their way
  TimePoint request_at{};                      // its last request
  TimePoint paused_at{};                       // reading_paused since
  DigestTable::Ref last_digest;                // of the statement that was over last, since it got its client

  ServerState state() const { return pooled.state; }
};

}  // namespace pgweir
