#include "protocol/auth/scram_grammar.h"

#include <algorithm>

namespace pgweir {

std::optional<ScramAttributes::Attribute> ScramAttributes::next() {
  if (!more_) return std::nullopt;
  const std::size_t comma = left_.find(',');
  const std::string_view text = left_.substr(0, comma);
  more_ = comma != std::string_view::npos;
  left_ = more_ ? left_.substr(comma + 1) : std::string_view{};
  const bool lettered = text.size() >= 2 && text[1] == '=' &&
                        ((text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z'));
  if (!lettered) {
    more_ = false;
    return std::nullopt;
  }
  return Attribute{text[0], text.substr(2)};
}

std::optional<std::string_view> ScramAttributes::take(char letter) {
  const auto attribute = next();
  if (!attribute || attribute->letter != letter) {
    more_ = false;
    return std::nullopt;
  }
  return attribute->value;
}

bool ScramAttributes::skip_rest() {
  while (more_) {
    if (!next()) return false;
  }
  return true;
}

bool is_scram_nonce(std::string_view text) {
  return !text.empty() && text.size() <= scram_nonce_bytes_max &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= 0x21 && c <= 0x7e && c != ','; });
}

bool is_scram_message(std::string_view text) {
  return !text.empty() && text.size() <= scram_message_bytes_max &&
         text.find('\0') == std::string_view::npos;
}

}  // namespace pgweir
