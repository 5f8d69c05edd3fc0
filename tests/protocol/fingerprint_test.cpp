// Our digests against the fingerprints of PostgreSQL's own parser (libpg_query), where that is
// installed.
#ifdef PGWEIR_HAS_PG_QUERY
#include <doctest/doctest.h>
#include <pg_query.h>

#include <fstream>
#include <map>
#include <string>

#include "protocol/sql/digest.h"

using namespace pgweir;

namespace {

std::string fingerprint(const std::string& statement) {
  const PgQueryFingerprintResult result = pg_query_fingerprint(statement.c_str());
  const std::string text = result.error ? "" : result.fingerprint_str;
  pg_query_free_fingerprint_result(result);
  return text;
}

}  // namespace

TEST_CASE("two statements of one digest have one fingerprint") {
  std::ifstream file("tests/protocol/statements.sql");
  std::map<std::uint64_t, std::string> fingerprints;
  std::string statement, text;
  int compared = 0, again = 0;
  while (std::getline(file, statement)) {
    const std::string print = fingerprint(statement);
    if (print.empty()) continue;
    ++compared;
    const auto [known, fresh] = fingerprints.try_emplace(sql::digest(statement, text), print);
    again += !fresh;
    INFO(statement);
    CHECK(known->second == print);
  }
  CHECK(compared > 450);
  CHECK(again > 80);  // else nothing has been compared
}
#endif
