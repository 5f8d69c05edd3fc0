// Fuzzes the console's grammar: what it accepts is within its limits and means the same when it is
// written down again with quotation marks.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/admin/console_grammar.h"
#include "tests/fuzz/invariant.h"

using namespace pgweir;

namespace {

std::string quote(std::string_view text, char mark) {
  std::string quoted(1, mark);
  for (const char c : text) quoted.append(c == mark ? 2 : 1, c);
  return quoted + mark;
}

std::string write_down(const ConsoleCommand& command) {
  if (command.value) {
    return "SET " + quote(*command.argument, '"') + " TO " + quote(*command.value, '\'') + ";";
  }
  std::string text = quote(command.verb, '"');
  if (command.argument) text += " " + quote(*command.argument, '"');
  for (const std::string& word : command.more) text += " " + quote(word, '"');
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const ParsedCommand parsed = parse_console_command(text);
  if (parsed.outcome != ParsedCommand::Outcome::ok) return 0;
  const ConsoleCommand& command = parsed.command;
  fuzz::claim(command.verb.size() <= console_verb_max, "the verb is within its limit");
  fuzz::claim(!command.argument || command.argument->size() <= console_argument_max,
              "the argument is within its limit");
  fuzz::claim(!command.value || (command.verb == "set" && command.argument),
              "only SET with a key has a value");
  fuzz::claim(!command.value || command.value->size() <= console_value_max,
              "the value is within its limit");
  const ParsedCommand again = parse_console_command(write_down(command));
  fuzz::claim(again.outcome == ParsedCommand::Outcome::ok && again.command == command,
              "written down again it is the same command");
  return 0;
}
