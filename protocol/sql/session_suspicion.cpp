// The cheap look at a text before it is read for its effects: one pass over its bytes, whatever they are part of.
#include <cstdint>

#include "protocol/sql/lexer.h"
#include "protocol/sql/session_effects.h"
#include "protocol/sql/session_words.h"

namespace pgweir::sql {
namespace {

enum class Byte : std::uint8_t {
  other,
  word,
  gap,         // may stand between a name and its bracket
  striking,    // ( - / & ;
};

constexpr std::array<Byte, 256> make_bytes() {
  std::array<Byte, 256> table{};
  for (int c = 0; c < 256; ++c) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || c >= 0x80;
    const bool gap = c == ' ' || c == '"' || (c >= '\t' && c <= '\r');
    const bool striking = c == '(' || c == '-' || c == '/' || c == '&' || c == ';';
    table[static_cast<std::size_t>(c)] = word ? Byte::word : gap ? Byte::gap : striking ? Byte::striking : Byte::other;
  }
  return table;
}
constexpr std::array<Byte, 256> bytes = make_bytes();
Byte kind_of(char c) { return bytes[static_cast<unsigned char>(c)]; }

// What stands before the name of a function: `pg_catalog.` and nothing else is PostgreSQL's own.
bool is_of_another_schema(std::string_view before) {
  while (!before.empty() && kind_of(before.back()) == Byte::gap) before.remove_suffix(1);
  if (before.empty() || before.back() != '.') return false;
  before.remove_suffix(1);
  constexpr std::string_view own = "pg_catalog";
  return before.size() < own.size() || !is(before.substr(before.size() - own.size()), own) ||
         (before.size() > own.size() && kind_of(before[before.size() - own.size() - 1]) == Byte::word);
}

// Whether a quoted name ends before this bracket that is not just the word: "x-lower"(1).
bool is_oddly_quoted(std::string_view before, std::string_view name) {
  while (!before.empty() && before.back() != '"' && kind_of(before.back()) == Byte::gap) before.remove_suffix(1);
  if (before.empty() || before.back() != '"') return false;
  if (name.empty()) return true;
  const auto begin = static_cast<std::size_t>(name.data() - before.data());
  const bool alone = begin > 0 && begin + name.size() + 1 == before.size() && before[begin - 1] == '"' && (begin < 2 || before[begin - 2] != '"');
  return !alone || is_odd(name);
}

bool begins_with_session_verb(std::string_view sql) {
  const Token first = Lexer(sql).next();
  return first.kind == TokenKind::word && is_one_of(first.text, session_verbs);
}

// A word that is enough by itself.
bool strikes(std::string_view sql, std::size_t at) {
  switch (sql[at]) {
    case 't': case 'T': return is(sql.substr(at, 4), "temp");
    case 'e': case 'E': return is(sql.substr(at, 7), "execute");
    case 'p': case 'P': return is(sql.substr(at, 7), "pg_temp") || is(sql.substr(at, 11), "pg_settings");
    default: return false;
  }
}

}  // namespace

bool may_affect_session(std::string_view sql) {
  if (begins_with_session_verb(sql)) return true;
  std::string_view name;                         // the last word, while nothing but gaps has followed it
  std::size_t at = 0;
  while (at < sql.size()) {
    switch (kind_of(sql[at])) {
      case Byte::word: {
        if (strikes(sql, at)) return true;
        const std::size_t begin = at;
        do ++at;
        while (at < sql.size() && kind_of(sql[at]) == Byte::word);
        name = sql.substr(begin, at - begin);
        continue;
      }
      case Byte::gap:
        break;
      case Byte::other:
        name = {};
        break;
      case Byte::striking: {
        const char c = sql[at];
        if (c == '(' && is_oddly_quoted(sql.substr(0, at), name)) return true;
        if (c == '(' && !name.empty()) {
          if (affects(name) || hides(name) || runs_text(name) || is_foreign(name)) return true;
          if (is_of_another_schema(sql.substr(0, static_cast<std::size_t>(name.data() - sql.data())))) return true;
        }
        // A comment may stand between a name and its bracket; U&"..." is any name.
        const char next = at + 1 < sql.size() ? sql[at + 1] : '\0';
        if ((c == '-' && next == '-') || (c == '/' && next == '*') || (c == '&' && next == '"')) return true;
        if (c == ';' && begins_with_session_verb(sql.substr(at + 1))) return true;
        name = {};
        break;
      }
    }
    ++at;
  }
  return false;
}

}  // namespace pgweir::sql
