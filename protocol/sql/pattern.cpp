#include "protocol/sql/pattern.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace pgweir::sql {
namespace {

enum class Byte : std::uint8_t { other, word, digit };

constexpr std::array<Byte, 256> make_bytes() {
  std::array<Byte, 256> table{};
  for (int c = 0; c < 256; ++c) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || c >= 0x80;
    table[static_cast<std::size_t>(c)] = word ? Byte::word : c >= '0' && c <= '9' ? Byte::digit : Byte::other;
  }
  return table;
}
constexpr auto bytes = make_bytes();
Byte kind_of(char c) { return bytes[static_cast<unsigned char>(c)]; }

const char* skip_digits(const char* at, const char* end) {
  while (at < end && kind_of(*at) == Byte::digit) ++at;
  return at;
}

const char* skip_number(const char* at, const char* end) {
  at = skip_digits(at, end);
  return at + 1 < end && *at == '.' && kind_of(at[1]) == Byte::digit ? skip_digits(at + 1, end) : at;
}

// Up to eight bytes as a number, the first one lowest.
std::uint64_t load(const char* at, std::size_t count) {
  std::uint64_t word = 0;
  if (count == 8) std::memcpy(&word, at, 8);
  else std::memcpy(&word, at, count);
  return std::endian::native == std::endian::little ? word : __builtin_bswap64(word);
}

// A bit for each of eight bytes that is a digit or a single quote. All at once, for most are neither.
std::uint64_t values_begin(std::uint64_t word) {
  constexpr std::uint64_t ones = ~std::uint64_t{0} / 255, highs = ones * 0x80;
  const std::uint64_t low = word & ~highs;
  const std::uint64_t digit = (low + ones * (0x80 - '0')) ^ (low + ones * (0x80 - '9' - 1));
  const std::uint64_t no_quote = (low ^ ones * '\'') + ones * 0x7f;
  return (digit | ~no_quote) & ~word & highs;
}

std::uint64_t mix(std::uint64_t state, std::uint64_t word) {
  return (std::rotl(state, 29) ^ word) * 0x9e3779b97f4a7c15ull;
}

// Behind a plain value that begins at `at`; null: there is none.
const char* skip_value(const char* at, const char* end) {
  if (at == end) return nullptr;
  if (*at != '\'') {
    return kind_of(*at) == Byte::digit ? skip_number(at, end) : nullptr;
  }
  while (++at < end && *at != '\'') {
    if (*at == '\\') return nullptr;
  }
  return at == end ? nullptr : at + 1;
}

bool is_plain(std::string_view value, const char* text_end) {
  const char* const end = value.data() + value.size();
  if (skip_value(value.data(), end) != end) return false;
  // Of a longer number, or something that is none, other digits might be another token.
  if (value.front() == '\'' || end == text_end) return true;
  const Byte next = kind_of(*end);
  return next != Byte::word && next != Byte::digit && *end != '.';
}

}  // namespace

std::uint64_t skeleton(std::string_view sql, std::uint64_t seed) {
  const char *at = sql.data(), *from = at;
  const char* const end = at + sql.size();
  std::uint64_t state = mix(seed, 1);
  while (at < end) {
    const auto count = std::min<std::size_t>(8, static_cast<std::size_t>(end - at));
    const std::uint64_t word = load(at, count);
    const std::uint64_t begin = values_begin(word);
    if (begin == 0) {
      state = mix(state, word);
      at += count;
      continue;
    }
    const int bits = std::countr_zero(begin) & ~7;
    state = mix(state, word & ((std::uint64_t{1} << bits) - 1));
    at += bits / 8;
    if (*at == '\'') {
      const void* const close = std::memchr(at + 1, '\'', static_cast<std::size_t>(end - at - 1));
      from = at = close ? static_cast<const char*>(close) + 1 : end;
    } else if (at == from || kind_of(at[-1]) != Byte::word) {
      from = at = skip_number(at, end);
    } else {
      // Part of a name.
      do state = mix(state, static_cast<unsigned char>(*at++));
      while (at < end && kind_of(*at) != Byte::other);
    }
  }
  state ^= state >> 32;
  return state == 0 ? 1 : state;
}

void Pattern::assign(std::string_view sql, const std::vector<std::string_view>& values) {
  text_.assign(sql);
  values_.clear();
  if (sql.size() > text_bytes_max) return;
  for (const std::string_view value : values) {
    if (values_.size() == values_max) return;
    if (!is_plain(value, sql.data() + sql.size())) continue;
    const auto begin = static_cast<std::uint16_t>(value.data() - sql.data());
    values_.push_back({begin, static_cast<std::uint16_t>(begin + value.size())});
  }
}

bool Pattern::fits(std::string_view sql) const {
  const char* at = sql.data();
  const char* const end = at + sql.size();
  std::size_t from = 0;
  for (const Value value : values_) {
    const std::size_t same = value.begin - from;
    if (static_cast<std::size_t>(end - at) <= same || std::memcmp(at, text_.data() + from, same) != 0) return false;
    at += same;
    if ((*at == '\'') != (text_[value.begin] == '\'')) return false;
    at = skip_value(at, end);
    if (!at) return false;
    from = value.end;
  }
  return std::string_view(at, static_cast<std::size_t>(end - at)) == std::string_view(text_).substr(from);
}

}  // namespace pgweir::sql
