#include "proxy/web/snapshot.h"

#include <algorithm>
#include <atomic>
#include <unordered_map>

namespace pgweir {
namespace {

// More names of applications than this are counted as one: a label must not grow without bound.
constexpr std::size_t client_counts_max = 200;

struct Part {
  WorkerFacts facts;
  Tally tally;
  std::vector<ClosedConnection> closes;
  std::vector<ClientCount> clients;
};

std::string_view state_of(const ClientSession& client) {
  switch (client.phase) {
    case ClientPhase::welcoming:
    case ClientPhase::queued:
      return "waiting";
    case ClientPhase::preparing:
    case ClientPhase::leasing:
      return "active";
    case ClientPhase::idle:
      return "idle";
    default:
      return {};
  }
}

// Clients share the objects that hold their names, so that counting copies a name once.
std::vector<ClientCount> count_clients(const Worker& worker) {
  struct Key {
    const Route* route;
    const std::string* application;
    const char* state;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const {
      const std::hash<const void*> hash;
      return hash(key.route) * 31 + hash(key.application) * 7 + hash(key.state);
    }
  };
  std::unordered_map<Key, std::uint64_t, Hash> counts;
  const std::size_t place = worker.tracked().place_of("application_name");
  worker.clients().for_each([&](const ClientSession& client) {
    const std::string_view state = state_of(client);
    if (state.empty() || !client.route) return;
    const auto* value = policy::value_at(client.parameters, place);
    const std::string* name = value && *value ? &**value : nullptr;
    if (counts.size() >= client_counts_max && !counts.count({client.route, name, state.data()})) name = nullptr;
    ++counts[{client.route, name, state.data()}];
  });
  std::vector<ClientCount> result;
  for (const auto& [key, clients] : counts) {
    result.push_back({key.route->database, key.route->user, key.application ? *key.application : std::string(), key.state, clients});
  }
  return result;
}

Part collect(Worker& worker, const Question& question) {
  Part part;
  part.tally = worker.tally();
  if (question.closes) part.closes = worker.closes().all();
  if (question.clients) part.clients = count_clients(worker);
  part.facts = collect_facts(worker, question.wants, question.activity_max);
  return part;
}

struct Round {
  explicit Round(unsigned workers) : parts(workers), missing(workers), snapshot(std::make_shared<Snapshot>()) {}
  std::vector<Part> parts;              // each worker writes its own
  std::atomic<unsigned> missing;
  std::shared_ptr<Snapshot> snapshot;   // worker 0 fills in what is the same on all
};

void tell_common(Worker& worker, Snapshot& snapshot) {
  snapshot.config = worker.shared_config();
  snapshot.all_paused = worker.paused();
  snapshot.leaving = worker.shutdown() != Shutdown::no;
  for (std::string& name : worker.paused_databases()) snapshot.paused.insert(std::move(name));
  for (std::string& name : worker.disabled_databases()) snapshot.disabled.insert(std::move(name));
  snapshot.at = worker.wall_now();
  snapshot.now = worker.now();
}

SnapshotPtr finished(Round& round) {
  Snapshot& snapshot = *round.snapshot;
  for (Part& part : round.parts) {
    snapshot.tally += part.tally;
    std::move(part.closes.begin(), part.closes.end(), std::back_inserter(snapshot.closes));
    std::move(part.clients.begin(), part.clients.end(), std::back_inserter(snapshot.clients));
    snapshot.workers.push_back(std::move(part.facts));
  }
  return round.snapshot;
}

void ask(Fleet& fleet, Question question, const std::function<void(std::shared_ptr<Round>)>& done) {
  auto round = std::make_shared<Round>(fleet.size());
  const auto shared = std::make_shared<const Question>(std::move(question));
  for (unsigned n = 0; n < fleet.size(); ++n) {
    fleet.post(n, [round, shared, done, n](Worker& worker) {
      round->parts[n] = collect(worker, *shared);
      if (n == 0) tell_common(worker, *round->snapshot);
      if (round->missing.fetch_sub(1, std::memory_order_acq_rel) == 1) done(round);
    });
  }
}

}  // namespace

ShowContext Snapshot::context(const Ledger& ledger, std::string version, std::span<const std::string> words) const {
  return {*config, ledger, workers, paused, disabled, all_paused, {}, std::move(version), words};
}

void take_snapshot(Fleet& fleet, Question question, std::function<void(SnapshotPtr)> done) {
  const bool queries = question.wants == Wants::queries;
  const QueriesQuestion about = question.queries;
  ask(fleet, std::move(question), [&fleet, queries, about, done = std::move(done)](const std::shared_ptr<Round>& round) {
    if (!queries) return done(finished(*round));
    collect_queries(fleet, about, [round, done](std::vector<WorkerQueries> answers) {
      for (std::size_t i = 0; i < answers.size(); ++i) {
        round->parts[i].facts.queries = std::move(answers[i].rows);
        round->parts[i].facts.query_counters = answers[i].counters;
      }
      done(finished(*round));
    });
  });
}

}  // namespace pgweir
