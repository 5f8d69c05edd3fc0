// Whether a worker lets others run (sched_yield(2)) before it waits for more.
//
// Who sleeps as soon as there is nothing to read is woken for the first message that comes, at the cost of two switches and
// of a wake-up that the sender pays, and finds that one alone. Who yields instead finds what all those have said who waited
// for this core. That is worth it where they say what they have to say and sleep; behind somebody who computes it would
// cost milliseconds, and where nobody waits for the core it brings nothing: both are seen by how long a yield takes, and
// followed by turns without one.
#pragma once

#include <algorithm>
#include <cstddef>

#include "proxy/core/time.h"

namespace pgweir {

class Yield {
 public:
  static constexpr std::size_t events_min = 4;         // a turn of fewer: there is little to collect
  static constexpr Duration nobody = microseconds(3);  // shorter than this: nobody ran
  static constexpr Duration too_long = milliseconds(1);
  static constexpr unsigned rest_min = 64, rest_max = 1 << 16, short_rest_max = 3;   // turns

  // To be asked once per turn, which brought so many events.
  bool wanted(std::size_t events) {
    if (events < events_min) return false;
    if (rest_ == 0) return true;
    --rest_;
    return false;
  }

  void took(Duration time) {
    if (time >= too_long) {
      long_rest_ = std::clamp(2 * long_rest_, rest_min, rest_max);
      rest_ = long_rest_;
    } else if (time < nobody) {
      short_rest_ = std::min(2 * short_rest_ + 1, short_rest_max);
      rest_ = short_rest_;
    } else {
      short_rest_ = 0;
      if (++good_ % forgiven_after == 0) long_rest_ /= 2;
    }
  }

 private:
  static constexpr unsigned forgiven_after = 64;
  unsigned rest_ = 0;                        // turns without
  unsigned long_rest_ = 0, short_rest_ = 0;  // the last ones, halved or forgotten since
  unsigned good_ = 0;
};

}  // namespace pgweir
