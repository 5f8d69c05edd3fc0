// One measurement: what is asked for, and what came of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "bench/histogram.h"
#include "bench/process.h"
#include "bench/program.h"
#include "bench/target.h"

namespace pgweir::bench {

struct LoadPlan {
  const Target* target = nullptr;
  const Program* program = nullptr;
  unsigned clients = 1;
  unsigned idle = 0;  // more clients that log in and say nothing
  unsigned pools = 0;  // not 0: the clients take turns at databases NAME_0 ... NAME_(pools-1)
  unsigned threads = 1;
  unsigned pipeline = 1;  // transactions of one client under way at once
  double rate = 0;        // transactions a second of all clients together; 0: closed loop
  bool poisson = false;   // arrivals at random instead of evenly spaced
  Duration warmup = milliseconds(500);
  Duration duration = seconds(5);
  Duration drain = seconds(2);  // how long the last transactions may take
  Duration login_time = seconds(15);
  // Called now and then in a long measurement with what it is at; may be empty.
  std::function<void(const std::string&)> tell;
};

// What one thread counts, later what all threads counted.
struct Tally {
  // Of the transactions that were to start inside the window and did not fail. Those that were not
  // over when the drain ended are in it with the time they had taken by then.
  Histogram latency;
  std::uint64_t completed = 0;   // inside the window
  std::uint64_t failed = 0;      // inside the window
  std::uint64_t unfinished = 0;  // when the drain ended
  std::uint64_t bytes = 0;       // received inside the window
  std::map<std::string, std::uint64_t> errors;
  std::map<std::string, std::uint64_t> login_errors;  // before the load began
  Duration cpu{};                                     // the generator's own, inside the window

  void merge(const Tally& other);
};
// Counts a text; beyond a hundred different ones, under one name.
void count_error(std::map<std::string, std::uint64_t>& errors, const std::string& text);

struct LoadResult {
  std::string failure;  // not empty: nothing was measured, and this is why
  Tally tally;
  double seconds = 0;          // the window's length
  double busiest_thread = 0;   // share of a core that the busiest generator thread used, 0 to 1
  double login_seconds = 0;    // until every client was logged in
  ProcessUsage before, after;  // of the target's processes, around the window
  std::uint64_t logged_in_rss_bytes = 0;  // of theirs, when every client was logged in
};

// Runs one measurement to its end, blocking. Ends early, with a failure, when Ctrl-C is pressed.
LoadResult run_load(const LoadPlan& plan, ProcessWatch& watch);

}  // namespace pgweir::bench
