// The three shapes a report is written in.
#pragma once

#include <string>

#include "bench/rounds.h"

namespace pgweir::bench {

// A Markdown table that reads well on a terminal, and the errors below it.
std::string to_table(const Report& report);
std::string to_json(const Report& report);
// One page without references to anything outside of it.
std::string to_html(const Report& report);

}  // namespace pgweir::bench
