#include "protocol/sql/config_call.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace pgweir::sql {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is_true(std::string_view text) {
  std::string word(text);
  std::transform(word.begin(), word.end(), word.begin(), lower);
  return word == "true" || word == "'t'" || word == "'true'";
}

// What a plain literal holds; empty: it holds nothing, or escapes.
std::string_view contents(std::string_view literal) {
  if (literal.front() == '$') {
    const std::size_t mark = literal.find('$', 1) + 1;
    return literal.size() > 2 * mark ? literal.substr(mark, literal.size() - 2 * mark) : std::string_view{};
  }
  if (lower(literal.front()) == 'e') literal.remove_prefix(1);
  if (literal.size() < 3 || literal.front() != '\'' || literal.back() != '\'') return {};
  literal = literal.substr(1, literal.size() - 2);
  return literal.find_first_of("'\\") == std::string_view::npos ? literal : std::string_view{};
}

}  // namespace

ConfigCall read_config_call(Lexer lexer, Token first) {
  struct Argument {
    Token first;
    unsigned tokens = 0;
  };
  ConfigCall call;
  std::array<Argument, 4> arguments;
  std::size_t last = 0;
  int depth = 0;
  for (Token token = first; token.kind != TokenKind::end; token = lexer.next()) {
    if (depth == 0 && token.is(')')) {
      call.whole = true;
      break;
    }
    if (token.is('(') || token.is('[')) ++depth;
    if (token.is(')') || token.is(']')) --depth;
    if (depth == 0 && token.is(',')) {
      last = std::min(last + 1, arguments.size() - 1);
      continue;
    }
    Argument& argument = arguments[last];
    if (argument.tokens++ == 0) argument.first = token;
    // With the type that it is given: '...'::text
    if (argument.tokens == 2 && token.kind == TokenKind::cast) argument.tokens = 1, (void)lexer.next();
  }
  call.is_local = call.whole && last == 2 && arguments[2].tokens == 1 && is_true(arguments[2].first.text);
  if (last == 0 || arguments[0].tokens != 1) return call;
  const std::string_view name = arguments[0].first.text;
  if (arguments[0].first.kind == TokenKind::parameter) {
    std::from_chars(name.data() + 1, name.data() + name.size(), call.parameter);
  } else if (arguments[0].first.kind == TokenKind::string && !arguments[0].first.cut) {
    call.setting = contents(name);
    std::transform(call.setting.begin(), call.setting.end(), call.setting.begin(), lower);
  }
  return call;
}

}  // namespace pgweir::sql
