#include "proxy/observe/spread.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace pgweir {

unsigned Histogram::bucket_of(std::uint64_t us) {
  if (us < 4) return static_cast<unsigned>(us);
  const unsigned exponent = static_cast<unsigned>(std::bit_width(us)) - 1;
  const unsigned bucket = 4 * (exponent - 1) + static_cast<unsigned>((us >> (exponent - 2)) & 3);
  return std::min(bucket, buckets_max - 1);
}

std::uint64_t Histogram::floor_of(unsigned bucket) {
  if (bucket < 4) return bucket;
  return (4ull + bucket % 4) << (bucket / 4 - 1);
}

void Histogram::add(std::uint64_t us, std::uint32_t times) {
  const unsigned bucket = bucket_of(us);
  if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
  buckets_[bucket] += times;
}

Histogram& Histogram::operator+=(const Histogram& other) {
  if (buckets_.size() < other.buckets_.size()) buckets_.resize(other.buckets_.size());
  for (std::size_t i = 0; i < other.buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  return *this;
}

std::uint64_t Histogram::count() const {
  return std::accumulate(buckets_.begin(), buckets_.end(), std::uint64_t{0});
}

double Histogram::quantile(double q) const {
  const double wanted = q * static_cast<double>(count());
  double seen = 0;
  for (unsigned i = 0; i < buckets_.size(); ++i) {
    if (buckets_[i] == 0 || seen + buckets_[i] < wanted) {
      seen += buckets_[i];
      continue;
    }
    const auto low = static_cast<double>(floor_of(i)), high = static_cast<double>(floor_of(i + 1));
    return low + (high - low) * std::clamp((wanted - seen) / buckets_[i], 0.0, 1.0);
  }
  return 0;
}

// The first, or one that differs from those before.
bool Spread::add_another(std::uint64_t us) {
  if (count_ == 0) {
    min_us_ = max_us_ = total_us_ = us;
    count_ = 1;
    return false;
  }
  const std::size_t before = bytes();
  if (uniform()) {
    histogram_.add(min_us_, static_cast<std::uint32_t>(count_));
    squares_ = square(min_us_) * static_cast<double>(count_);
  }
  min_us_ = std::min(min_us_, us);
  max_us_ = std::max(max_us_, us);
  ++count_;
  total_us_ += us;
  squares_ += square(us);
  histogram_.add(us);
  return bytes() != before;
}

void Spread::reset() {
  count_ = total_us_ = min_us_ = max_us_ = 0;
  squares_ = 0;
  histogram_.reset();
}

Histogram Spread::histogram() const {
  if (!uniform() || count_ == 0) return histogram_;
  Histogram made;
  made.add(min_us_, static_cast<std::uint32_t>(count_));
  return made;
}

Spread& Spread::operator+=(const Spread& other) {
  if (other.count_ == 0) return *this;
  if (count_ == 0) return *this = other;
  if (!uniform() || !other.uniform() || min_us_ != other.min_us_) {
    histogram_ = histogram();
    histogram_ += other.histogram();
  }
  squares_ = sum_of_squares() + other.sum_of_squares();
  count_ += other.count_;
  total_us_ += other.total_us_;
  min_us_ = std::min(min_us_, other.min_us_);
  max_us_ = std::max(max_us_, other.max_us_);
  return *this;
}

double Spread::stddev_ms() const {
  if (uniform()) return 0;
  const auto count = static_cast<double>(count_), mean = static_cast<double>(total_us_) / count;
  return std::sqrt(std::max(0.0, squares_ / count - mean * mean)) / 1000;
}

double Spread::quantile_ms(double q) const {
  if (uniform()) return min_ms();
  return std::clamp(histogram_.quantile(q) / 1000, min_ms(), max_ms());
}

}  // namespace pgweir
