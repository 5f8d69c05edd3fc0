// digest.h's hash(): eight bytes at a time through a 64 x 64 -> 128 bit multiplication, folded.
#include <cstring>

#include "protocol/sql/digest.h"

namespace pgweir::sql {
namespace {

// Odd numbers without structure: the first digits of pi's and e's fractions in hexadecimal.
constexpr std::uint64_t salt_a = 0x243f6a8885a308d3ull;
constexpr std::uint64_t salt_b = 0xb7e151628aed2a6bull;

std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t load(const char* at, std::size_t count) {
  std::uint64_t value = 0;
  // An empty view may have a null pointer, which memcpy must not see, even for no bytes.
  if (count > 0) std::memcpy(&value, at, count);
  return value;
}

}  // namespace

std::uint64_t hash(std::string_view bytes, std::uint64_t seed) {
  std::uint64_t state = seed ^ salt_a ^ (bytes.size() * salt_b);
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 16; left -= 16, at += 16) {
    state = fold(load(at, 8) ^ salt_b, load(at + 8, 8) ^ state ^ salt_a);
  }
  if (left >= 8) {
    state = fold(load(at, 8) ^ salt_b, state ^ salt_a);
    left -= 8, at += 8;
  }
  state = fold(load(at, left) ^ state ^ salt_b, state + salt_a);
  state = fold(state ^ salt_a, salt_b);
  return state == 0 ? 1 : state;
}

}  // namespace pgweir::sql
