#include "proxy/policy/prepared/sql_verb.h"

#include <algorithm>

#include "proxy/policy/prepared/sql_words.h"

namespace pgweir::policy {
namespace {

using namespace words;

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
  // A name like U&"d\0061ta" is left to the server that it meets.
  const bool encoded = at + 2 < sql.size() && lower(sql[at]) == 'u' && sql.substr(at + 1, 2) == "&\"";
  if (verb == Verb::other || encoded) return found;
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
