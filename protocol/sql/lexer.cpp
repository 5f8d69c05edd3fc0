#include "protocol/sql/lexer.h"

#include <array>

namespace pgweir::sql {
namespace {

enum Class : std::uint8_t { other = 0, blank = 1, letter = 2, digit = 4, operator_char = 8, dollar_sign = 16 };

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> table{};
  for (const char c : {' ', '\t', '\n', '\r', '\f', '\v'})
    table[static_cast<std::uint8_t>(c)] = blank;
  for (int c = 'a'; c <= 'z'; ++c) table[c] = letter;
  for (int c = 'A'; c <= 'Z'; ++c) table[c] = letter;
  for (int c = 128; c < 256; ++c) table[c] = letter;
  table['_'] = letter;
  table['$'] = dollar_sign;
  for (int c = '0'; c <= '9'; ++c) table[c] = digit;
  for (const char c :
       {'~', '!', '@', '#', '%', '^', '&', '|', '`', '?', '+', '-', '*', '/', '<', '>', '='}) {
    table[static_cast<std::uint8_t>(c)] = operator_char;
  }
  return table;
}
constexpr auto classes = make_classes();

bool in(char c, unsigned set) {
  return (classes[static_cast<std::uint8_t>(c)] & set) != 0;
}
bool continues_word(char c) {
  return in(c, letter | digit | dollar_sign);
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

}  // namespace

Token Lexer::next() {
  const std::size_t before = at_;
  if (!skip_blanks_and_comments()) return {TokenKind::unknown, true, text_.substr(before, 0)};
  if (at_ >= text_.size()) return {};
  const std::size_t from = at_;
  const char c = text_[at_];
  if (in(c, letter)) return prefixed_or_word();
  if (in(c, digit) || (c == '.' && in(peek(1), digit))) return number();
  if (in(c, operator_char)) return operation();
  switch (c) {
    case '\'':
      return quoted_run(TokenKind::string, from, '\'', false);
    case '"':
      return quoted_run(TokenKind::quoted, from, '"', false);
    case '$':
      return dollar();
    case ':':
      at_ += peek(1) == ':' || peek(1) == '=' ? 2 : 1;
      if (at_ - from == 1) return finish(TokenKind::symbol, from);
      return finish(text_[from + 1] == ':' ? TokenKind::cast : TokenKind::operation, from);
    case '.':
      at_ += peek(1) == '.' ? 2 : 1;
      return finish(at_ - from == 2 ? TokenKind::operation : TokenKind::symbol, from);
    case '(':
    case ')':
    case '[':
    case ']':
    case ',':
    case ';':
      ++at_;
      return finish(TokenKind::symbol, from);
    default:
      ++at_;
      return finish(TokenKind::unknown, from);
  }
}

// False: a comment has no end.
bool Lexer::skip_blanks_and_comments() {
  for (;;) {
    while (at_ < text_.size() && in(text_[at_], blank)) ++at_;
    if (peek() == '-' && peek(1) == '-') {
      while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
    } else if (peek() == '/' && peek(1) == '*') {
      if (!skip_block_comment()) return false;
    } else {
      return true;
    }
  }
}

bool Lexer::skip_block_comment() {
  unsigned depth = 1;
  at_ += 2;
  while (at_ < text_.size()) {
    if (peek() == '*' && peek(1) == '/') {
      at_ += 2;
      if (--depth == 0) return true;
    } else if (peek() == '/' && peek(1) == '*') {
      at_ += 2;
      ++depth;
    } else {
      ++at_;
    }
  }
  return false;
}

Token Lexer::prefixed_or_word() {
  const std::size_t from = at_;
  const char first = lower(text_[at_]);
  if (peek(1) == '\'') {
    if (first == 'e') return ++at_, quoted_run(TokenKind::string, from, '\'', true);
    if (first == 'b' || first == 'x')
      return ++at_, quoted_run(TokenKind::string, from, '\'', false);
    if (first == 'n') return ++at_, quoted_run(TokenKind::national, from, '\'', false);
  } else if (first == 'u' && peek(1) == '&' && (peek(2) == '\'' || peek(2) == '"')) {
    const char mark = peek(2);
    at_ += 2;
    return quoted_run(mark == '"' ? TokenKind::quoted : TokenKind::string, from, mark, false);
  }
  const char* end = text_.data() + at_;
  for (const char* const last = text_.data() + text_.size(); end < last && continues_word(*end);) ++end;
  at_ = static_cast<std::size_t>(end - text_.data());
  return finish(TokenKind::word, from);
}

// at_ stands on the opening mark. A doubled mark is part of the contents.
Token Lexer::quoted_run(TokenKind kind, std::size_t from, char mark, bool backslashes) {
  for (++at_; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c == '\\' && backslashes) {
      ++at_;
    } else if (c == mark) {
      ++at_;
      if (peek() != mark || at_ >= text_.size()) return finish(kind, from);
    }
  }
  at_ = text_.size();
  return finish(kind, from, true);
}

Token Lexer::dollar() {
  const std::size_t from = at_++;
  if (in(peek(), digit)) {
    while (in(peek(), digit)) ++at_;
    return finish(TokenKind::parameter, from);
  }
  if (in(peek(), letter)) {
    while (in(peek(), letter | digit)) ++at_;
  }
  if (peek() == '$') {
    ++at_;
    return dollar_string(from, at_ - from);
  }
  at_ = from + 1;
  return finish(TokenKind::unknown, from);
}

Token Lexer::dollar_string(std::size_t from, std::size_t opening_size) {
  const std::size_t end = text_.find(text_.substr(from, opening_size), at_);
  const bool cut = end == std::string_view::npos;
  at_ = cut ? text_.size() : end + opening_size;
  return finish(TokenKind::string, from, cut);
}

Token Lexer::number() {
  const std::size_t from = at_;
  const char base = lower(peek(1));
  if (peek() == '0' && (base == 'x' || base == 'o' || base == 'b') && in(peek(2), letter | digit)) {
    at_ += 2;
    while (in(peek(), letter | digit)) ++at_;
    return finish(TokenKind::number, from);
  }
  const auto digits = [&] {
    while (in(peek(), digit) || (peek() == '_' && in(peek(1), digit))) ++at_;
  };
  digits();
  if (peek() == '.' && peek(1) != '.') {
    ++at_;
    digits();
  }
  if (lower(peek()) == 'e') {
    const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
    if (in(peek(1 + sign), digit)) {
      at_ += 1 + sign;
      digits();
    }
  }
  return finish(TokenKind::number, from);
}

// An operator ends where a comment begins, and ends in + or - only if it holds one of ~!@#%^&|`?.
Token Lexer::operation() {
  const std::size_t from = at_;
  bool special = false;
  while (in(peek(), operator_char)) {
    const char c = peek();
    if (at_ > from && ((c == '-' && peek(1) == '-') || (c == '/' && peek(1) == '*'))) break;
    special |= c != '+' && c != '-' && c != '*' && c != '/' && c != '<' && c != '>' && c != '=';
    ++at_;
  }
  if (!special) {
    while (at_ - from > 1 && (text_[at_ - 1] == '+' || text_[at_ - 1] == '-')) --at_;
  }
  return finish(TokenKind::operation, from);
}

}  // namespace pgweir::sql
