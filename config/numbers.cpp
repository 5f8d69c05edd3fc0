#include "config/numbers.h"

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <string>

namespace pgweir {

namespace {

std::optional<std::int64_t> parse_based(std::string_view text, int base) {
  std::string copy(text);  // strtoll needs the terminator
  if (copy.empty() || copy.find('\0') != std::string::npos) return std::nullopt;
  char* end = nullptr;
  errno = 0;
  long long value = std::strtoll(copy.c_str(), &end, base);
  if (errno != 0 || end == copy.c_str() || *end != '\0') return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) {
  return parse_based(text, 0);
}

std::optional<std::int64_t> parse_decimal(std::string_view text) {
  return parse_based(text, 10);
}

std::optional<Micros> parse_seconds(std::string_view text) {
  std::string copy(text);
  if (copy.empty() || copy.find('\0') != std::string::npos) return std::nullopt;
  char* end = nullptr;
  double seconds = std::strtod(copy.c_str(), &end);
  if (end == copy.c_str() || *end != '\0') return std::nullopt;
  // 292 thousand years are what 63 bits of microseconds hold; the bound stays clear of rounding.
  if (!(seconds >= 0) || seconds > 9e12) return std::nullopt;
  return Micros(std::llround(seconds * 1e6));
}

}  // namespace pgweir
