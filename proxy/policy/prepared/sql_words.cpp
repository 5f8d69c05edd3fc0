#include "proxy/policy/prepared/sql_words.h"

#include <algorithm>

namespace pgweir::policy::words {

static bool in_word(char c) { return starts_word(c) || (c >= '0' && c <= '9') || c == '$'; }

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

static std::size_t word_end(std::string_view sql, std::size_t at) {
  if (at < sql.size() && starts_word(sql[at])) {
    while (at < sql.size() && in_word(sql[at])) ++at;
  }
  return at;
}

bool is_word(std::string_view text, std::string_view word) {
  return text.size() == word.size() &&
         std::equal(text.begin(), text.end(), word.begin(), [](char a, char b) { return lower(a) == b; });
}

bool take_word(std::string_view sql, std::size_t& at, std::string_view word) {
  const std::size_t end = word_end(sql, at);
  if (!is_word(sql.substr(at, end - at), word)) return false;
  at = skip_blank(sql, end);
  return true;
}

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

static std::size_t skip_quoted(std::string_view sql, std::size_t at, bool escapes) {
  const char quote = sql[at];
  for (++at; at < sql.size(); ++at) {
    if (escapes && sql[at] == '\\') ++at;
    else if (sql[at] == quote) return at + 1;      // a doubled quote opens the next string at once
  }
  return sql.size();
}

// $tag$ ... $tag$; a parameter ($1) is one character.
static std::size_t skip_dollar(std::string_view sql, std::size_t at) {
  std::size_t end = at + 1;
  while (end < sql.size() && in_word(sql[end]) && sql[end] != '$') ++end;
  if (end >= sql.size() || sql[end] != '$' || (end > at + 1 && !starts_word(sql[at + 1]))) return at + 1;
  const std::string_view tag = sql.substr(at, end + 1 - at);
  const std::size_t close = sql.find(tag, end + 1);
  return close == std::string_view::npos ? sql.size() : close + tag.size();
}

std::size_t next_token(std::string_view sql, std::size_t at) {
  const char c = sql[at];
  if (c == '\'' || c == '"') return skip_quoted(sql, at, false);
  if (c == '$') return skip_dollar(sql, at);
  if (!starts_word(c)) return at + 1;
  const std::size_t end = word_end(sql, at);
  const bool escape_string = end - at == 1 && lower(c) == 'e' && end < sql.size() && sql[end] == '\'';
  return escape_string ? skip_quoted(sql, end, true) : end;
}

std::size_t statement_end(std::string_view sql, std::size_t at) {
  for (at = skip_blank(sql, at); at < sql.size() && sql[at] != ';'; at = skip_blank(sql, at)) at = next_token(sql, at);
  return std::min(at, sql.size());
}

}  // namespace pgweir::policy::words
