// Assertions that stay on in release: a pooler that mixes two clients' rows must not go on.
#pragma once

namespace pgweir {
// Prints `what`, the place and a hint, then aborts.
[[noreturn]] void check_failed(const char* what, const char* file, int line);
}  // namespace pgweir

#define PGWEIR_CHECK(condition) \
  (__builtin_expect(!!(condition), 1) ? (void)0 : ::pgweir::check_failed(#condition, __FILE__, __LINE__))
