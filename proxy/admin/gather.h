// Asks every worker the same question and brings the answers back to the one who asked.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "proxy/session/worker.h"

namespace pgweir {

// Runs `collect` on every worker's thread, the asker's own included, each after what has been
// posted to that worker before; then `finish` on the asker's thread with one answer per worker.
// Neither runs inside this call. What `collect` returns are plain values: nothing that belongs to
// its worker.
//
//   asker --post--> worker 0: collect --post--> asker: keep, one of n
//         --post--> worker 1: collect --post--> asker: keep, the last: finish
//
// Each worker writes its own place and the asker alone counts, so that nothing is locked.
template <typename T>
void gather(Worker& asker, std::function<T(Worker&)> collect,
            std::function<void(Worker&, std::vector<T>)> finish) {
  struct Round {
    std::vector<T> answers;
    unsigned missing;
    std::function<T(Worker&)> collect;
    std::function<void(Worker&, std::vector<T>)> finish;
  };
  const unsigned workers = asker.fleet().size();
  auto round = std::make_shared<Round>(
      Round{std::vector<T>(workers), workers, std::move(collect), std::move(finish)});
  for (unsigned n = 0; n < workers; ++n) {
    asker.fleet().post(n, [round, n, home = asker.number()](Worker& worker) {
      round->answers[n] = round->collect(worker);
      worker.fleet().post(home, [round](Worker& back) {
        if (--round->missing == 0) round->finish(back, std::move(round->answers));
      });
    });
  }
}

inline void post_all(Worker& from, const Task& task) {
  for (unsigned n = 0; n < from.fleet().size(); ++n) from.fleet().post(n, task);
}

}  // namespace pgweir
