#include "proxy/net/clock.h"

namespace pgweir {

TimePoint monotonic_now() {
  return std::chrono::steady_clock::now();
}

WallTime wall_clock_now() {
  return std::chrono::time_point_cast<microseconds>(std::chrono::system_clock::now());
}

}  // namespace pgweir
