// Cuts the text of SQL into tokens, as PostgreSQL's scanner does: one pass, nothing is allocated.
//
// Source: PostgreSQL documentation, "Lexical Structure", and the rules of scan.l for operators and
// numbers.
#pragma once

#include <cstdint>
#include <string_view>

namespace pgweir::sql {

enum class TokenKind : std::uint8_t {
  end,
  word,      // keyword or identifier without quotation marks
  quoted,    // "identifier", also U&"..."
  string,    // '...', E'...', U&'...', B'...', X'...', $tag$...$tag$
  national,  // N'...', which is a typed literal
  number,
  parameter,  // $1
  symbol,     // one of ( ) [ ] , ; . :
  cast,       // ::
  operation,  // any operator; also := and ..
  unknown,    // a byte that starts no token
};

struct Token {
  TokenKind kind = TokenKind::end;
  bool cut = false;       // a literal, identifier or comment that has no end
  std::string_view text;  // points into the statement

  bool is(char symbol) const { return kind == TokenKind::symbol && text[0] == symbol; }
};

// Reads with standard_conforming_strings on. The text must outlive the lexer and its tokens.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}
  // The next token without the blanks and comments before it; at the end TokenKind::end, for ever.
  Token next();
  std::size_t position() const { return at_; }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool skip_blanks_and_comments();
  bool skip_block_comment();
  Token finish(TokenKind kind, std::size_t from, bool cut = false) const {
    return {kind, cut, text_.substr(from, at_ - from)};
  }
  Token prefixed_or_word();
  Token quoted_run(TokenKind kind, std::size_t from, char mark, bool backslashes);
  Token dollar();
  Token dollar_string(std::size_t from, std::size_t opening_size);
  Token number();
  Token operation();

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace pgweir::sql
