// links: pgweir_protocol
// The digest of any text: no crash, the same again, and blind to comments, blanks and the case of
// words; and what a Pattern takes for the same has the same digest.
#include <cstdint>
#include <string>
#include <vector>

#include "protocol/sql/digest.h"
#include "protocol/sql/lexer.h"
#include "protocol/sql/pattern.h"
#include "tests/fuzz/invariant.h"

using namespace pgweir;
using pgweir::fuzz::claim;

namespace {

// The text with other values, plain or not.
std::string with_other_values(std::string_view statement, const std::vector<std::string_view>& values, std::uint64_t choice) {
  constexpr std::string_view others[] = {"0", "42", "1.5", "'x y'", "''", "'it''s'", "'a\\'", "1e5", "'; set a = 1'", "'pg_temp'"};
  std::string other;
  std::size_t from = 0;
  for (const std::string_view value : values) {
    const auto begin = static_cast<std::size_t>(value.data() - statement.data());
    other.append(statement.substr(from, begin - from)).append(others[choice % std::size(others)]);
    from = begin + value.size();
    choice = choice / std::size(others) + 0x9e3779b97f4a7c15ull * choice;
  }
  return other.append(statement.substr(from));
}

void check_pattern(std::string_view statement) {
  std::string text, other_text;
  std::vector<std::string_view> values;
  const std::uint64_t digest = sql::digest(statement, text, false, &values);
  sql::Pattern pattern;
  pattern.assign(statement, values);
  claim(pattern.fits(statement), "a text fits itself");
  for (std::uint64_t i = 0; i < 3; ++i) {
    const std::string other = with_other_values(statement, values, digest + i);
    if (!pattern.fits(other)) continue;
    claim(sql::digest(other, other_text) == digest && other_text == text, "what fits has the same digest");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view statement(reinterpret_cast<const char*>(data), size);
  std::string text, again;
  const std::uint64_t digest = sql::digest(statement, text);
  claim(digest != 0, "never 0");
  claim(sql::digest(statement, again) == digest && again == text, "the same again");
  sql::digest(statement, again, true);
  check_pattern(statement);
  claim(sql::readable(text).size() >= text.size(), "readable keeps all");

  std::string spaced = "/* /* */ -- */";
  sql::Lexer lexer(statement);
  for (sql::Token token = lexer.next(); token.kind != sql::TokenKind::end; token = lexer.next()) {
    claim(token.text.empty() || (token.text.data() >= statement.data() &&
                                 token.text.data() + token.text.size() <= statement.data() + size),
          "a token is part of the text");
    if (token.cut) return 0;
    spaced += token.text;
    if (token.kind == sql::TokenKind::word) {
      for (std::size_t i = spaced.size() - token.text.size(); i < spaced.size(); ++i) {
        if (spaced[i] >= 'a' && spaced[i] <= 'z')
          spaced[i] = static_cast<char>(spaced[i] - ('a' - 'A'));
      }
    }
    spaced += " --x\n/**/";
  }
  claim(sql::digest(spaced, again) == digest && again == text,
        "comments, blanks and case do not count");
  return 0;
}
