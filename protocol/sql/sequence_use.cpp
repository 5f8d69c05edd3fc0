#include "protocol/sql/sequence_use.h"

#include <algorithm>

#include "protocol/sql/lexer.h"

namespace pgweir::sql {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool in_word(char c) {
  return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || (c & 0x80) != 0;
}
bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool is(std::string_view text, std::string_view word) {
  return text.size() == word.size() && std::equal(text.begin(), text.end(), word.begin(), [](char a, char b) { return lower(a) == b; });
}

// The word that ends at `end`, without quotation marks.
std::string_view word_before(std::string_view sql, std::size_t end) {
  while (end > 0 && (is_blank(sql[end - 1]) || sql[end - 1] == '"')) --end;
  std::size_t begin = end;
  while (begin > 0 && in_word(sql[begin - 1])) --begin;
  return sql.substr(begin, end - begin);
}

}  // namespace

SequenceUse sequence_use(std::string_view sql) {
  SequenceUse use;
  for (std::size_t at = sql.find('('); at != std::string_view::npos; at = sql.find('(', at + 1)) {
    const std::string_view name = word_before(sql, at);
    if (name.size() < 6 || name.size() > 7) continue;
    use.asks |= is(name, "currval") || is(name, "lastval");
    use.advances |= is(name, "nextval") || is(name, "setval");
    use.seeds |= is(name, "setseed");
  }
  if (!sql.empty() && (lower(sql[0]) == 's' || is_blank(sql[0]))) {
    Lexer lexer(sql);
    if (is(lexer.next().text, "set")) {
      std::string_view name = lexer.next().text;
      if (is(name, "session") || is(name, "local")) name = lexer.next().text;
      use.seeds |= is(name, "seed");
    }
  }
  return use;
}

bool may_advance_sequences(std::string_view sql) {
  for (std::size_t at = 0; at < sql.size(); ++at) {
    if (!in_word(sql[at]) || (at > 0 && in_word(sql[at - 1]))) continue;
    switch (lower(sql[at])) {
      case 'i':
        if (is(sql.substr(at, 6), "insert")) return true;
        break;
      case 'c':
        if (is(sql.substr(at, 4), "copy") || is(sql.substr(at, 4), "call")) return true;
        break;
      case 'd':
        if (is(sql.substr(at, 2), "do") && !(at + 2 < sql.size() && in_word(sql[at + 2]))) return true;
        break;
      case 'e':
        if (is(sql.substr(at, 7), "execute")) return true;
        break;
      case 'm':
        if (is(sql.substr(at, 5), "merge")) return true;
        break;
      default:
        break;
    }
  }
  return false;
}

}  // namespace pgweir::sql
