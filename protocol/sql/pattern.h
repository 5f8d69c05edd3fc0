// Texts that differ in nothing but plain values have one digest: that of one is known from the other's without reading it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::sql {

// The same for texts that differ in plain values only, and for few others: a key to find a Pattern by.
std::uint64_t skeleton(std::string_view sql, std::uint64_t seed);

// A text with the places where other values may stand. Plain are numbers of digits with at most a point inside, and strings
// in single quotes with neither quotes nor backslashes inside, so that the tokens around them are the same whatever the values are.
class Pattern {
 public:
  static constexpr std::size_t text_bytes_max = 0xffff;
  static constexpr std::size_t values_max = 64;      // what comes behind counts as written

  // `values`: those that digest() has named, which point into `sql`.
  void assign(std::string_view sql, const std::vector<std::string_view>& values);
  bool fits(std::string_view sql) const;
  std::size_t bytes() const { return text_.capacity() + values_.capacity() * sizeof(Value); }

 private:
  struct Value {
    std::uint16_t begin, end;
  };
  std::string text_;
  std::vector<Value> values_;
};

}  // namespace pgweir::sql
