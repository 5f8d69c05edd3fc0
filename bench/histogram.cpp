#include "bench/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace pgweir::bench {

std::size_t Histogram::index_of(std::uint64_t value) {
  if (value < sub_buckets) return static_cast<std::size_t>(value);
  const int shift = static_cast<int>(std::bit_width(value)) - 1 - sub_bits;
  const std::size_t sub = static_cast<std::size_t>(value >> shift) & (sub_buckets - 1);
  return (static_cast<std::size_t>(shift) + 1) * sub_buckets + sub;
}

std::uint64_t Histogram::upper_edge(std::size_t index) {
  if (index < sub_buckets) return index;
  const std::size_t shift = index / sub_buckets - 1;
  const std::uint64_t low = (sub_buckets + index % sub_buckets) << shift;
  return low + (std::uint64_t{1} << shift) - 1;
}

void Histogram::add(Duration latency) {
  const std::int64_t value = std::max<std::int64_t>(latency.count(), 0);
  ++buckets_[index_of(static_cast<std::uint64_t>(value))];
  ++count_;
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

Duration Histogram::mean() const {
  return count_ == 0 ? Duration{0}
                     : Duration(static_cast<std::int64_t>(sum_ / static_cast<double>(count_)));
}

Duration Histogram::quantile(double fraction) const {
  if (count_ == 0) return Duration{0};
  const double rank = std::ceil(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(count_));
  const auto wanted = std::max<std::uint64_t>(static_cast<std::uint64_t>(rank), 1);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= wanted) {
      const auto edge = static_cast<std::int64_t>(upper_edge(i));
      return Duration(std::min(edge, max_));
    }
  }
  return max();
}

}  // namespace pgweir::bench
