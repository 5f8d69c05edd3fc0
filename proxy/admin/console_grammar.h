// The console's language: one command per query.
//
//   WORD [WORD] [;]           WORD is [0-9a-zA-Z_]+ or "..." with "" for a quotation mark
//   SHOW WORD WORD... [;]     of SHOW QUERIES and SHOW QUERY only
//   SET WORD =|TO value [;]   value is a WORD or '...' with '' for an apostrophe
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir {

// Longest command, argument and SET value, in characters without their quotation marks (parity.md
// b).
inline constexpr std::size_t console_verb_max = 15;
inline constexpr std::size_t console_argument_max = 63;
inline constexpr std::size_t console_value_max = 255;
inline constexpr std::size_t console_more_max = 4;

struct ConsoleCommand {
  std::string verb;                     // in lower case
  std::optional<std::string> argument;  // as it was typed, unquoted; of SET: the key
  std::optional<std::string> value;     // of SET only
  std::vector<std::string> more = {};        // words after the argument, in lower case; at most console_more_max
  bool operator==(const ConsoleCommand&) const = default;
};

struct ParsedCommand {
  enum class Outcome : std::uint8_t {
    ok,
    unknown_form,  // none of the two forms above
    too_long,      // the form is right, a word is longer than its limit
  };
  Outcome outcome = Outcome::unknown_form;
  ConsoleCommand command;  // when ok
};

ParsedCommand parse_console_command(std::string_view text);

// ASCII only, whatever the locale.
std::string lower_case(std::string_view text);

}  // namespace pgweir
