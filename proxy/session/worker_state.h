// What a worker holds: its clients, its servers, its share of every pool, and its scratch.
#pragma once

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "proxy/observe/digests.h"
#include "proxy/observe/isolation_log.h"
#include "proxy/observe/tally.h"
#include "proxy/observe/waits.h"
#include "proxy/policy/prepared/sql_verb.h"
#include "proxy/pool/ledger.h"
#include "proxy/session/auth_lookup.h"
#include "proxy/session/cancel_job.h"
#include "proxy/session/cancel_keys.h"
#include "proxy/session/client_session.h"
#include "proxy/session/drain.h"
#include "proxy/session/fleet.h"
#include "proxy/session/pool_desk.h"
#include "proxy/session/said.h"
#include "proxy/session/sequences.h"
#include "proxy/session/server_connection.h"
#include "proxy/session/slab.h"
#include "proxy/session/spare_buffers.h"
#include "proxy/session/takeover.h"
#include "proxy/session/vacancy.h"

namespace pgweir {

// CancelRequests of one pool: those who asked, and the servers concerned.
struct CancelCounts { int waiting_clients = 0, active_clients = 0, servers = 0, being_canceled = 0; };
// CancelRequests for one peer.
struct PeerCounts { int waiting = 0, active = 0, connecting = 0; };

// What is known of statements, on one worker.
struct StatementWatch {
  StatementWatch(std::size_t entries_max, std::size_t bytes_max) : digests(entries_max, bytes_max) {}
  DigestTable digests;
  SlowRing slow;
};

// Owned by the worker, used on its thread: the base that its functions work on.
struct WorkerState {
  WorkerState(unsigned number, const Commons& shared, std::shared_ptr<const Config> config, Loop& loop,
              Connector& connector, std::uint64_t seed)
      : number_(number),
        shared_(shared),
        config_(std::move(config)),
        loop_(loop),
        connector_(connector),
        random_(static_cast<std::minstd_rand::result_type>(seed | 1)),
        statements_(number + 1, workers_max, seed * 0x9e3779b97f4a7c15) {
    statements_.share_proofs(shared.proven);
  }

  const unsigned number_;
  Commons shared_;
  std::shared_ptr<const Config> config_;
  Loop& loop_;
  Connector& connector_;
  std::minstd_rand random_;

  policy::StatementStore statements_;          // outlives those who hold its statements
  policy::StatementCounters statement_counters_;
  policy::PlanningCache plannings_;
  Buffer identity_;                            // of the Parse under way, where it is not a part of the message
  Buffer words_;                               // ours in the run under way; never grows while the run points to it
  SpareBuffers spare_buffers_;                 // for what waiting clients have said
  Buffer answers_;                             // of ours to the client whose bytes are being read
  std::vector<policy::SqlRename> renames_;     // to be undone in the error under way
  std::vector<policy::SqlEdit> edits_;
  Restorer restorer_;
  policy::KnownTexts known_texts_;
  Said said_;                                  // the message under way; ask said()
  policy::SharedSettings latest_startup_;      // most clients say the same: they share it
  policy::ParameterPool parameter_pool_;

  Slab<ClientSession> clients_{Token::Kind::client};
  Slab<ServerConnection> servers_{Token::Kind::server};
  std::map<PoolKey, std::unique_ptr<PoolDesk>> desks_;
  std::map<AuthLookup::Key, std::unique_ptr<AuthLookup>> lookups_;
  std::set<std::string> custom_names_;         // of settings of no module, which no list of PostgreSQL's names
  std::unique_ptr<StatementWatch> watch_;               // null: query_digests=0
  IsolationLog isolation_log_;                 // statements that do something to their sessions
  Tally tally_;
  CloseRing closes_;
  std::string farewell_detail_;                // DETAIL of what end_client() tells
  std::map<std::pair<std::string, std::string>, std::unique_ptr<Route>> routes_;
  using ByAge = List<ClientSession, &ClientSession::by_age>;
  ByAge logins_, idle_clients_;                // oldest first
  std::vector<Token> gone_clients_;            // a send to them failed in this turn
  std::vector<Token> to_notify_;               // clients for whom notifications wait
  std::vector<Token> to_feed_;                 // clients who got a server in this turn; their held bytes go out
  std::vector<PoolKey> look_again_;            // pools that may be able to open a server now
  std::vector<PoolKey> look_later_;            // see HandOver::look_later
  std::vector<Token> to_bury_;
  Slab<CancelJob> cancels_{Token::Kind::cancel};
  CancelKeys cancel_keys_{number_, shared_.credentials.process_secret()};
  std::map<std::string, bool> paused_, disabled_;
  bool paused_all_ = false;
  TimePoint suspended_since_{};                // TimePoint{}: it is not
  Shutdown shutdown_ = Shutdown::no;
  Drain drain_;
  std::uint64_t recycle_orders_ = 0;           // RECONNECT, KILL and reloads so far; all workers get them alike
  bool stopping_ = false;                      // nothing is opened any more
  Duration shortest_client_idle_{};            // of all client_idle_timeouts in force; 0: none is
};

}  // namespace pgweir
