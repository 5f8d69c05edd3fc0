#include "proxy/policy/prepared/trace_comment.h"

#include "proxy/policy/prepared/sql_words.h"

namespace pgweir::policy {
namespace {

bool in_key(char c) {
  return words::starts_word(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '%';
}

// `key='value'` or `key:value`, as the beginning of a list of such.
bool begins_with_pair(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && words::is_space(text[at])) ++at;
  const std::size_t key = at;
  while (at < text.size() && in_key(text[at])) ++at;
  if (at == key || at + 1 >= text.size()) return false;
  return text[at] == ':' || (text[at] == '=' && text[at + 1] == '\'');
}

}  // namespace

std::string_view without_trace_comment(std::string_view sql) {
  std::size_t end = sql.size();
  while (end > 0 && (words::is_space(sql[end - 1]) || sql[end - 1] == ';')) --end;
  if (end < 4 || sql.substr(end - 2, 2) != "*/") return sql;
  // With standard_conforming_strings off a backslash would decide where strings end.
  if (sql.find('\\') != std::string_view::npos) return sql;
  std::size_t at = 0;
  while (at < end) {
    const std::size_t token_end = words::next_token(sql, at);
    if (sql.substr(at, 2) == "--") {
      at = sql.find('\n', at);
      if (at == std::string_view::npos) return sql;
    } else if (sql.substr(at, 2) == "/*") {
      const std::size_t comment_end = words::skip_block_comment(sql, at);
      if (comment_end == end) {
        const std::string_view inside = sql.substr(at + 2, end - at - 4);
        return begins_with_pair(inside) ? sql.substr(0, at) : sql;
      }
      at = comment_end;
    } else {
      at = token_end;
    }
  }
  return sql;
}

}  // namespace pgweir::policy
