#include "proxy/policy/prepared/trace_comment.h"

#include <algorithm>

#include "proxy/policy/prepared/sql_words.h"

namespace pgweir::policy {
namespace {

bool in_key(char c) {
  return words::starts_word(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '%';
}

// `key='value'`, `key=value` or `key:value`, as the beginning of a list of such.
bool begins_with_pair(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && words::is_space(text[at])) ++at;
  const std::size_t key = at;
  while (at < text.size() && in_key(text[at])) ++at;
  if (at == key || at + 1 >= text.size()) return false;
  return text[at] == ':' || text[at] == '=';
}

// Where the text ends without the comment at its end.
std::size_t end_without_comment(std::string_view sql) {
  std::size_t end = sql.size();
  while (end > 0 && (words::is_space(sql[end - 1]) || sql[end - 1] == ';')) --end;
  if (end < 4 || sql.substr(end - 2, 2) != "*/") return sql.size();
  // With standard_conforming_strings off a backslash would decide where strings end.
  if (sql.find('\\') != std::string_view::npos) return sql.size();
  std::size_t at = 0;
  while (at < end) {
    const std::size_t token_end = words::next_token(sql, at);
    if (sql.substr(at, 2) == "--") {
      at = sql.find('\n', at);
      if (at == std::string_view::npos) return sql.size();
    } else if (sql.substr(at, 2) == "/*") {
      const std::size_t comment_end = words::skip_block_comment(sql, at);
      if (comment_end == end) {
        const std::string_view inside = sql.substr(at + 2, end - at - 4);
        return begins_with_pair(inside) ? at : sql.size();
      }
      at = comment_end;
    } else {
      at = token_end;
    }
  }
  return sql.size();
}

}  // namespace

WithoutTrace without_trace_comments(std::string_view sql) {
  WithoutTrace found;
  found.end = sql.size();
  std::size_t begin = 0;
  while (begin < sql.size() && words::is_space(sql[begin])) ++begin;
  const bool leads = sql.substr(begin, 2) == "/*";
  if (!leads && sql.find("*/") == std::string_view::npos) return found;
  // A hint counts only in the first comment: what is not first must not become it.
  if (sql.find("/*+") != std::string_view::npos) return found;
  found.end = end_without_comment(sql);
  if (!leads || found.end <= begin) return found;
  const std::size_t end = words::skip_block_comment(sql, begin);
  const std::string_view comment = sql.substr(begin, end - begin);
  // Positions count characters, and who knows how many those are beyond ASCII.
  const bool ascii = std::all_of(comment.begin(), comment.end(), [](char c) { return (c & 0x80) == 0; });
  if (!ascii || comment.size() < 4 || !comment.ends_with("*/") || !begins_with_pair(comment.substr(2, comment.size() - 4))) return found;
  found.blank_begin = begin;
  found.blank_end = end;
  return found;
}

}  // namespace pgweir::policy
