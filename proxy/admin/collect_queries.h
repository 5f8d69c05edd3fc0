// The rows of SHOW QUERIES from all workers, without keeping any of them from its clients: a table may have hundreds of
// thousands of entries, so that each worker looks at it in slices, between its other turns.
#pragma once

#include <functional>
#include <vector>

#include "proxy/observe/digests.h"
#include "proxy/session/fleet.h"

namespace pgweir {

struct QueriesQuestion {
  // Those that this ranks first ...
  DigestTable::Measure by = nullptr;
  std::size_t limit = 0;
  // ... or these, when `by` is null.
  std::vector<std::uint64_t> ids = {};
  bool windows = false;  // with their history
};

struct WorkerQueries {
  std::vector<DigestRow> rows;
  DigestCounters counters;
};

// `done` gets the answer, one place for each worker, on one of their threads, and has to leave it at once. What is asked by
// rank is asked twice: which are the first on any worker, and then these of every worker; a class that is first in the sum
// is first on one of them, or close.
void collect_queries(Fleet& fleet, QueriesQuestion question, std::function<void(std::vector<WorkerQueries>)> done);

}  // namespace pgweir
