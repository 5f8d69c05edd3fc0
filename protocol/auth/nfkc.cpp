#include "protocol/auth/nfkc.h"

#include <algorithm>
#include <tuple>

#include "protocol/auth/unicode_tables.h"

namespace pgweir::unicode {
namespace {

// Hangul syllables are numbered by leading consonant, vowel and trailing consonant.
constexpr char32_t syllable_base = 0xAC00, leading_base = 0x1100, vowel_base = 0x1161;
constexpr char32_t trailing_base =
    0x11A7;  // one before the first: no trailing consonant counts as the 0th
constexpr char32_t leading_count = 19, vowel_count = 21, trailing_count = 28;
constexpr char32_t syllable_count = leading_count * vowel_count * trailing_count;

bool is_syllable(char32_t c) {
  return c >= syllable_base && c < syllable_base + syllable_count;
}

std::uint8_t combining_class(char32_t c) {
  const auto at = std::lower_bound(combining_classes.begin(), combining_classes.end(), c,
                                   [](const CombiningClass& a, char32_t b) { return a.code < b; });
  return at != combining_classes.end() && at->code == c ? at->value : std::uint8_t{0};
}

void decompose_syllable(char32_t c, std::u32string& out) {
  const char32_t index = c - syllable_base;
  out += leading_base + index / (vowel_count * trailing_count);
  out += vowel_base + index % (vowel_count * trailing_count) / trailing_count;
  if (const char32_t trailing = index % trailing_count) out += trailing_base + trailing;
}

void decompose(char32_t c, std::u32string& out) {
  if (is_syllable(c)) return decompose_syllable(c, out);
  const auto at = std::lower_bound(decompositions.begin(), decompositions.end(), c,
                                   [](const Decomposition& a, char32_t b) { return a.code < b; });
  if (at == decompositions.end() || at->code != c) {
    out += c;
  } else {
    for (const char32_t part : decomposed.subspan(at->offset, at->length)) out += part;
  }
}

// Sorts each run of combining characters by class; equal ones keep their order.
void order_canonically(std::u32string& text) {
  auto at = text.begin();
  while (at != text.end()) {
    if (combining_class(*at) == 0) {
      ++at;
      continue;
    }
    const auto end =
        std::find_if(at, text.end(), [](char32_t c) { return combining_class(c) == 0; });
    std::stable_sort(
        at, end, [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    at = end;
  }
}

// The character that `first` followed by `second` make, or 0.
char32_t compose_pair(char32_t first, char32_t second) {
  const char32_t leading = first - leading_base, vowel = second - vowel_base;
  if (leading < leading_count && vowel < vowel_count) {
    return syllable_base + (leading * vowel_count + vowel) * trailing_count;
  }
  const char32_t trailing = second - trailing_base;
  const bool open = is_syllable(first) && (first - syllable_base) % trailing_count == 0;
  if (open && trailing > 0 && trailing < trailing_count) return first + trailing;

  const auto wanted = std::tuple(first, second);
  const auto at = std::lower_bound(
      compositions.begin(), compositions.end(), wanted,
      [](const Composition& a, const auto& b) { return std::tuple(a.first, a.second) < b; });
  const bool found = at != compositions.end() && std::tuple(at->first, at->second) == wanted;
  return found ? at->code : 0;
}

// A character joins the last starter unless one of its own class or above, or another starter,
// stands between.
std::u32string compose(const std::u32string& text) {
  std::u32string out;
  std::size_t starter = std::u32string::npos;
  int last_class =
      -1;  // of the character before, since the starter; -1: the starter itself is before
  for (const char32_t c : text) {
    const int own_class = combining_class(c);
    const char32_t joined = starter != std::u32string::npos && last_class < own_class
                                ? compose_pair(out[starter], c)
                                : 0;
    if (joined) {
      out[starter] = joined;
      continue;
    }
    if (own_class == 0) starter = out.size();
    last_class = own_class == 0 ? -1 : own_class;
    out += c;
  }
  return out;
}

}  // namespace

std::u32string to_nfkc(std::u32string_view text) {
  std::u32string parts;
  for (const char32_t c : text) decompose(c, parts);
  order_canonically(parts);
  return compose(parts);
}

}  // namespace pgweir::unicode
