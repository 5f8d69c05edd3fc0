// links: pgweir_protocol pg_query
// What PostgreSQL's own parser (libpg_query) finds in a text that changes its session, session_effects() sees as well, and
// first_lasting() says nothing that PostgreSQL does not see. Every input is also tried with edits of itself, token by token.
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "protocol/sql/digest.h"
#include "protocol/sql/lasting.h"
#include "protocol/sql/lexer.h"
#include "tests/fuzz/invariant.h"
#include "tests/support/effects_oracle.h"

using namespace pgweir;
using pgweir::fuzz::claim;

namespace {

constexpr std::size_t statement_bytes_max = 4096, tokens_max = 200;
constexpr int edits = 24;

constexpr std::string_view pieces[] = {
    "set", "reset", "session", "local", "role", "authorization", "time", "zone", "schema", "names", "all", "characteristics", "transaction",
    "search_path", "work_mem", "app", "x", "\"app\"", "U&\"x\"", ".", "to", "=", "default", "'v'", "E'v'", "$$v$$", "$1", "1", "true", "false",
    "select", "insert", "into", "table", "temp", "temporary", "pg_temp", "\"pg_temp\"", "unlogged", "t", "(", ")", ",", ";", "as", "from", "values",
    "with", "hold", "cursor", "for", "declare", "create", "or", "replace", "view", "sequence", "function", "drop", "on", "commit", "listen",
    "unlisten", "load", "do", "discard", "prepare", "execute", "explain", "analyze", "update", "pg_settings", "pg_advisory_lock", "pg_advisory_unlock",
    "\"pg_advisory_lock\"", "pg_catalog", "set_config", "\"set_config\"", "login", "lower", "::", "text", "cast", "case", "when", "then", "end", "merge",
    "using", "copy", "call", "/* ( */", "-- (\n", "'\\'", "null", "is_local", "=>", "variadic", "array", "[", "]", "over", "filter", "where", "returning"};

struct Random {
  std::uint64_t state;
  std::size_t below(std::size_t bound) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return bound ? static_cast<std::size_t>((state >> 33) % bound) : 0;
  }
};

using Words = std::vector<std::string>;

Words words_of(std::string_view statement) {
  Words words;
  sql::Lexer lexer(statement);
  for (sql::Token token = lexer.next(); token.kind != sql::TokenKind::end; token = lexer.next()) {
    if (token.cut || token.text.empty() || words.size() == tokens_max) return {};
    words.emplace_back(token.text);
  }
  return words;
}

std::string joined(const Words& words) {
  std::string text;
  for (const std::string& word : words) text += word + ' ';
  return text;
}

void edit(Words& words, Random& random) {
  const std::size_t at = random.below(words.size());
  const auto place = words.begin() + static_cast<std::ptrdiff_t>(at);
  switch (random.below(4)) {
    case 0: words.erase(place); return;
    case 1: std::swap(words[at], words[random.below(words.size())]); return;
    case 2: words.insert(place, std::string(pieces[random.below(std::size(pieces))])); return;
    default: *place = std::string(pieces[random.below(std::size(pieces))]);
  }
}

void compare(const std::string& statement) {
  const sql::SessionEffects effects = sql::session_effects(statement);
  const auto lasting = sql::first_lasting(statement);
  if (!effects.none()) claim(sql::may_affect_session(statement), "what has an effect may have one");
  const oracle::TreeEffects tree = oracle::TreeReader::read(statement);
  if (!tree.parsed) return;
  const std::string lacks = oracle::lacking(effects, tree);
  // Calls are left out: a table's alias, or a type, may bear a function's name, and a setting's may be spelled in brackets.
  const bool wrongly = lasting && !tree.leaves && !tree.loads && lasting->what != sql::Lasting::advisory_lock &&
                       lasting->what != sql::Lasting::connection && lasting->what != sql::Lasting::unreadable_setting;
  if (!lacks.empty() || wrongly) std::fprintf(stderr, "in: %s\nlacking: %s\n", statement.c_str(), lacks.c_str());
  claim(lacks.empty(), "PostgreSQL's parser sees no more than we do");
  claim(!wrongly, "nothing is refused that leaves nothing");
}

}  // namespace

// Of bytes changed at random few are SQL: the fuzzer, too, changes tokens. Weak: the replay has no libFuzzer.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t size_max) __attribute__((weak));
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max, unsigned seed);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max, unsigned seed) {
  Random random{seed * 0x9e3779b97f4a7c15ull};
  Words words = words_of({reinterpret_cast<const char*>(data), size});
  if (words.empty() || random.below(8) == 0) return LLVMFuzzerMutate(data, size, size_max);
  for (std::size_t n = 1 + random.below(4); n > 0 && !words.empty(); --n) edit(words, random);
  const std::string text = joined(words).substr(0, size_max);
  std::copy(text.begin(), text.end(), reinterpret_cast<char*>(data));
  return text.size();
}

extern "C" int replay_rounds();
extern "C" int replay_rounds() { return 4'000; }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > statement_bytes_max) return 0;
  const std::string statement(reinterpret_cast<const char*>(data), size);
  if (statement.find('\0') != std::string::npos) return 0;
  compare(statement);
  const Words words = words_of(statement);
  if (words.empty()) return 0;
  Random random{sql::hash(statement, 1)};
  for (int i = 0; i < edits; ++i) {
    Words changed = words;
    for (std::size_t n = 1 + random.below(3); n > 0 && !changed.empty(); --n) edit(changed, random);
    compare(joined(changed));
  }
  return 0;
}
