#include "protocol/sql/resets.h"

#include <algorithm>

#include "protocol/sql/lexer.h"

namespace pgweir::sql {
namespace {

using What = Reset::What;

constexpr std::string_view identity = "session_authorization";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is(std::string_view text, std::string_view word) {
  return text.size() == word.size() && std::equal(text.begin(), text.end(), word.begin(), [](char a, char b) { return lower(a) == b; });
}

std::string lower_case(std::string_view text) {
  std::string folded(text);
  std::transform(folded.begin(), folded.end(), folded.begin(), lower);
  return folded;
}

bool begins_with_verb(std::string_view sql) {
  const Token first = Lexer(sql).next();
  return first.kind == TokenKind::word && (is(first.text, "set") || is(first.text, "reset") || is(first.text, "discard"));
}

// Reads a text statement by statement.
class Reader {
 public:
  explicit Reader(std::string_view sql) : sql_(sql), lexer_(sql) { advance(); }

  Resets read() {
    while (token_.kind != TokenKind::end) {
      if (token_.is(';')) {
        advance();
        continue;
      }
      ++resets_.statements;
      const std::size_t first = resets_.found.size();
      statement();
      finish();
      for (std::size_t i = first; i < resets_.found.size(); ++i) resets_.found[i].end = last_end_;
      if (sets_) resets_.sets.push_back(last_end_);
      sets_ = false;
    }
    return std::move(resets_);
  }

 private:
  void advance() {
    if (token_.kind != TokenKind::end) last_end_ = end_of(token_);
    token_ = lexer_.next();
  }
  std::size_t begin_of(const Token& token) const { return static_cast<std::size_t>(token.text.data() - sql_.data()); }
  std::size_t end_of(const Token& token) const { return begin_of(token) + token.text.size(); }
  bool word(std::string_view text) const { return token_.kind == TokenKind::word && is(token_.text, text); }
  bool take(std::string_view text) {
    if (!word(text)) return false;
    advance();
    return true;
  }
  // A semicolon inside brackets, as a rule's actions have it, ends nothing.
  void finish() {
    for (int depth = 0; token_.kind != TokenKind::end && (depth > 0 || !token_.is(';')); advance()) {
      if (token_.is('(')) ++depth;
      if (token_.is(')')) --depth;
    }
  }
  void found(What what, std::string name = {}) { resets_.found.push_back({what, std::move(name), 0, 0, 0}); }
  void found_value(What what, std::string name) {
    resets_.found.push_back({what, std::move(name), begin_of(token_), end_of(token_), 0});
  }

  void statement() {
    if (take("reset")) return reset();
    if (take("discard")) {
      if (word("all")) found(What::everything);
    } else if (take("set")) {
      sets_ = !word("constraints");
      set();
    } else {
      calls();
    }
  }

  void reset() {
    if (word("all")) return found(What::all);
    if (take("session")) return found(What::identity);
    if (take("time")) return found(What::setting, "timezone");
    if (word("transaction")) return;
    std::string name = setting();
    if (name == identity) found(What::identity);
    else if (!name.empty()) found(What::setting, std::move(name));
  }

  void set() {
    if (take("session")) {
      if (word("characteristics")) return;
    } else {
      (void)take("local");
    }
    if (take("authorization")) {
      if (word("default")) found(What::identity);
      return;
    }
    if (take("time")) {
      (void)take("zone");
      if (word("default") || word("local")) found_value(What::set_default, "timezone");
      return;
    }
    if (take("names")) {
      if (word("default")) found_value(What::set_default, "client_encoding");
      return;
    }
    if (word("transaction")) return;
    std::string name = setting();
    if (name.empty() || (!take("to") && !(token_.kind == TokenKind::operation && token_.text == "="))) return;
    if (token_.kind == TokenKind::operation) advance();
    if (!word("default")) return;
    if (name == identity) found(What::identity);
    else found_value(What::set_default, std::move(name));
  }

  // name, or prefix.name
  std::string setting() {
    std::string name;
    while (token_.kind == TokenKind::word || (token_.kind == TokenKind::quoted && token_.text.front() == '"')) {
      const bool quoted = token_.kind == TokenKind::quoted;
      name += lower_case(quoted ? token_.text.substr(1, token_.text.size() - 2) : token_.text);
      advance();
      if (!token_.is('.')) break;
      name += '.';
      advance();
    }
    return name;
  }

  // set_config('name', NULL, ...)
  void calls() {
    for (int depth = 0; token_.kind != TokenKind::end && (depth > 0 || !token_.is(';'));) {
      if (token_.is('(')) ++depth;
      if (token_.is(')')) --depth;
      const bool named = word("set_config") || (token_.kind == TokenKind::quoted && token_.text == "\"set_config\"");
      advance();
      if (!named || !token_.is('(')) continue;
      ++depth;
      advance();
      const Token name = token_;
      if (name.kind != TokenKind::string || name.text.front() != '\'' || name.text.size() < 3) continue;
      advance();
      if (!token_.is(',')) continue;
      advance();
      if (!word("null")) continue;
      const Reset value{What::null_value, lower_case(name.text.substr(1, name.text.size() - 2)), begin_of(token_), end_of(token_), 0};
      advance();
      if (token_.is(',') || token_.kind == TokenKind::cast) resets_.found.push_back(value);
    }
  }

  std::string_view sql_;
  Lexer lexer_;
  Token token_;
  std::size_t last_end_ = 0;
  bool sets_ = false;                // the statement is answered by SET
  Resets resets_;
};

}  // namespace

bool may_reset(std::string_view sql) {
  if (begins_with_verb(sql)) return true;
  for (std::size_t at = sql.find(';'); at != std::string_view::npos; at = sql.find(';', at + 1))
    if (begins_with_verb(sql.substr(at + 1))) return true;
  for (std::size_t at = sql.find('_'); at != std::string_view::npos; at = sql.find('_', at + 1))
    if (at >= 3 && is(sql.substr(at - 3, 10), "set_config")) return true;
  return false;
}

Resets resets_in(std::string_view sql) { return may_reset(sql) ? Reader(sql).read() : Resets{}; }

}  // namespace pgweir::sql
