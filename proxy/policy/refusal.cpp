#include "proxy/policy/refusal.h"

#include <charconv>

namespace pgweir::policy {
namespace {

constexpr std::size_t named_bytes_max = 160;
constexpr std::string_view mark = "session_state=refuse ";

struct Words {
  std::string_view what, hint;
};

// In the order of Lasting.
constexpr Words words[] = {
    {"session advisory locks", "Use pg_advisory_xact_lock(), or a pool in session mode."},
    {"temporary objects", "Create a temporary table ON COMMIT DROP in the transaction that uses it, or use a pool in session mode."},
    {"cursors WITH HOLD", "Fetch from a cursor without HOLD inside its transaction, or use a pool in session mode."},
    {"LISTEN", "Listen on a connection of a pool in session mode."},
    {"libraries by LOAD", "Set session_preload_libraries for the database or the user, or use a pool in session mode."},
    {"connections of dblink", "Use dblink() with a connection string, or a pool in session mode."},
    {"settings whose name is not in the statement", "Give set_config() the name as a literal or a parameter."},
};

const Words& words_of(sql::Lasting what) { return words[static_cast<std::size_t>(what)]; }

// On one line, and not too long for it.
std::string named(std::string_view statement) {
  std::string line;
  for (const char c : statement) {
    const bool blank = c == ' ' || (c >= '\t' && c <= '\r');
    if (!blank) line += c;
    else if (line.empty() || line.back() != ' ') line += ' ';
    if (line.size() <= named_bytes_max) continue;
    // Not in the middle of a character.
    line.pop_back();
    while (!line.empty() && (line.back() & 0xC0) == 0x80) line.pop_back();
    if (!line.empty() && (line.back() & 0x80) != 0) line.pop_back();
    return line + "...";
  }
  return line;
}

}  // namespace

Refusal refusal_of(sql::Lasting what, std::string_view statement) {
  const Words& say = words_of(what);
  return {std::string(say.what) + " cannot be kept in transaction mode (session_state=refuse): " + named(statement), std::string(say.hint)};
}

std::string refusal_behind(std::optional<sql::Lasting> what, const std::vector<std::string>& functions) {
  std::string text = what ? std::string(words_of(*what).what) : std::string("what the server does not tell");
  text += " cannot be kept in transaction mode (session_state=refuse): left by the last transaction";
  for (std::size_t i = 0; i < functions.size() && i < 3; ++i) text += (i == 0 ? ", which called " : ", ") + functions[i] + "()";
  return text;
}

std::string stand_in(std::uint64_t number) { return '"' + std::string(mark) + std::to_string(number) + '"'; }

std::uint64_t stand_in_number(std::string_view message) {
  const std::size_t at = message.find(mark);
  std::uint64_t number = 0;
  if (at != std::string_view::npos) std::from_chars(message.data() + at + mark.size(), message.data() + message.size(), number);
  return number;
}

}  // namespace pgweir::policy
