// What a client says, made into bytes once and sent many times.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/bytes.h"
#include "proxy/core/time.h"

namespace pgweir::bench {

enum class Protocol : std::uint8_t { simple, extended, prepared };
std::string_view name_of(Protocol protocol);

// How long a client thinks.
struct Think {
  Duration from{};
  Duration to{};             // uniform between the two; equal: constant
  bool exponential = false;  // with the mean `from`

  Duration draw(std::minstd_rand& random) const;
  Duration mean() const { return exponential ? from : (from + to) / 2; }
};

// One line of a script: a statement or think time.
struct Line {
  std::string sql;                      // empty: think time
  std::vector<std::string> parameters;  // for $1, $2, ...; extended and prepared only
  Think think;
};

// What one transaction of a client is made of, still as text.
struct Script {
  std::vector<Line> lines;
  bool reconnect = false;  // connects before and leaves after each transaction
  bool silent = false;     // logs in and says nothing: an idle crowd
};

// A round trip or a pause.
struct Step {
  Buffer bytes;          // empty: a pause
  unsigned readies = 0;  // how many ReadyForQuery end the round trip
  Think think;
};

struct Program {
  Buffer setup;  // said once after each login; empty: nothing
  unsigned setup_readies = 0;
  std::vector<Step> steps;
  bool reconnect = false;
  bool silent = false;

  Duration think_mean() const;
};

// With `merged` all statements leave in one piece, as pipelines need it. Throws std::runtime_error
// when the script cannot be said like this: parameters in the simple protocol, think time merged.
Program compile(const Script& script, Protocol protocol, bool merged);

}  // namespace pgweir::bench
