// Latencies in logarithmic buckets: a fixed amount of memory, any number of values, 1.6 %
// precision.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "proxy/core/time.h"

namespace pgweir::bench {

// Plain data, for one thread; those of several threads are merged afterwards.
//
//   nanoseconds:  0 .. 63 | 64 .. 127 | 128 .. 255 | 256 .. 511 | ...
//   buckets:      64 of 1 | 64 of 1   | 64 of 2    | 64 of 4    | ...
class Histogram {
 public:
  void add(Duration latency);
  void merge(const Histogram& other);

  std::uint64_t count() const { return count_; }
  // The longest, exact.
  Duration max() const { return Duration(max_); }
  Duration mean() const;
  // The latency that `fraction` (0 to 1) of all values do not exceed: the upper edge of its bucket,
  // at most max(). Zero when there are no values.
  Duration quantile(double fraction) const;

 private:
  static constexpr int sub_bits = 6;
  static constexpr std::size_t sub_buckets = std::size_t{1} << sub_bits;
  static constexpr std::size_t octaves = 64 - sub_bits;
  static std::size_t index_of(std::uint64_t value);
  static std::uint64_t upper_edge(std::size_t index);

  std::array<std::uint64_t, sub_buckets*(octaves + 1)> buckets_{};
  std::uint64_t count_ = 0;
  std::int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace pgweir::bench
