// Durations of one kind, summed up: count, extremes, mean, deviation and a histogram.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "proxy/core/time.h"

namespace pgweir {

// Buckets grow with the value, four to each doubling: a quantile is off by an eighth at most.
// Microseconds up to 2^40 (twelve days); memory grows with the largest value seen.
class Histogram {
 public:
  static constexpr unsigned buckets_max = 160;
  static unsigned bucket_of(std::uint64_t us);
  // The smallest value of a bucket.
  static std::uint64_t floor_of(unsigned bucket);

  void add(std::uint64_t us, std::uint32_t times = 1);
  // Forgets all values and keeps the memory.
  void reset() { buckets_.clear(); }
  Histogram& operator+=(const Histogram& other);
  // The value below which a share `q` (0 to 1) of all values lies, in microseconds; 0 when there
  // are none.
  double quantile(double q) const;
  std::uint64_t count() const;
  const std::vector<std::uint32_t>& buckets() const { return buckets_; }
  std::size_t bytes() const { return buckets_.capacity() * sizeof(std::uint32_t); }

 private:
  std::vector<std::uint32_t> buckets_;
};

// As long as all values are the same - a client that never waits - there is no histogram, and nothing is computed.
class Spread {
 public:
  // True: bytes() has changed.
  bool add(Duration value) {
    const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(0, count_us(value)));
    if (!uniform() || us != min_us_ || count_ == 0) return add_another(us);
    ++count_;
    total_us_ += us;
    return false;
  }
  void reset();  // keeps the memory
  Spread& operator+=(const Spread& other);

  std::uint64_t count() const { return count_; }
  double total_ms() const { return static_cast<double>(total_us_) / 1000; }
  double mean_ms() const { return count_ ? total_ms() / static_cast<double>(count_) : 0; }
  double min_ms() const { return static_cast<double>(min_us_) / 1000; }
  double max_ms() const { return static_cast<double>(max_us_) / 1000; }
  double stddev_ms() const;
  // Between min_ms() and max_ms().
  double quantile_ms(double q) const;
  Histogram histogram() const;
  std::size_t bytes() const { return histogram_.bytes(); }

 private:
  bool uniform() const { return min_us_ == max_us_; }
  bool add_another(std::uint64_t us);
  static double square(std::uint64_t us) { return static_cast<double>(us) * static_cast<double>(us); }
  double sum_of_squares() const { return uniform() ? square(min_us_) * static_cast<double>(count_) : squares_; }

  std::uint64_t count_ = 0, total_us_ = 0, min_us_ = 0, max_us_ = 0;
  double squares_ = 0;             // sum of the values' squares, in microseconds; of no use while uniform()
  Histogram histogram_;            // empty while uniform()
};

}  // namespace pgweir
