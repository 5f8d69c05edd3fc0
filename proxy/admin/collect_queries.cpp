#include "proxy/admin/collect_queries.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include "proxy/session/worker.h"

namespace pgweir {
namespace {

// Each worker writes its own place; the last to finish goes on.
struct Round {
  Round(unsigned workers, QueriesQuestion asked) : question(std::move(asked)), missing(workers), answers(workers), rankings(workers) {}
  QueriesQuestion question;
  std::atomic<unsigned> missing;
  std::vector<WorkerQueries> answers;
  std::vector<std::vector<std::uint64_t>> rankings;
  std::function<void(std::shared_ptr<Round>)> done;
};
using RoundPtr = std::shared_ptr<Round>;

void finish(const RoundPtr& round) {
  if (round->missing.fetch_sub(1, std::memory_order_acq_rel) == 1) round->done(round);
}

void rank(Worker& worker, const RoundPtr& round, const std::shared_ptr<DigestTable::Ranking>& ranking) {
  const DigestTable* digests = worker.digests();
  if (digests && !digests->rank(*ranking)) {
    worker.fleet().post(worker.number(), [round, ranking](Worker& again) { rank(again, round, ranking); });
    return;
  }
  round->rankings[worker.number()] = ranking->ids();
  finish(round);
}

void select(Worker& worker, const RoundPtr& round, const std::shared_ptr<DigestTable::Selection>& selection) {
  const DigestTable* digests = worker.digests();
  if (digests && !digests->select(*selection)) {
    worker.fleet().post(worker.number(), [round, selection](Worker& again) { select(again, round, selection); });
    return;
  }
  WorkerQueries& answer = round->answers[worker.number()];
  if (digests) answer.counters = digests->counters();
  answer.rows = std::move(selection->rows);
  finish(round);
}

void ask_for_rows(Fleet& fleet, QueriesQuestion question, std::function<void(std::vector<WorkerQueries>)> done) {
  const auto round = std::make_shared<Round>(fleet.size(), std::move(question));
  round->done = [done = std::move(done)](const RoundPtr& all) { done(std::move(all->answers)); };
  for (unsigned n = 0; n < fleet.size(); ++n) {
    const auto selection = std::make_shared<DigestTable::Selection>();
    selection->ids = round->question.ids;
    selection->windows = round->question.windows;
    fleet.post(n, [round, selection](Worker& worker) { select(worker, round, selection); });
  }
}

}  // namespace

void collect_queries(Fleet& fleet, QueriesQuestion question, std::function<void(std::vector<WorkerQueries>)> done) {
  if (!question.by) return ask_for_rows(fleet, std::move(question), std::move(done));
  const auto round = std::make_shared<Round>(fleet.size(), std::move(question));
  round->done = [&fleet, done = std::move(done)](const RoundPtr& all) {
    QueriesQuestion second;
    second.windows = all->question.windows;
    for (const auto& ids : all->rankings) second.ids.insert(second.ids.end(), ids.begin(), ids.end());
    std::sort(second.ids.begin(), second.ids.end());
    second.ids.erase(std::unique(second.ids.begin(), second.ids.end()), second.ids.end());
    ask_for_rows(fleet, std::move(second), done);
  };
  for (unsigned n = 0; n < fleet.size(); ++n) {
    const auto ranking = std::make_shared<DigestTable::Ranking>(DigestTable::Ranking{round->question.by, round->question.limit});
    fleet.post(n, [round, ranking](Worker& worker) { rank(worker, round, ranking); });
  }
}

}  // namespace pgweir
