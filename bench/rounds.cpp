#include "bench/rounds.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <stdexcept>

#include "bench/clock.h"
#include "bench/stop.h"

namespace pgweir::bench {
namespace {

// A target, its processes, and their memory before any client of ours came.
struct Watched {
  const Target* target;
  ProcessWatch watch;
  std::uint64_t rss_before;
};

using Results = std::vector<LoadResult>;  // the rounds of one row

std::vector<Watched> watch_all(const RunOptions& options) {
  std::vector<Watched> all;
  for (const Target& target : options.targets) {
    ProcessWatch watch(target.pids.empty() ? listeners_on(target.address) : target.pids);
    const std::uint64_t rss = watch.rss_bytes();
    if (!watch.knows_any() && !options.quiet)
      fmt::print(stderr, "{}: its processes are unknown, so no CPU and memory\n", target.name);
    all.push_back({&target, std::move(watch), rss});
  }
  return all;
}

Spread spread_over(const Results& results, const std::function<double(const LoadResult&)>& value) {
  std::vector<double> values;
  for (const LoadResult& result : results) values.push_back(value(result));
  return spread_of(std::move(values));
}

Spread quantile_us(const Results& results, double fraction) {
  return spread_over(results, [fraction](const LoadResult& result) {
    return static_cast<double>(result.tally.latency.quantile(fraction).count()) / 1e3;
  });
}

double transactions(const LoadResult& result) {
  return static_cast<double>(
      std::max<std::uint64_t>(result.tally.completed + result.tally.failed, 1));
}

void add_process_figures(Row& row, const Results& results, std::uint64_t rss_before,
                         unsigned connections) {
  row.cpu_cores = spread_over(results, [](const LoadResult& r) {
    return (r.after.cpu_us - r.before.cpu_us) / 1e6 / r.seconds;
  });
  row.rss_mib = spread_over(results, [](const LoadResult& r) {
    return static_cast<double>(r.logged_in_rss_bytes) / (1 << 20);
  });
  row.client_bytes = spread_over(results, [&](const LoadResult& r) {
    const double grown =
        static_cast<double>(r.logged_in_rss_bytes) - static_cast<double>(rss_before);
    return std::max(grown, 0.0) / connections;
  });
}

void add_figures_per_transaction(Row& row, const Results& results) {
  row.cpu_us = spread_over(results, [](const LoadResult& r) {
    return (r.after.cpu_us - r.before.cpu_us) / transactions(r);
  });
  row.voluntary = spread_over(results, [](const LoadResult& r) {
    return (static_cast<double>(r.after.voluntary) - static_cast<double>(r.before.voluntary)) /
           transactions(r);
  });
  row.involuntary = spread_over(results, [](const LoadResult& r) {
    return (static_cast<double>(r.after.involuntary) - static_cast<double>(r.before.involuntary)) /
           transactions(r);
  });
}

// Sums that fall instead of rising have lost a process: the target was stopped or crashed
// meanwhile.
bool any_process_left(const Results& results) {
  return std::any_of(results.begin(), results.end(), [](const LoadResult& r) {
    return r.after.cpu_us < r.before.cpu_us || r.after.voluntary < r.before.voluntary;
  });
}

Row sum_up(const Watched& watched, Protocol protocol, unsigned clients, unsigned idle,
           const Results& all) {
  Row row;
  row.target = watched.target->name;
  row.protocol = protocol;
  row.clients = clients;
  Results measured;
  for (const LoadResult& result : all) {
    if (result.failure.empty())
      measured.push_back(result);
    else
      row.failures.push_back(result.failure);
    row.latency.merge(result.tally.latency);
    row.completed += result.tally.completed;
    row.failed += result.tally.failed;
    row.unfinished += result.tally.unfinished;
    for (const auto& [text, count] : result.tally.errors) row.errors[text] += count;
  }
  row.rounds = static_cast<unsigned>(measured.size());
  if (measured.empty()) return row;
  row.per_second = spread_over(measured, [](const LoadResult& r) {
    return static_cast<double>(r.tally.completed) / r.seconds;
  });
  row.megabytes_per_second = spread_over(measured, [](const LoadResult& r) {
    return static_cast<double>(r.tally.bytes) / 1e6 / r.seconds;
  });
  row.generator_busy = spread_over(measured, [](const LoadResult& r) { return r.busiest_thread; });
  row.p50 = quantile_us(measured, 0.5);
  row.p90 = quantile_us(measured, 0.9);
  row.p99 = quantile_us(measured, 0.99);
  row.p999 = quantile_us(measured, 0.999);
  row.longest = quantile_us(measured, 1);
  if (!watched.watch.knows_any() || any_process_left(measured)) return row;
  add_process_figures(row, measured, watched.rss_before, clients + idle);
  if (row.completed + row.failed > 0) add_figures_per_transaction(row, measured);
  return row;
}

// Tells how long the run will take, and how far it is.
class Progress {
 public:
  Progress(const RunOptions& options, std::size_t measurements)
      : quiet_(options.quiet), left_(measurements), all_(measurements) {
    // A login takes some 200 us, of which the crowd's are most.
    double clients = 0;
    for (const unsigned count : options.clients) clients += count + options.plan.idle;
    clients /= static_cast<double>(options.clients.size());
    const double each =
        to_seconds(options.plan.warmup + options.plan.duration) + 0.1 + clients * 200e-6;
    if (!quiet_)
      fmt::print(stderr, "{} measurements, about {:.0f} s; Ctrl-C stops and shows what there is\n",
                 measurements, each * static_cast<double>(measurements));
  }

  // What the measurement under way is at.
  std::function<void(const std::string&)> teller(const Watched& watched) const {
    if (quiet_) return {};
    return [this, &watched](const std::string& what) {
      fmt::print(stderr, "[{}/{}] {}: {}\n", all_ - left_ + 1, all_, watched.target->name, what);
    };
  }

  void done(const Watched& watched, Protocol protocol, unsigned clients, const LoadResult& result) {
    --left_;
    if (quiet_) return;
    const double spent = to_seconds(clock_now() - began_);
    const double left = spent / static_cast<double>(all_ - left_) * static_cast<double>(left_);
    const std::string figure =
        result.failure.empty()
            ? fmt::format("{:.0f}/s, {} failed",
                          static_cast<double>(result.tally.completed) / result.seconds,
                          result.tally.failed)
            : result.failure;
    fmt::print(stderr, "[{}/{}, {:.0f} s left] {} {} {} clients: {}\n", all_ - left_, all_, left,
               watched.target->name, name_of(protocol), clients, figure);
  }

 private:
  bool quiet_;
  std::size_t left_, all_;
  TimePoint began_ = clock_now();
};

Program program_for(const RunOptions& options, Protocol protocol) {
  const Script script = options.script.empty() ? built_in(options.workload, protocol, options.sizes)
                                               : read_script(options.script);
  return compile(script, protocol, options.plan.pipeline > 1);
}

std::string describe(const RunOptions& options) {
  std::string text = options.script.empty() ? options.workload : "script " + options.script;
  if (options.plan.rate > 0)
    text += fmt::format(", open loop at {}/s", options.plan.rate);
  else
    text += ", closed loop";
  if (options.plan.pipeline > 1) text += fmt::format(", pipelines of {}", options.plan.pipeline);
  if (options.plan.idle > 0) text += fmt::format(", {} idle clients beside", options.plan.idle);
  return text +
         fmt::format(", {} round(s) of {:g} s", options.rounds, to_seconds(options.plan.duration));
}

void need_files(const RunOptions& options) {
  constexpr std::size_t beside_clients = 100;
  const std::size_t clients = *std::max_element(options.clients.begin(), options.clients.end());
  const std::size_t wanted = clients + options.plan.idle + beside_clients;
  if (raise_file_limit(wanted) < wanted)
    throw std::runtime_error(fmt::format("ulimit -n is too low for this: {} are needed", wanted));
}

}  // namespace

Spread spread_of(std::vector<double> values) {
  const std::vector<double> in_order = values;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {median, values.front(), values.back(), in_order};
}

bool Report::flawless() const {
  return !stopped && std::all_of(rows.begin(), rows.end(), [](const Row& row) {
    return row.failures.empty() && row.failed == 0 && row.errors.empty();
  });
}

Report run_rounds(const RunOptions& options) {
  need_files(options);
  std::vector<Program> programs;
  for (const Protocol protocol : options.protocols)
    programs.push_back(program_for(options, protocol));
  std::vector<Watched> targets = watch_all(options);
  Progress progress(options,
                    targets.size() * options.rounds * programs.size() * options.clients.size());
  Report report{options.title, describe(options), {}, false};
  for (std::size_t p = 0; p < programs.size(); ++p) {
    for (const unsigned clients : options.clients) {
      std::vector<Results> results(targets.size());
      for (unsigned round = 0; round < options.rounds && !stop_wished(); ++round) {
        for (std::size_t t = 0; t < targets.size() && !stop_wished(); ++t) {
          LoadPlan plan = options.plan;
          plan.target = targets[t].target;
          plan.program = &programs[p];
          plan.clients = clients;
          plan.threads = std::min(plan.threads, clients);
          plan.tell = progress.teller(targets[t]);
          results[t].push_back(run_load(plan, targets[t].watch));
          progress.done(targets[t], options.protocols[p], clients, results[t].back());
        }
      }
      for (std::size_t t = 0; t < targets.size(); ++t)
        if (!results[t].empty())
          report.rows.push_back(
              sum_up(targets[t], options.protocols[p], clients, options.plan.idle, results[t]));
    }
  }
  report.stopped = stop_wished();
  return report;
}

}  // namespace pgweir::bench
