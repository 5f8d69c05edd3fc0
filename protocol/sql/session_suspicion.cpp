// The cheap look at a text before it is read for its effects: one pass over its bytes, whatever they are part of.
#include <array>
#include <cstdint>
#include <string_view>

#include "protocol/sql/lexer.h"
#include "protocol/sql/session_effects.h"
#include "protocol/sql/session_words.h"

namespace pgweir::sql {
namespace {

enum class Byte : std::uint8_t {
  other,
  word,
  gap,         // may stand between a name and its bracket
};

constexpr std::array<Byte, 256> make_bytes() {
  std::array<Byte, 256> table{};
  for (int c = 0; c < 256; ++c) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || c >= 0x80;
    const bool gap = c == ' ' || c == '"' || (c >= '\t' && c <= '\r');
    table[static_cast<std::size_t>(c)] = word ? Byte::word : gap ? Byte::gap : Byte::other;
  }
  return table;
}
constexpr std::array<Byte, 256> bytes = make_bytes();
Byte kind_of(char c) { return bytes[static_cast<unsigned char>(c)]; }

// All others need no look: they are most, and each costs a load and a branch.
constexpr std::array<bool, 256> make_striking() {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("tTeEpP(-/&;")) table[static_cast<std::size_t>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> striking = make_striking();

// The word that ends `before`, whatever gaps are behind it.
std::string_view last_word(std::string_view before) {
  while (!before.empty() && kind_of(before.back()) == Byte::gap) before.remove_suffix(1);
  std::size_t begin = before.size();
  while (begin > 0 && kind_of(before[begin - 1]) == Byte::word) --begin;
  return before.substr(begin);
}

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
bool word_strikes(std::string_view sql, std::size_t at) {
  if (at > 0 && kind_of(sql[at - 1]) == Byte::word) return false;
  switch (sql[at]) {
    case 't': case 'T': return is(sql.substr(at, 4), "temp");
    case 'e': case 'E': return is(sql.substr(at, 7), "execute");
    default: return is(sql.substr(at, 7), "pg_temp") || is(sql.substr(at, 11), "pg_settings");
  }
}

bool call_strikes(std::string_view before) {
  const std::string_view name = last_word(before);
  if (is_oddly_quoted(before, name)) return true;
  if (name.empty()) return false;
  if (affects(name) || hides(name) || runs_text(name) || is_foreign(name)) return true;
  return is_of_another_schema(before.substr(0, static_cast<std::size_t>(name.data() - before.data())));
}

bool strikes(std::string_view sql, std::size_t at) {
  const char next = at + 1 < sql.size() ? sql[at + 1] : '\0';
  switch (sql[at]) {
    case '(': return call_strikes(sql.substr(0, at));
    // A comment may stand between a name and its bracket; U&"..." is any name.
    case '-': return next == '-';
    case '/': return next == '*';
    case '&': return next == '"';
    case ';': return begins_with_session_verb(sql.substr(at + 1));
    default: return word_strikes(sql, at);
  }
}

}  // namespace

bool may_affect_session(std::string_view sql) {
  if (begins_with_session_verb(sql)) return true;
  for (std::size_t at = 0; at < sql.size(); ++at)
    if (striking[static_cast<unsigned char>(sql[at])] && strikes(sql, at)) return true;
  return false;
}

}  // namespace pgweir::sql
