#include <doctest/doctest.h>

#include <set>

#include "proxy/admin/console.h"

using namespace pgweir;

TEST_CASE("CVE-2026-6667: SHOW and its alias are all that a stats user may run") {
  std::set<std::string> open;
  for (const Console::Verb& verb : Console::verbs()) {
    if (verb.who == Console::Who::stats) open.insert(std::string(verb.name));
  }
  CHECK(open == std::set<std::string>{"show", "select"});
}

TEST_CASE("every verb can be typed, and only once") {
  std::set<std::string_view> names;
  for (const Console::Verb& verb : Console::verbs()) {
    CHECK(names.insert(verb.name).second);
    const ParsedCommand parsed = parse_console_command(verb.name);
    CHECK(parsed.outcome == ParsedCommand::Outcome::ok);
    CHECK(parsed.command.verb == verb.name);
  }
}
