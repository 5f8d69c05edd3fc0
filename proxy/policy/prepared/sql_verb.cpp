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

// Behind the token at `at`, which is no blank.
std::size_t next_token(std::string_view sql, std::size_t at) {
  const char c = sql[at];
  if (c == '\'' || c == '"') return skip_quoted(sql, at, false);
  if (c == '$') return skip_dollar(sql, at);
  if (!starts_word(c)) return at + 1;
  const std::size_t end = word_end(sql, at);
  const bool escape_string = end - at == 1 && lower(c) == 'e' && end < sql.size() && sql[end] == '\'';
  return escape_string ? skip_quoted(sql, end, true) : end;
}

// Where the statement ends: at its semicolon, or at the end of the text.
std::size_t statement_end(std::string_view sql, std::size_t at) {
  for (at = skip_blank(sql, at); at < sql.size() && sql[at] != ';'; at = skip_blank(sql, at)) at = next_token(sql, at);
  return std::min(at, sql.size());
}

// Where what is executed begins, in EXPLAIN [options] EXECUTE and CREATE TABLE ... AS EXECUTE. npos: it is neither.
std::size_t find_execute(std::string_view sql, std::size_t at) {
  if (take_word(sql, at, "explain")) {
    if (at < sql.size() && sql[at] == '(') at = skip_blank(sql, std::min(sql.find(')', at), sql.size() - 1) + 1);
    while (take_word(sql, at, "analyze") || take_word(sql, at, "verbose")) {
    }
  } else if (take_word(sql, at, "create")) {
    bool behind_as = false;
    while (at < sql.size() && sql[at] != ';') {
      const std::size_t end = next_token(sql, at);
      if (behind_as && is_word(sql.substr(at, end - at), "execute")) break;
      behind_as = is_word(sql.substr(at, end - at), "as");
      at = skip_blank(sql, end);
    }
  } else {
    return std::string_view::npos;
  }
  return at;
}

// The statement that begins at `begin`, which is no blank.
SqlVerb read_statement(std::string_view sql, std::size_t begin) {
  SqlVerb found;
  found.begin = begin;
  std::size_t at = begin;
  Verb verb = Verb::other;
  if (take_word(sql, at, "deallocate")) {
    verb = Verb::deallocate;
    std::size_t behind = at;
    // DEALLOCATE PREPARE x; but DEALLOCATE prepare is of one called so.
    if (take_word(sql, behind, "prepare") && behind < sql.size() && (starts_word(sql[behind]) || sql[behind] == '"'))
      at = behind;
  } else if (take_word(sql, at, "discard")) {
    verb = Verb::forget_all;
  } else if (take_word(sql, at, "prepare")) {
    verb = Verb::prepare;
  } else {
    const std::size_t execute = find_execute(sql, at);
    if (execute != std::string_view::npos) at = execute;
    if (take_word(sql, at, "execute")) verb = Verb::execute;
  }
  found.end = statement_end(sql, at);
  if (verb == Verb::other) return found;
  const bool quoted = at < sql.size() && sql[at] == '"';
  found.name_at = at;
  found.name_end = read_name(sql, at, found.name);
  const bool ends_there = skip_blank(sql, found.name_end) == found.end;
  const bool all = !quoted && found.name == "all" && ends_there;
  if (found.name.empty() || found.name_end > found.end) return found;
  if (verb == Verb::forget_all) {
    if (all) found.verb = verb;
  } else if (verb == Verb::deallocate) {
    if (ends_there) found.verb = all ? Verb::forget_all : verb;
  } else if (verb != Verb::prepare || quoted || found.name != "transaction") {
    found.verb = verb;
  }
  return found;
}

template <typename F>
bool any_beginning(std::string_view sql, F&& wanted) {
  std::size_t start = 0;
  while (true) {
    const std::size_t at = skip_blank(sql, start);
    if (at >= sql.size()) return false;
    if (wanted(at, lower(sql[at]))) return true;
    start = sql.find(';', start);
    if (start == std::string_view::npos) return false;
    ++start;
  }
}

}  // namespace

std::vector<SqlVerb> verbs_in(std::string_view sql) {
  std::vector<SqlVerb> found;
  for (std::size_t at = skip_blank(sql, 0); at < sql.size(); at = skip_blank(sql, at)) {
    if (sql[at] == ';') {
      ++at;
      continue;
    }
    SqlVerb one = read_statement(sql, at);
    at = std::max(one.end, at + 1);
    if (one.verb != Verb::other) found.push_back(std::move(one));
  }
  return found;
}

SqlVerb recognise(std::string_view sql) {
  std::size_t at = skip_blank(sql, 0);
  while (at < sql.size() && sql[at] == ';') at = skip_blank(sql, at + 1);
  if (at == sql.size()) return {};
  const char first = lower(sql[at]);
  if (first != 'p' && first != 'e' && first != 'd' && first != 'c') return {};
  SqlVerb found = read_statement(sql, at);
  for (std::size_t behind = found.end; (behind = skip_blank(sql, behind)) < sql.size(); ++behind) {
    if (sql[behind] != ';') return {};
  }
  return found;
}

bool touches_statements(std::string_view sql) {
  return any_beginning(sql, [sql](std::size_t at, char first) {
    if (first == 'd') return take_word(sql, at, "deallocate") || take_word(sql, at, "discard");
    return first == 'p' && take_word(sql, at, "prepare");
  });
}

bool may_execute(std::string_view sql) {
  return any_beginning(sql, [sql](std::size_t at, char first) {
    if (first == 'c') return take_word(sql, at, "create");
    return first == 'e' && (take_word(sql, at, "execute") || take_word(sql, at, "explain"));
  });
}

}  // namespace pgweir::policy
