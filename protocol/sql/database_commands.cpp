#include "protocol/sql/database_commands.h"

#include <algorithm>

#include "protocol/sql/lexer.h"

namespace pgweir::sql {
namespace {

constexpr std::size_t name_max = 63;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

class Reader {
 public:
  explicit Reader(std::string_view sql) : lexer_(sql) { advance(); }

  std::optional<std::string> read() {
    if (word("drop")) return dropped();
    if (word("create")) return copied();
    if (word("alter")) return altered();
    return std::nullopt;
  }

 private:
  void advance() { token_ = lexer_.next(); }
  bool word(std::string_view text) const {
    return token_.kind == TokenKind::word && token_.text.size() == text.size() &&
           std::equal(text.begin(), text.end(), token_.text.begin(), [](char a, char b) { return a == lower(b); });
  }
  bool take(std::string_view text) {
    if (!word(text)) return false;
    advance();
    return true;
  }

  // A name, or a string in its place.
  std::optional<std::string> name() {
    std::string found(token_.text);
    if (token_.kind == TokenKind::word) {
      std::transform(found.begin(), found.end(), found.begin(), lower);
    } else if ((token_.kind == TokenKind::quoted || token_.kind == TokenKind::string) && found.size() > 2 &&
               (found.front() == '"' || found.front() == '\'')) {
      const char mark = found.front();
      found = found.substr(1, found.size() - 2);
      for (std::size_t at = 0; (at = found.find(mark, at)) != std::string::npos; ++at) found.erase(at, 1);
    } else {
      return std::nullopt;
    }
    advance();
    return found.substr(0, name_max);
  }

  // DROP DATABASE [IF EXISTS] name; one may be called `if`.
  std::optional<std::string> dropped() {
    advance();
    if (!take("database")) return std::nullopt;
    const bool may_be_absent = word("if");
    const auto first = name();
    return may_be_absent && take("exists") ? name() : first;
  }

  // CREATE DATABASE name [WITH] [option [=] value] ...
  std::optional<std::string> copied() {
    advance();
    if (!take("database") || !name()) return std::nullopt;
    (void)take("with");
    while (token_.kind == TokenKind::word) {
      const bool is_template = word("template");
      if (take("connection")) (void)take("limit");
      else advance();
      if (token_.kind == TokenKind::operation && token_.text == "=") advance();
      if (is_template && !word("default")) return name();
      if (token_.kind == TokenKind::operation) advance();        // the sign of a number
      advance();
    }
    return "template1";
  }

  // ALTER DATABASE name RENAME TO ..., SET TABLESPACE ...
  std::optional<std::string> altered() {
    advance();
    if (!take("database")) return std::nullopt;
    const auto database = name();
    if (take("rename") || (take("set") && word("tablespace"))) return database;
    return std::nullopt;
  }

  Lexer lexer_;
  Token token_;
};

}  // namespace

std::optional<std::string> database_to_be_vacant(std::string_view sql) { return Reader(sql).read(); }

}  // namespace pgweir::sql
