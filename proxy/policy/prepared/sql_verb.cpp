#include "proxy/policy/prepared/sql_verb.h"

#include <algorithm>

namespace pgweir::policy {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool starts_word(char c) { return (lower(c) >= 'a' && lower(c) <= 'z') || c == '_' || (c & 0x80) != 0; }
bool in_word(char c) { return starts_word(c) || (c >= '0' && c <= '9') || c == '$'; }

std::size_t skip_block_comment(std::string_view sql, std::size_t at) {
  int depth = 0;
  while (at < sql.size()) {
    if (sql.substr(at, 2) == "/*") {
      ++depth, at += 2;
    } else if (sql.substr(at, 2) == "*/") {
      at += 2;
      if (--depth == 0) break;
    } else {
      ++at;
    }
  }
  return at;
}

// White space and comments.
std::size_t skip_blank(std::string_view sql, std::size_t at) {
  while (at < sql.size()) {
    if (is_space(sql[at])) {
      ++at;
    } else if (sql.substr(at, 2) == "--") {
      at = std::min(sql.find('\n', at), sql.size());
    } else if (sql.substr(at, 2) == "/*") {
      at = skip_block_comment(sql, at);
    } else {
      break;
    }
  }
  return at;
}

std::size_t word_end(std::string_view sql, std::size_t at) {
  if (at < sql.size() && starts_word(sql[at])) {
    while (at < sql.size() && in_word(sql[at])) ++at;
  }
  return at;
}

bool is_word(std::string_view text, std::string_view word) {
  return text.size() == word.size() &&
         std::equal(text.begin(), text.end(), word.begin(), [](char a, char b) { return lower(a) == b; });
}

// Takes the word at `at` if it is `word`, with the blanks behind it.
bool take_word(std::string_view sql, std::size_t& at, std::string_view word) {
  const std::size_t end = word_end(sql, at);
  if (!is_word(sql.substr(at, end - at), word)) return false;
  at = skip_blank(sql, end);
  return true;
}

// An identifier; `name` is empty when there is none.
std::size_t read_name(std::string_view sql, std::size_t at, std::string& name) {
  if (at < sql.size() && sql[at] == '"') {
    for (++at; at < sql.size(); ++at) {
      if (sql[at] == '"' && sql.substr(at, 2) != "\"\"") return at + 1;
      if (sql[at] == '"') ++at;
      name += sql[at];
    }
    name.clear();
    return at;
  }
  const std::size_t end = word_end(sql, at);
  name.assign(sql.substr(at, end - at));
  std::transform(name.begin(), name.end(), name.begin(), lower);
  return end;
}

std::size_t skip_quoted(std::string_view sql, std::size_t at, bool escapes) {
  const char quote = sql[at];
  for (++at; at < sql.size(); ++at) {
    if (escapes && sql[at] == '\\') ++at;
    else if (sql[at] == quote) return at + 1;      // a doubled quote opens the next string at once
  }
  return sql.size();
}

// $tag$ ... $tag$; a parameter ($1) is one character.
std::size_t skip_dollar(std::string_view sql, std::size_t at) {
  std::size_t end = at + 1;
  while (end < sql.size() && in_word(sql[end]) && sql[end] != '$') ++end;
  if (end >= sql.size() || sql[end] != '$' || (end > at + 1 && !starts_word(sql[at + 1]))) return at + 1;
  const std::string_view tag = sql.substr(at, end + 1 - at);
  const std::size_t close = sql.find(tag, end + 1);
  return close == std::string_view::npos ? sql.size() : close + tag.size();
}

// Where the statement ends: at its semicolon, or at the end of the text.
std::size_t statement_end(std::string_view sql, std::size_t at) {
  while (at < sql.size()) {
    const std::size_t blank_end = skip_blank(sql, at);
    if (blank_end > at) {
      at = blank_end;
      continue;
    }
    const char c = sql[at];
    if (c == ';') return at;
    if (c == '\'' || c == '"') {
      at = skip_quoted(sql, at, false);
    } else if (c == '$') {
      at = skip_dollar(sql, at);
    } else if (starts_word(c)) {
      const std::size_t end = word_end(sql, at);
      const bool escape_string = end - at == 1 && lower(c) == 'e' && end < sql.size() && sql[end] == '\'';
      at = escape_string ? skip_quoted(sql, end, true) : end;
    } else {
      ++at;
    }
  }
  return at;
}

bool nothing_follows(std::string_view sql, std::size_t at) {
  while ((at = skip_blank(sql, at)) < sql.size()) {
    if (sql[at++] != ';') return false;
  }
  return true;
}

}  // namespace

SqlVerb recognise(std::string_view sql) {
  SqlVerb found;
  std::size_t at = skip_blank(sql, 0);
  Verb verb = Verb::other;
  if (take_word(sql, at, "deallocate")) {
    verb = Verb::deallocate;
    std::size_t behind = at;
    // DEALLOCATE PREPARE x; but DEALLOCATE prepare is of one called so.
    if (take_word(sql, behind, "prepare") && behind < sql.size() && (starts_word(sql[behind]) || sql[behind] == '"'))
      at = behind;
  } else if (take_word(sql, at, "execute")) {
    verb = Verb::execute;
  } else if (take_word(sql, at, "prepare")) {
    verb = Verb::prepare;
  } else {
    return found;
  }
  const std::size_t name_end = read_name(sql, at, found.name);
  const bool quoted = at < sql.size() && sql[at] == '"';
  if (found.name.empty()) return {};
  if (!quoted && ((verb == Verb::deallocate && found.name == "all") ||
                  (verb == Verb::prepare && found.name == "transaction"))) {
    return {};
  }
  const std::size_t end = statement_end(sql, name_end);
  if (!nothing_follows(sql, end)) return {};
  if (verb == Verb::deallocate && skip_blank(sql, name_end) != end) return {};
  found.verb = verb;
  found.name_at = at;
  found.name_end = name_end;
  found.end = end;
  return found;
}

bool touches_statements(std::string_view sql) {
  std::size_t start = 0;
  while (true) {
    std::size_t at = skip_blank(sql, start);
    if (at >= sql.size()) return false;
    const char first = lower(sql[at]);
    if (first == 'd' && (take_word(sql, at, "deallocate") || take_word(sql, at, "discard"))) return true;
    if (first == 'p' && take_word(sql, at, "prepare")) return true;
    start = sql.find(';', start);
    if (start == std::string_view::npos) return false;
    ++start;
  }
}

}  // namespace pgweir::policy
