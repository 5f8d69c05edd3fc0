// The command line of `pgweir-bench run`.
#pragma once

#include <string>
#include <vector>

#include "bench/load.h"
#include "bench/program.h"
#include "bench/script.h"
#include "bench/target.h"

namespace pgweir::bench {

struct RunOptions {
  std::vector<Target> targets;
  std::vector<Protocol> protocols{Protocol::simple};
  std::vector<unsigned> clients{16};
  std::string workload = "select1";
  std::string script;  // a path; empty: the built-in workload
  WorkloadOptions sizes;
  unsigned rounds = 3;
  std::string json, html;  // paths; empty: not written
  std::string title = "pgweir-bench";
  bool quiet = false;  // no progress
  LoadPlan plan;       // everything but target, program and clients
};

// `arguments` without the program's name and `run`. Throws std::runtime_error with a text for the
// user.
RunOptions parse_run_options(const std::vector<std::string>& arguments);
extern const char* const run_help;

// A number of at least `least` and at most `most`. Throws std::runtime_error naming `option`.
unsigned parse_count(const std::string& option, std::string_view text, unsigned least,
                     unsigned most);

}  // namespace pgweir::bench
