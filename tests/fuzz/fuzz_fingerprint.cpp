// links: pgweir_protocol pg_query
// Never two different statements in one digest: what our lexer puts together, PostgreSQL's own parser (libpg_query's
// fingerprint) must put together as well. Every input is compared with edits of itself, token by token, and with all
// inputs of the same digest before it.
#include <pg_query.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocol/sql/digest.h"
#include "protocol/sql/lexer.h"
#include "tests/fuzz/invariant.h"

using namespace pgweir;
using pgweir::fuzz::claim;

namespace {

constexpr std::size_t tokens_max = 200;
constexpr std::size_t statement_bytes_max = 4096;
constexpr std::size_t remembered_max = 200'000;
constexpr int edits = 48;

// What takes another token's place: every kind of literal, what looks like one and is none, and the words after which
// numbers and lists mean something else.
constexpr std::string_view pieces[] = {
    "1",      "2",      "-1",     "- 1",      "+ 1",      "1.5",    "'x'",      "'y'",     "E'\\n'",  "N'x'",   "B'1'",    "X'f'",
    "$1",     "$2",     "$q$x$q$", "null",    "true",     "false",  "default",  "a",       "b",       "\"a\"",  "\"A\"",   "*",
    "(",      ")",      "[",      "]",        ",",        ";",      ".",        "::",      "::int",   "in",     "not in",  "values",
    "array",  "row",    "select", "from",     "limit",    "offset", "interval", "date",    "float",   "numeric", "between", "as",
    "and",    "or",     "not",    "is",       "distinct", "all",    "any",      "uescape", "'!'",     "U&'x'",  "U&\"x\"", "/* c */",
    "-- c\n", "=",      "<",      ">",        "+",        "-",      "*",        "/",       "||",      "->",     "->>",     "?",
    "(1)",    "(1, 2)", "(1), (2)", "(1, 2, 3)", "(1, b)", "(a, a)", "[1]",     "[1, 2]",  "array[1]", "array[1, 2]", "position", "precision",
    "for",    "fetch",  "first",  "rows",     "only",     "with",   "current_timestamp", "current_timestamp(1)", "localtime", "over",   "filter",  "within"};

std::string fingerprint(const std::string& statement) {
  const PgQueryFingerprintResult result = pg_query_fingerprint(statement.c_str());
  const std::string text = result.error ? "" : result.fingerprint_str;
  pg_query_free_fingerprint_result(result);
  return text;
}

struct Known {
  std::string statement, print;
  bool asked = false;  // `print` is there
};

const std::string& print_of(Known& known) {
  if (!known.asked) known.print = fingerprint(known.statement), known.asked = true;
  return known.print;
}

void compare(Known& known, const std::string& other) {
  if (known.statement == other || print_of(known).empty()) return;
  const std::string print = fingerprint(other);
  if (print.empty() || known.print == print) return;
  std::fprintf(stderr, "one digest, two fingerprints:\n  %s\n  %s\n", known.statement.c_str(), other.c_str());
  claim(false, "never two different statements in one digest");
}

// Statements by digest. What PostgreSQL does not understand gives its place to what it does.
void remember(std::uint64_t id, const std::string& statement) {
  static std::unordered_map<std::uint64_t, Known> seen;
  if (seen.size() > remembered_max) seen.clear();
  const auto [known, fresh] = seen.try_emplace(id, Known{statement, {}, false});
  if (fresh) return;
  if (known->second.asked && known->second.print.empty()) known->second = {statement, {}, false};
  else compare(known->second, statement);
}

using Words = std::vector<std::string>;

std::string joined(const Words& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed | 1) {}
  std::size_t below(std::size_t bound) {
    state_ ^= state_ << 13, state_ ^= state_ >> 7, state_ ^= state_ << 17;
    return static_cast<std::size_t>(state_ % bound);
  }

 private:
  std::uint64_t state_;
};

void edit(Words& words, Random& random) {
  const std::size_t at = random.below(words.size());
  const auto place = words.begin() + static_cast<std::ptrdiff_t>(at);
  switch (random.below(6)) {
    case 0: words.erase(place); break;
    case 1: words.insert(place, *place); break;
    case 2: std::swap(words[at], words[random.below(words.size())]); break;
    case 3: words.insert(place, std::string(pieces[random.below(std::size(pieces))])); break;
    case 4: {
      // A stretch once more, behind a comma: a longer list.
      const std::size_t count = 1 + random.below(std::min<std::size_t>(6, words.size() - at));
      Words stretch{","};
      stretch.insert(stretch.end(), place, place + static_cast<std::ptrdiff_t>(count));
      words.insert(place + static_cast<std::ptrdiff_t>(count), stretch.begin(), stretch.end());
      break;
    }
    default: *place = std::string(pieces[random.below(std::size(pieces))]);
  }
}

// The statement's tokens; empty when one has no end, or there are too many.
Words words_of(std::string_view statement) {
  Words words;
  sql::Lexer lexer(statement);
  for (sql::Token token = lexer.next(); token.kind != sql::TokenKind::end; token = lexer.next()) {
    if (token.cut || token.text.empty() || words.size() == tokens_max) return {};
    words.emplace_back(token.text);
  }
  return words;
}

}  // namespace

// Of bytes changed at random few are SQL: the fuzzer, too, changes tokens. Weak: the replay has no libFuzzer.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t size_max) __attribute__((weak));
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max, unsigned seed);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max, unsigned seed) {
  Random random(seed * 0x9e3779b97f4a7c15ull);
  Words words = words_of({reinterpret_cast<const char*>(data), size});
  if (words.empty() || random.below(8) == 0) return LLVMFuzzerMutate(data, size, size_max);
  for (std::size_t n = 1 + random.below(4); n > 0 && !words.empty(); --n) edit(words, random);
  const std::string text = joined(words).substr(0, size_max);
  std::copy(text.begin(), text.end(), reinterpret_cast<char*>(data));
  return text.size();
}

extern "C" int replay_rounds();
extern "C" int replay_rounds() { return 10'000; }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > statement_bytes_max) return 0;
  const std::string statement(reinterpret_cast<const char*>(data), size);
  if (statement.find('\0') != std::string::npos) return 0;
  std::string text;
  const std::uint64_t id = sql::digest(statement, text);
  const std::string normalized = text;
  remember(id, statement);

  const Words words = words_of(statement);
  if (words.empty()) return 0;
  Random random(sql::hash(statement, 1));
  for (int i = 0; i < edits; ++i) {
    Words changed = words;
    for (std::size_t n = 1 + random.below(3); n > 0 && !changed.empty(); --n) edit(changed, random);
    const std::string other = joined(changed);
    const std::uint64_t other_id = sql::digest(other, text);
    if (other_id == id) claim(text == normalized, "one digest, one normalized text");
    remember(other_id, other);
  }
  return 0;
}
