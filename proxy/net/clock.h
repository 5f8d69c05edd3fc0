// The only place of the product that asks the monotonic clock; everybody else is handed the time.
#pragma once

#include "proxy/core/time.h"

namespace pgweir {

TimePoint monotonic_now();  // any thread
WallTime wall_clock_now();  // any thread

}  // namespace pgweir
