// Durations counted below fixed bounds, as Prometheus wants its histograms: for numbers that are kept per pool and
// per worker, where a Histogram's fine steps would not pay.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "proxy/core/time.h"

namespace pgweir {

// Plain data; adding allocates nothing and costs one or two comparisons.
class Ladder {
 public:
  // Upper bounds in microseconds, inclusive; one more step takes what is longer.
  static constexpr std::array<std::uint32_t, 18> bounds_us = {
      100,    250,    500,    1'000,   2'500,     5'000,     10'000,    25'000,     50'000,
      100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000, 30'000'000, 60'000'000};
  using Counts = std::array<std::uint64_t, bounds_us.size() + 1>;

  void add(Duration value) {
    const auto us = static_cast<std::uint64_t>(count_us(value < Duration{} ? Duration{} : value));
    std::size_t step = first_step[static_cast<std::size_t>(std::bit_width(us))];
    while (step < bounds_us.size() && us > bounds_us[step]) ++step;
    ++counts_[step];
    sum_us_ += us;
  }
  Ladder& operator+=(const Ladder& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    sum_us_ += other.sum_us_;
    return *this;
  }
  // What has come since `earlier`, a copy of this one; nothing when the counters have begun anew.
  Ladder since(const Ladder& earlier) const {
    Ladder result;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] < earlier.counts_[i]) return {};
      result.counts_[i] = counts_[i] - earlier.counts_[i];
    }
    result.sum_us_ = sum_us_ - earlier.sum_us_;
    return result;
  }

  const Counts& counts() const { return counts_; }
  std::uint64_t sum_us() const { return sum_us_; }
  std::uint64_t count() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t one : counts_) sum += one;
    return sum;
  }
  // How many were longer than `us`, which must be one of the bounds.
  std::uint64_t longer_than(std::uint32_t us) const {
    std::uint64_t sum = counts_.back();
    for (std::size_t i = bounds_us.size(); i-- > 0 && bounds_us[i] > us;) sum += counts_[i];
    return sum;
  }
  // The value below which a share `q` (0 to 1) lies, in milliseconds: within its step as if the values lay evenly;
  // 0 when there are none.
  double quantile_ms(double q) const {
    const std::uint64_t all = count();
    if (all == 0) return 0;
    double wanted = q * static_cast<double>(all);
    for (std::size_t i = 0; i < bounds_us.size(); ++i) {
      const auto here = static_cast<double>(counts_[i]);
      if (wanted <= here && here > 0) {
        const double low = i == 0 ? 0 : bounds_us[i - 1];
        return (low + (bounds_us[i] - low) * wanted / here) / 1000;
      }
      wanted -= here;
    }
    return static_cast<double>(bounds_us.back()) / 1000;
  }

 private:
  // Where to look, from the width of a value in bits on: at the step of the smallest such value.
  static constexpr std::array<std::uint8_t, 65> first_step = [] {
    std::array<std::uint8_t, 65> first{};
    for (unsigned width = 1; width <= 64; ++width) {
      first[width] = first[width - 1];
      while (first[width] < bounds_us.size() && bounds_us[first[width]] < std::uint64_t{1} << (width - 1)) ++first[width];
    }
    return first;
  }();

  Counts counts_{};
  std::uint64_t sum_us_ = 0;
};

// The times of one pool on one worker.
struct PoolTimes {
  Ladder queue;  // of requests that waited for a server
  Ladder query;  // from a request's way to a server to the end of the answer, without the wait before it
  Ladder xact;
  PoolTimes& operator+=(const PoolTimes& other) {
    queue += other.queue, query += other.query, xact += other.xact;
    return *this;
  }
};

}  // namespace pgweir
