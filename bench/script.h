// The text format of scripts, and the built-in workloads.
//
//   # a comment
//   begin
//   select 1
//   think 5ms                    also 5ms..20ms (uniform) and ~5ms (exponential); ns, us, ms, s
//   select length($1) <- x*1000  parameters behind <-, separated by blanks; c*N repeats a character
//   commit
//
// Each line is one statement and one round trip. Think time does not count as latency, wherever it
// stands; the server is held meanwhile if a transaction is open.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "bench/program.h"

namespace pgweir::bench {

// Throws std::runtime_error naming the line.
Script parse_script(std::string_view text);
Script read_script(const std::string& path);

// `5ms`, `1.5s`, `100us`. Throws std::runtime_error.
Duration parse_duration(std::string_view text);
Think parse_think(std::string_view text);

struct WorkloadOptions {
  std::size_t result_bytes = 1'000'000;
  std::size_t parameter_bytes = 1'000'000;
  Think think;  // zero: none
};
// select1, transaction, result, parameter, churn or idle. Throws std::runtime_error on any other
// name.
Script built_in(std::string_view name, Protocol protocol, const WorkloadOptions& options);
inline constexpr std::string_view built_in_names =
    "select1, transaction, result, parameter, churn, idle";

}  // namespace pgweir::bench
