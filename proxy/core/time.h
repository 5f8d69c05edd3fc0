// Time as the inner rooms see it: always handed in, never asked for.
#pragma once

#include <chrono>

namespace pgweir {

using Duration = std::chrono::nanoseconds;
// A point on the monotonic clock. The default value means "never" or "not yet".
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline std::int64_t count_us(Duration d) {
  return std::chrono::duration_cast<microseconds>(d).count();
}
inline std::int64_t count_s(Duration d) { return std::chrono::duration_cast<seconds>(d).count(); }

}  // namespace pgweir
