// Small pieces of text handling that several files of this room share.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace pgweir {

// The parts one after another.
inline std::string concat(std::initializer_list<std::string_view> parts) {
  std::string whole;
  for (std::string_view part : parts) whole += part;
  return whole;
}

// What isspace() of the C locale says, without asking a locale.
inline bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

inline std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace pgweir
