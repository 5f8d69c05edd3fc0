// The monotonic clock, read by every part of the bench.
#pragma once

#include "proxy/core/time.h"

namespace pgweir::bench {

inline TimePoint clock_now() {
  return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
}
inline double to_seconds(Duration d) {
  return std::chrono::duration<double>(d).count();
}
inline Duration from_seconds(double s) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(s));
}

}  // namespace pgweir::bench
