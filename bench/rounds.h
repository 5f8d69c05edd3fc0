// All measurements of a run, interleaved, and what they amount to.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/load.h"
#include "bench/options.h"

namespace pgweir::bench {

// Over the rounds.
struct Spread {
  double median = 0, min = 0, max = 0;
  std::vector<double> rounds;  // in the order they were measured
};
// `values` holds at least one.
Spread spread_of(std::vector<double> values);

// What is measured of one target with one protocol and number of clients.
struct Row {
  std::string target;
  Protocol protocol = Protocol::simple;
  unsigned clients = 0;
  unsigned rounds = 0;  // that were measured; the figures below mean nothing if there are none

  Spread per_second;                    // transactions
  Spread p50, p90, p99, p999, longest;  // microseconds
  Spread megabytes_per_second;          // received
  Spread generator_busy;                // 0 to 1: the busiest thread's share of a core
  // Of the target's processes; nothing when they are not known, or there were no transactions.
  std::optional<Spread> cpu_us;                  // per transaction
  std::optional<Spread> cpu_cores;               // how many cores' worth
  std::optional<Spread> voluntary, involuntary;  // context switches per transaction
  std::optional<Spread> rss_mib;                 // when all clients were logged in
  std::optional<Spread> client_bytes;            // RSS above that of before the run, per client

  Histogram latency;  // of all rounds
  std::uint64_t completed = 0, failed = 0, unfinished = 0;
  std::map<std::string, std::uint64_t> errors;
  std::vector<std::string> failures;  // of rounds that could not be measured
};

struct Report {
  std::string title;
  std::string what;       // the run in one line
  std::vector<Row> rows;  // by protocol, clients, target
  bool stopped = false;

  bool flawless() const;
};

// Runs everything; progress goes to stderr. Throws std::runtime_error when the run makes no sense.
Report run_rounds(const RunOptions& options);

}  // namespace pgweir::bench
