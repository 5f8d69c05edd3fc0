#include "config/userlist.h"

#include <algorithm>
#include <optional>

#include "config/text.h"

namespace pgweir {

namespace {

// Takes the next "…" off the front of `line`, whatever stands before it.
std::optional<std::string> take_quoted(std::string_view& line) {
  auto start = line.find('"');
  if (start == std::string_view::npos) return std::nullopt;
  std::string content;
  for (std::size_t i = start + 1; i < line.size(); ++i) {
    if (line[i] != '"') {
      content += line[i];
    } else if (i + 1 < line.size() && line[i + 1] == '"') {
      content += line[i++];
    } else {
      line.remove_prefix(i + 1);
      return content;
    }
  }
  return std::nullopt;
}

// Puts the user of the line in; returns what is wrong with it, or "".
std::string read_line(std::string_view line, Userlist& list) {
  if (line.front() != '"') return "broken auth file";
  std::optional<std::string> user = take_quoted(line);
  std::optional<std::string> secret = user ? take_quoted(line) : std::nullopt;
  if (!user || !secret || user->empty()) return "broken auth file";
  if (user->size() > user_name_bytes_max) return "username too long in auth file";
  if (secret->size() > secret_bytes_max) return "password too long in auth file";
  list.secrets.insert_or_assign(std::move(*user), std::move(*secret));
  return "";
}

}  // namespace

Userlist parse_userlist(std::string_view text, const std::string& file) {
  Userlist list;
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    line = trim(line);
    if (line.empty() || line.front() == ';') continue;
    std::string wrong = read_line(line, list);
    if (!wrong.empty()) list.mistakes.push_back({file, number, std::move(wrong), true});
  }
  return list;
}

}  // namespace pgweir
