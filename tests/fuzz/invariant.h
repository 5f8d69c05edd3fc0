// What a fuzz target claims. A broken claim aborts, which both libFuzzer and the replay report.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace pgweir::fuzz {

inline void claim(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "claim broken: %s\n", what);
  std::abort();
}

}  // namespace pgweir::fuzz
