#include "proxy/admin/console_grammar.h"

#include <algorithm>

namespace pgweir {
namespace {

using Outcome = ParsedCommand::Outcome;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_word_character(char c) {
  return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '_';
}

// Takes the text apart from the front. Each take_ leaves the text alone when it fails.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool skip_blanks() {
    const std::size_t before = rest_.size();
    while (!rest_.empty() && is_blank(rest_.front())) rest_.remove_prefix(1);
    return rest_.size() != before;
  }

  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool take_keyword(std::string_view keyword) {
    if (rest_.size() < keyword.size() || lower_case(rest_.substr(0, keyword.size())) != keyword) {
      return false;
    }
    rest_.remove_prefix(keyword.size());
    return true;
  }

  std::optional<std::string> take_quoted(char mark) {
    if (rest_.empty() || rest_.front() != mark) return std::nullopt;
    std::string unquoted;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == mark) {
        const bool doubled = i + 1 < rest_.size() && rest_[i + 1] == mark;
        if (!doubled) {
          rest_.remove_prefix(i + 1);
          return unquoted;
        }
        ++i;
      }
      unquoted += rest_[i];
    }
    return std::nullopt;
  }

  std::optional<std::string> take_word() {
    if (auto quoted = take_quoted('"')) return quoted;
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_word_character);
    if (end == rest_.begin()) return std::nullopt;
    std::string word(rest_.begin(), end);
    rest_.remove_prefix(word.size());
    return word;
  }

  // Blanks, perhaps a semicolon, and the end.
  bool at_end() {
    skip_blanks();
    if (take(';')) skip_blanks();
    return rest_.empty();
  }

 private:
  std::string_view rest_;
};

ParsedCommand within_limits(ConsoleCommand command) {
  const auto size = [](const std::optional<std::string>& word) { return word ? word->size() : 0; };
  const bool fits = command.verb.size() <= console_verb_max &&
                    size(command.argument) <= console_argument_max &&
                    size(command.value) <= console_value_max &&
                    std::all_of(command.more.begin(), command.more.end(), [](const std::string& word) {
                      return word.size() <= console_argument_max;
                    });
  if (!fits) return {Outcome::too_long, {}};
  return {Outcome::ok, std::move(command)};
}

bool takes_more(const ConsoleCommand& command) {
  if (command.verb != "show" || !command.argument || command.more.size() >= console_more_max) return false;
  const std::string table = lower_case(*command.argument);
  return table == "queries" || table == "query";
}

ParsedCommand parse_plain(std::string_view text) {
  Scanner scanner(text);
  ConsoleCommand command;
  scanner.skip_blanks();
  const auto verb = scanner.take_word();
  if (!verb) return {};
  command.verb = lower_case(*verb);
  if (scanner.skip_blanks()) command.argument = scanner.take_word();
  while (takes_more(command) && scanner.skip_blanks()) {
    const auto word = scanner.take_word();
    if (!word) break;
    command.more.push_back(lower_case(*word));
  }
  if (!scanner.at_end()) return {};
  return within_limits(std::move(command));
}

ParsedCommand parse_set(std::string_view text) {
  Scanner scanner(text);
  ConsoleCommand command{"set", {}, {}, {}};
  scanner.skip_blanks();
  if (!scanner.take_keyword("set") || !scanner.skip_blanks()) return {};
  command.argument = scanner.take_word();
  scanner.skip_blanks();
  if (!command.argument || !(scanner.take('=') || scanner.take_keyword("to"))) return {};
  scanner.skip_blanks();
  command.value = scanner.take_quoted('\'');
  if (!command.value) command.value = scanner.take_word();
  if (!command.value || !scanner.at_end()) return {};
  return within_limits(std::move(command));
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

ParsedCommand parse_console_command(std::string_view text) {
  ParsedCommand plain = parse_plain(text);
  return plain.outcome == Outcome::unknown_form ? parse_set(text) : plain;
}

}  // namespace pgweir
