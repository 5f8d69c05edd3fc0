// Our reading of what a statement does to its session, against the tree of PostgreSQL's own parser (libpg_query), where that
// is installed.
#ifdef PGWEIR_HAS_PG_QUERY
#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <vector>

#include "protocol/sql/lasting.h"
#include "tests/support/effects_oracle.h"

using namespace pgweir;

namespace {

std::vector<std::string> lines_of(const char* path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    // So that one line holds one statement: \n and \t stand for themselves.
    for (const auto& [from, to] : {std::pair<std::string_view, char>{"\\n", '\n'}, {"\\t", '\t'}}) {
      for (std::size_t at = 0; (at = line.find(from, at)) != std::string::npos; ++at) line.replace(at, 2, 1, to);
    }
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

}  // namespace

TEST_CASE("what PostgreSQL's parser finds in a statement that changes its session is seen") {
  int with_effects = 0, parsed = 0;
  for (const char* path : {"tests/protocol/statements.sql", "tests/protocol/session_statements.sql"}) {
    for (const std::string& line : lines_of(path)) {
      const oracle::TreeEffects tree = oracle::TreeReader::read(line);
      if (!tree.parsed) continue;
      ++parsed;
      with_effects += !tree.none();
      INFO(line);
      CHECK(oracle::lacking(sql::session_effects(line), tree) == "");
      if (!tree.none()) CHECK(sql::may_affect_session(line));
      // Who refuses must be right: PostgreSQL sees such an effect, too.
      if (const auto lasting = sql::first_lasting(line); lasting && lasting->what != sql::Lasting::connection) {
        // A name that is spelled in brackets, say, is one that we cannot read.
        const bool unread = lasting->what == sql::Lasting::unreadable_setting && !tree.settings.empty();
        CHECK((tree.leaves || tree.loads || tree.computed_setting || unread));
      }
    }
  }
  CHECK(parsed > 650);
  CHECK(with_effects > 170);   // else nothing has been compared
}

TEST_CASE("two statements of one text are seen both") {
  const std::vector<std::string> lines = lines_of("tests/protocol/session_statements.sql");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string text = lines[i] + "\n;" + lines[(i * 7 + 3) % lines.size()];
    const oracle::TreeEffects tree = oracle::TreeReader::read(text);
    INFO(text);
    if (tree.parsed) CHECK(oracle::lacking(sql::session_effects(text), tree) == "");
  }
}

TEST_CASE("the oracle would find what is lacking") {
  for (const char* sql : {"set a.b = 1", "reset all", "select pg_advisory_lock(1)", "select set_config($1, 'x', false)", "do ''", "load 'x'",
                          "select login(1)", "create temp table t ()", "execute p", "discard all", "update pg_settings set setting = 1"}) {
    INFO(std::string(sql));
    CHECK(oracle::lacking({}, oracle::TreeReader::read(sql)) != "");
  }
}
#endif
