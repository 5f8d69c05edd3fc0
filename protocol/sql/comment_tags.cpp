#include "protocol/sql/comment_tags.h"

#include <optional>

namespace pgweir::sql {
namespace {

constexpr std::size_t tags_max = 16;
constexpr std::size_t value_bytes_max = 200;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && (is_blank(text.back()) || text.back() == ';')) text.remove_suffix(1);
  return text;
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// `%27` is a quote; a backslash before a quote goes.
std::string decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0) {
      result += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else if (text[i] != '\\') {
      result += text[i];
    }
  }
  return result.substr(0, value_bytes_max);
}

// `key='value'` off the front; nothing when it is anything else.
std::optional<std::pair<std::string, std::string>> take_pair(std::string_view& text) {
  const std::size_t sign = text.find('=');
  if (sign == std::string_view::npos || sign == 0 || sign + 1 >= text.size() || text[sign + 1] != '\'') return std::nullopt;
  const std::string_view key = trimmed(text.substr(0, sign));
  if (key.empty() || key.find_first_of(" '\n\t*/") != std::string_view::npos) return std::nullopt;
  std::size_t end = sign + 2;
  while (end < text.size() && text[end] != '\'') end += text[end] == '\\' ? 2 : 1;
  if (end >= text.size()) return std::nullopt;
  std::pair<std::string, std::string> pair{decoded(key), decoded(text.substr(sign + 2, end - sign - 2))};
  text = trimmed(text.substr(end + 1));
  return pair;
}

CommentTags tags_in(std::string_view comment) {
  CommentTags tags;
  comment = trimmed(comment);
  while (!comment.empty() && tags.size() < tags_max) {
    auto pair = take_pair(comment);
    if (!pair) return {};
    tags.push_back(std::move(*pair));
    if (comment.empty()) break;
    if (comment.front() != ',') return {};
    comment = trimmed(comment.substr(1));
  }
  return tags;
}

}  // namespace

CommentTags comment_tags(std::string_view statement) {
  statement = trimmed(statement);
  if (statement.size() > 4 && statement.substr(statement.size() - 2) == "*/") {
    const std::size_t begin = statement.rfind("/*", statement.size() - 4);
    if (begin != std::string_view::npos) {
      CommentTags tags = tags_in(statement.substr(begin + 2, statement.size() - begin - 4));
      if (!tags.empty()) return tags;
    }
  }
  if (statement.substr(0, 2) != "/*") return {};
  const std::size_t end = statement.find("*/", 2);
  return end == std::string_view::npos ? CommentTags{} : tags_in(statement.substr(2, end - 2));
}

std::string comment_tag_list(std::string_view statement) {
  std::string list;
  for (const auto& [key, value] : comment_tags(statement)) list += (list.empty() ? "" : ", ") + key + "='" + value + "'";
  return list;
}

}  // namespace pgweir::sql
