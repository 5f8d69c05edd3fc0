#include "protocol/sql/lasting.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

#include "protocol/sql/config_call.h"
#include "protocol/sql/lexer.h"

namespace pgweir::sql {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is(std::string_view text, std::string_view word) {
  return text.size() == word.size() &&
         std::equal(text.begin(), text.end(), word.begin(), [](char a, char b) { return lower(a) == b; });
}

// Whether the token is that name, as PostgreSQL folds it.
bool names(const Token& token, std::string_view name) {
  if (token.kind == TokenKind::word) return is(token.text, name);
  return token.kind == TokenKind::quoted && token.text.size() == name.size() + 2 && token.text.substr(1, name.size()) == name;
}

// What may follow the name behind INTO.
constexpr std::array<std::string_view, 12> clauses{"from", "where", "group", "having", "window", "union",
                                                   "intersect", "except", "order", "limit", "offset", "fetch"};

class Finder {
 public:
  explicit Finder(std::string_view sql) : sql_(sql), lexer_(sql) { advance(); }

  std::optional<LastingStatement> find() {
    while (token_.kind != TokenKind::end && !whole_text_) {
      begin_ = static_cast<std::size_t>(token_.text.data() - sql_.data());
      found_.reset();
      statement();
      while (!over()) advance();
      if (cut_) return {};                         // PostgreSQL will not take it anyway
      if (found_) return LastingStatement{*found_, sql_.substr(begin_, end_ - begin_)};
      advance();
    }
    return {};
  }

 private:
  void advance() {
    if (token_.kind != TokenKind::end) last_ = token_;
    token_ = lexer_.next();
    cut_ |= token_.cut;
    if (!over()) end_ = static_cast<std::size_t>(token_.text.data() - sql_.data()) + token_.text.size();
  }
  bool over() const { return token_.kind == TokenKind::end || token_.is(';'); }
  bool word(std::string_view text) const { return token_.kind == TokenKind::word && is(token_.text, text); }
  bool take(std::string_view text) {
    if (!word(text)) return false;
    advance();
    return true;
  }
  bool at_name() const { return token_.kind == TokenKind::word || token_.kind == TokenKind::quoted; }
  void found(Lasting what) {
    if (!found_) found_ = what;
  }

  void statement() {
    if (take("listen")) {
      if (at_name()) found(Lasting::channel);
    } else if (take("load")) {
      if (token_.kind == TokenKind::string) found(Lasting::library);
    } else if (take("declare")) {
      declare();
    } else if (take("create")) {
      create();
    } else if (word("select") || word("with")) {
      calls(true);
    } else if (word("insert") || word("update") || word("delete") || word("merge") || word("values") || word("call") ||
               word("copy") || word("prepare") || token_.is('(')) {
      calls(false);
    }
  }

  void declare() {
    bool cursor = false;
    for (; !over() && !word("for"); advance()) {
      cursor |= word("cursor");
      if (cursor && word("hold") && is(last_.text, "with")) found(Lasting::held_cursor);
    }
  }

  void create() {
    if (take("or")) advance();
    const bool scoped = take("local") || take("global");
    if (word("temp") || word("temporary")) {
      if (!dropped_at_commit()) found(Lasting::temporary);
      return;
    }
    if (scoped) return;
    take("unlogged");
    const bool table = word("table") || word("materialized");
    const bool code = word("function") || word("procedure");
    const bool may_be_temporary = table || code || word("view") || word("sequence") || word("type") || word("domain") || word("aggregate");
    advance();
    if (take("if")) advance(), advance();
    take("view");
    if (may_be_temporary && names(token_, "pg_temp")) {
      advance();
      if (token_.is('.') && !dropped_at_commit()) found(Lasting::temporary);
    }
    for (; !over(); advance()) {
      if (table && word("as")) return calls(false);
      // Semicolons stand in its body.
      if (code && word("atomic") && is(last_.text, "begin")) whole_text_ = true;
    }
  }

  // ... ON COMMIT DROP, up to the statement's end.
  bool dropped_at_commit() const {
    Lexer ahead = lexer_;
    std::string_view before, last = token_.text;
    for (Token token = ahead.next(); token.kind != TokenKind::end && !token.is(';'); token = ahead.next()) {
      if (token.kind == TokenKind::word && is(token.text, "drop") && is(last, "commit") && is(before, "on")) return true;
      before = std::exchange(last, token.text);
    }
    return false;
  }

  // What is called is PostgreSQL's own: by its plain name, or pg_catalog's.
  void calls(bool selects) {
    Token name, schema;
    bool of_schema = false;
    for (; !over(); advance()) {
      if (token_.is('.')) {
        schema = name;
        of_schema = true;
        continue;
      }
      if (at_name()) {
        if (selects && is(last_.text, "into")) into();
        if (word("into")) before_into_ = last_.text;
        if (!is(last_.text, ".")) of_schema = false;
        name = token_;
        continue;
      }
      if (token_.is('(') && name.kind != TokenKind::end && (!of_schema || names(schema, "pg_catalog"))) call(name);
      name = {};
      of_schema = false;
    }
  }

  // SELECT ... INTO [LOCAL | GLOBAL] TEMP [TABLE] name
  void into() {
    if (last_.kind != TokenKind::word || is(before_into_, "insert") || is(before_into_, "merge")) return;
    Lexer ahead = lexer_;
    Token kind = token_;
    if (kind.kind == TokenKind::word && (is(kind.text, "local") || is(kind.text, "global"))) kind = ahead.next();
    const Token next = ahead.next();
    if (names(kind, "pg_temp") && next.is('.')) return found(Lasting::temporary);
    if (kind.kind != TokenKind::word || !(is(kind.text, "temp") || is(kind.text, "temporary"))) return;
    // Else that is the table's own name.
    const bool clause = std::any_of(clauses.begin(), clauses.end(), [&](std::string_view word) { return is(next.text, word); });
    if (next.kind == TokenKind::quoted || (next.kind == TokenKind::word && !clause)) found(Lasting::temporary);
  }

  void call(const Token& function) {
    for (const std::string_view lock : {"pg_advisory_lock", "pg_advisory_lock_shared", "pg_try_advisory_lock", "pg_try_advisory_lock_shared"}) {
      if (names(function, lock)) return found(Lasting::advisory_lock);
    }
    if (names(function, "dblink_connect") || names(function, "dblink_connect_u")) return found(Lasting::connection);
    if (!names(function, "set_config")) return;
    Lexer ahead = lexer_;
    const Token first = ahead.next();
    const ConfigCall config = read_config_call(ahead, first);
    if (config.whole && !config.is_local && !config.readable()) found(Lasting::unreadable_setting);
  }

  std::string_view sql_;
  Lexer lexer_;
  Token token_, last_;
  std::string_view before_into_;
  std::size_t begin_ = 0, end_ = 0;
  std::optional<Lasting> found_;
  bool cut_ = false, whole_text_ = false;
};

}  // namespace

std::optional<LastingStatement> first_lasting(std::string_view sql) { return Finder(sql).find(); }

}  // namespace pgweir::sql
