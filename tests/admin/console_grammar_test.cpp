#include "proxy/admin/console_grammar.h"

#include <doctest/doctest.h>

#include <string>

using namespace pgweir;
using Outcome = ParsedCommand::Outcome;

namespace {

ConsoleCommand understood(std::string_view text) {
  const ParsedCommand parsed = parse_console_command(text);
  INFO(std::string(text));
  REQUIRE(parsed.outcome == Outcome::ok);
  return parsed.command;
}

}  // namespace

TEST_CASE(
    "a command is a word, perhaps another, perhaps a semicolon, with blanks anywhere between") {
  for (const char* text : {"show version", "SHOW version;", " \t\r\nshow\n version ; \n",
                           "\"show\" version", "show \"version\""}) {
    CHECK(understood(text) == ConsoleCommand{"show", "version", {}});
  }
  CHECK(understood("PAUSE") == ConsoleCommand{"pause", {}, {}});
  CHECK(understood("reload;") == ConsoleCommand{"reload", {}, {}});
}

TEST_CASE("only the verb loses its case") {
  CHECK(understood("PAUSE MyDb").argument == "MyDb");
  CHECK(understood("Set Key = Value") == ConsoleCommand{"set", "Key", "Value"});
}

TEST_CASE("quotation marks allow any character, and themselves when doubled") {
  CHECK(understood("pause \"my-db; \"\"x\"\"\"").argument == "my-db; \"x\"");
  CHECK(understood("set a = 'it''s; \"so\"'").value == "it's; \"so\"");
  CHECK(understood("set a = \"two words\"").value == "two words");
}

TEST_CASE("an empty quoted word is an argument, and not the same as none") {
  CHECK(understood("pause \"\"").argument == "");
  CHECK_FALSE(understood("pause").argument);
  CHECK(understood("set a = ''").value == "");
}

TEST_CASE("SET takes = or TO, with or without blanks") {
  for (const char* text : {"set a=1", "set a = 1", "SET a TO 1;", "set a to '1'", "set \"a\"='1'",
                           "set \"a\"to 1", "set a to1"}) {
    CHECK(understood(text) == ConsoleCommand{"set", "a", "1"});
  }
}

TEST_CASE("a value with other characters than those of a word must be quoted") {
  CHECK(parse_console_command("set a = 1.5").outcome == Outcome::unknown_form);
  CHECK(parse_console_command("set a = -1").outcome == Outcome::unknown_form);
  CHECK(understood("set a = '1.5'").value == "1.5");
}

TEST_CASE("anything else is not a command") {
  for (const char* text : {"",
                           " ",
                           ";",
                           "show version; show version",
                           "show version;;",
                           "a b c",
                           "show 'version'",
                           "show\"version\"",
                           "pause my-db",
                           "set a 1",
                           "set a =",
                           "set a = 1 2",
                           "set = 1",
                           "set a == 1",
                           "set a = 'open",
                           "show \"open",
                           "select 1 + 1",
                           "seta = 1",
                           "show\vversion",
                           "show versi\xc3\xb6n"}) {
    INFO(text);
    CHECK(parse_console_command(text).outcome == Outcome::unknown_form);
  }
}

TEST_CASE("only SHOW QUERIES and SHOW QUERY have words after the name") {
  const auto more = [](const char* text) { return parse_console_command(text).command.more; };
  CHECK(more("SHOW QUERIES BY p99 LIMIT 5;") == std::vector<std::string>{"by", "p99", "limit", "5"});
  CHECK(more("show query 0123abcd") == std::vector<std::string>{"0123abcd"});
  CHECK(more("show queries").empty());
  CHECK(parse_console_command("show queries by p99 limit 5 x").outcome == Outcome::unknown_form);
  CHECK(parse_console_command("show pools by x").outcome == Outcome::unknown_form);
  CHECK(parse_console_command("pause queries by x").outcome == Outcome::unknown_form);
}

TEST_CASE("words may be as long as their limits and no longer") {
  const auto outcome = [](std::size_t verb, std::size_t argument) {
    return parse_console_command(std::string(verb, 'v') + " " + std::string(argument, 'a')).outcome;
  };
  CHECK(outcome(console_verb_max, console_argument_max) == Outcome::ok);
  CHECK(outcome(console_verb_max + 1, 1) == Outcome::too_long);
  CHECK(outcome(1, console_argument_max + 1) == Outcome::too_long);
  const auto set = [](std::size_t key, std::size_t value) {
    return parse_console_command("set " + std::string(key, 'k') + "='" + std::string(value, '-') +
                                 "'")
        .outcome;
  };
  CHECK(set(console_argument_max, console_value_max) == Outcome::ok);
  CHECK(set(1, console_value_max + 1) == Outcome::too_long);
  CHECK(set(console_argument_max + 1, 1) == Outcome::too_long);
}

TEST_CASE("the marks around a word do not count against its limit") {
  const std::string name(console_argument_max, '-');
  CHECK(understood("pause \"" + name + "\"").argument == name);
}

TEST_CASE("lower case is that of ASCII") {
  CHECK(lower_case("AZ_\xc3\x84") == "az_\xc3\x84");
}
