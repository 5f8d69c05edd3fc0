// links: pgweir_protocol
// The digest of any text: no crash, the same again, and blind to comments, blanks and the case of
// words.
#include <cstdint>
#include <string>

#include "protocol/sql/digest.h"
#include "protocol/sql/lexer.h"
#include "tests/fuzz/invariant.h"

using namespace pgweir;
using pgweir::fuzz::claim;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view statement(reinterpret_cast<const char*>(data), size);
  std::string text, again;
  const std::uint64_t digest = sql::digest(statement, text);
  claim(digest != 0, "never 0");
  claim(sql::digest(statement, again) == digest && again == text, "the same again");
  sql::digest(statement, again, true);
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
