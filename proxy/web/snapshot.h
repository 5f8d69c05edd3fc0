// What the workers have to say at one moment, asked from outside of them.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "proxy/admin/facts.h"
#include "proxy/admin/shows.h"

namespace pgweir {

// Clients that are alike to those who count them.
struct ClientCount {
  std::string database, user, application_name;
  std::string_view state;  // as SHOW CLIENTS names it
  std::uint64_t clients = 0;
};

// Immutable, shared, and nothing in it belongs to a worker.
struct Snapshot {
  std::shared_ptr<const Config> config;
  std::vector<WorkerFacts> workers;
  Tally tally;
  std::vector<ClosedConnection> closes;  // Question::closes; the last first
  std::vector<ClientCount> clients;      // Question::clients
  std::set<std::string> paused, disabled;
  bool all_paused = false;
  bool leaving = false;  // a shutdown has begun
  WallTime at{};
  TimePoint now{};

  // For the tables of SHOW. Valid as long as this and `ledger`.
  ShowContext context(const Ledger& ledger, std::string version, std::span<const std::string> words = {}) const;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

// What is to be collected beside the tally. A worker's part takes microseconds to a millisecond: it copies no table
// of digests, only the rows asked for.
struct Question {
  Wants wants = Wants::pools;
  bool closes = false;
  bool clients = false;
  std::size_t activity_max = 200;
  QueriesQuestion queries = {};  // Wants::queries
};

// Asks all workers; `done` gets the answer on one of their threads, and has to leave it at once. Never called when
// the workers have ended.
void take_snapshot(Fleet& fleet, Question question, std::function<void(SnapshotPtr)> done);

}  // namespace pgweir
