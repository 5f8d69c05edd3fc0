#include "protocol/auth/saslprep.h"

#include <algorithm>
#include <optional>
#include <span>

#include "protocol/auth/nfkc.h"
#include "protocol/auth/unicode_tables.h"

namespace pgweir {
namespace {

bool in_table(char32_t c, std::span<const unicode::Range> table) {
  const auto after =
      std::upper_bound(table.begin(), table.end(), c,
                       [](char32_t a, const unicode::Range& b) { return a < b.first; });
  return after != table.begin() && c <= std::prev(after)->last;
}

// Takes one character off the front of `text`; nothing when it is no valid UTF-8 (also overlong,
// surrogates).
std::optional<char32_t> take_utf8(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const std::size_t size = lead < 0x80             ? 1
                           : (lead & 0xE0) == 0xC0 ? 2
                           : (lead & 0xF0) == 0xE0 ? 3
                           : (lead & 0xF8) == 0xF0 ? 4
                                                   : 0;
  if (size == 0 || size > text.size()) return std::nullopt;
  constexpr unsigned char lead_mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  char32_t c = lead & lead_mask[size];
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return std::nullopt;
    c = c << 6 | (byte(i) & 0x3F);
  }
  if (c < least[size] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return std::nullopt;
  text.remove_prefix(size);
  return c;
}

void append_utf8(char32_t c, std::string& out) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

// RFC 4013, section 2.1.
std::optional<std::u32string> map(std::string_view password) {
  std::u32string mapped;
  while (!password.empty()) {
    const auto c = take_utf8(password);
    if (!c) return std::nullopt;
    if (in_table(*c, unicode::non_ascii_spaces)) {
      mapped += U' ';
    } else if (!in_table(*c, unicode::mapped_to_nothing)) {
      mapped += *c;
    }
  }
  return mapped;
}

// RFC 3454, section 6: text with a right-to-left character has no left-to-right one, and begins and
// ends so.
bool directions_agree(std::u32string_view text) {
  const auto right = [](char32_t c) { return in_table(c, unicode::right_to_left); };
  const auto left = [](char32_t c) { return in_table(c, unicode::left_to_right); };
  if (std::none_of(text.begin(), text.end(), right)) return true;
  return std::none_of(text.begin(), text.end(), left) && right(text.front()) && right(text.back());
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

std::string saslprep(std::string_view password) {
  const std::string as_it_is(password);
  // PostgreSQL looks no closer at ASCII, not even for control characters, which RFC 4013 forbids.
  if (is_ascii(password)) return as_it_is;
  const auto mapped = map(password);
  if (!mapped || mapped->empty()) return as_it_is;
  // PostgreSQL judges the characters before normalization, RFC 4013 those after it. The keys have
  // to be PostgreSQL's.
  const bool legal = std::none_of(mapped->begin(), mapped->end(),
                                  [](char32_t c) { return in_table(c, unicode::forbidden); });
  if (!legal || !directions_agree(*mapped)) return as_it_is;
  std::string prepared;
  for (const char32_t c : unicode::to_nfkc(*mapped)) append_utf8(c, prepared);
  return prepared;
}

}  // namespace pgweir
