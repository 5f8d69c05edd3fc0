#include "protocol/sql/session_effects.h"

#include <algorithm>
#include <array>

#include "protocol/sql/config_call.h"
#include "protocol/sql/lexer.h"
#include "protocol/sql/session_words.h"

namespace pgweir::sql {
namespace {

// What may stand between INTO and the name of a table.
constexpr std::array<std::string_view, 6> before_into_names{"table", "temp", "temporary", "local", "global", "unlogged"};

// What a statement of PL/pgSQL may stand behind, beside a semicolon.
constexpr std::array<std::string_view, 4> before_statements{"begin", "then", "else", "loop"};

// Whether the literal ends somewhere else where backslashes escape in it (standard_conforming_strings = off), or where a
// backslash is the second byte of a character (client_encoding = SJIS and its like).
bool ends_elsewhere(std::string_view literal) {
  for (std::size_t at = literal.find('\\'); at != std::string_view::npos; at = literal.find('\\', at + 1)) {
    if (literal.front() == '\'' ? literal.substr(at + 1, 1) == "'" : (literal[at - 1] & 0x80) != 0) return true;
  }
  return false;
}

// Where the text has those words, however they are spelled; npos: nowhere.
std::size_t find(std::string_view sql, std::string_view words) {
  const auto found = std::search(sql.begin(), sql.end(), words.begin(), words.end(), [](char a, char b) { return lower(a) == b; });
  return found == sql.end() ? std::string_view::npos : static_cast<std::size_t>(found - sql.begin());
}

bool mentions(std::string_view sql, std::string_view word) { return find(sql, word) != std::string_view::npos; }

// A name as PostgreSQL folds it.
std::string folded(const Token& token) {
  std::string name(token.text);
  if (token.kind == TokenKind::quoted) {
    if (name.size() < 2 || name[0] != '"') return {};
    name = name.substr(1, name.size() - 2);
    for (std::size_t at = 0; (at = name.find("\"\"", at)) != std::string::npos; ++at) name.erase(at, 1);
  }
  // Settings are found whatever their case is.
  std::transform(name.begin(), name.end(), name.begin(), lower);
  return name;
}

// Reads the tokens of one text, statement by statement.
class Reader {
 public:
  explicit Reader(std::string_view sql) : lexer_(sql) { advance(); }

  SessionEffects read() {
    while (token_.kind != TokenKind::end) {
      if (token_.is(';')) {
        advance();
        continue;
      }
      statement();
      while (token_.kind != TokenKind::end && !token_.is(';')) advance();
    }
    return std::move(effects_);
  }

 private:
  void advance() {
    token_ = lexer_.next();
    if (token_.kind == TokenKind::string && ends_elsewhere(token_.text)) effects_.runs_code = true;
  }
  bool word(std::string_view text) const { return token_.kind == TokenKind::word && is(token_.text, text); }
  bool take(std::string_view text) {
    if (!word(text)) return false;
    advance();
    return true;
  }
  void add(std::string_view setting) { effects_.settings.emplace_back(setting); }

  void statement() {
    if (take("set")) return set();
    if (take("reset")) return reset();
    if (take("discard")) return discard();
    if (take("listen")) return leaves(effects_.listens);
    if (word("unlisten")) effects_.needs_channels = true;
    if (take("unlisten") || take("close")) return takes_away();
    if (take("load")) {
      effects_.loads_library = true;
      return;
    }
    if (take("do")) return code();
    if (word("drop")) takes_away();
    if (take("declare")) return declare();
    if (word("create")) return create();
    // What a prepared statement does it does when it is executed, by a name that is not told here.
    const bool prepares = word("prepare");
    const SessionEffects before = prepares ? effects_ : SessionEffects{};
    calls();
    if (prepares && !(effects_.settings == before.settings && effects_.leaves_something == before.leaves_something &&
                      effects_.setting_parameters == before.setting_parameters)) {
      effects_.unreadable_setting = true;
    }
  }

  // DO [LANGUAGE name] 'code': what its text names is looked for, whatever else it does.
  void code() {
    effects_.runs_code = true;
    for (; token_.kind != TokenKind::end && !token_.is(';'); advance()) {
      if (token_.kind != TokenKind::string) continue;
      const std::string body = inside_of(token_.text);
      const SessionEffects inside = Reader(body).read();
      take_settings(inside);
      effects_.functions.insert(effects_.functions.end(), inside.functions.begin(), inside.functions.end());
      code_of(body);
    }
  }

  void take_settings(const SessionEffects& inside) {
    effects_.settings.insert(effects_.settings.end(), inside.settings.begin(), inside.settings.end());
    effects_.unreadable_setting |= inside.unreadable_setting;
  }

  // PL/pgSQL: a SET may stand behind BEGIN and its like, too, or in a string that is executed.
  void code_of(std::string_view body) {
    const bool executes = mentions(body, "execute");
    Lexer lexer(body);
    bool begins = true;
    for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
      if (token.kind == TokenKind::string && executes) executed(inside_of(token.text));
      if (begins && (is(token.text, "set") || is(token.text, "reset"))) {
        const std::string_view rest = body.substr(static_cast<std::size_t>(token.text.data() - body.data()));
        take_settings(Reader(rest.substr(0, rest.find(';'))).read());
      }
      begins = token.is(';') || (token.kind == TokenKind::word && is_one_of(token.text, before_statements));
    }
  }

  // EXECUTE 'SET app.' || ...: the name is not to be read where the string ends before its value begins.
  void executed(const std::string& sql) {
    Lexer words(sql);
    const Token verb = words.next();
    const bool resets = is(verb.text, "reset");
    if ((!resets && !is(verb.text, "set")) || is(words.next().text, "local")) return;
    const std::size_t name_end = std::min(sql.find('='), find(sql, " to "));
    const bool whole = resets ? sql.find('%') == sql.npos && sql.back() != ' ' && sql.back() != '.' : name_end < sql.find('%');
    if (whole) take_settings(Reader(sql).read());
    else effects_.unreadable_setting = effects_.all_settings = true;
  }

  // What stands between the quotes of 'it''s', $$it's$$, $a$it's$a$.
  static std::string inside_of(std::string_view text) {
    const std::size_t begin = text.front() == '\'' ? 1 : std::min(text.find_first_of("$'", 1) + 1, text.size());
    const std::size_t quotes = text.front() == '$' ? begin : 1;
    std::string inside(text.substr(begin, std::max(text.size(), begin + quotes) - begin - quotes));
    if (text.front() == '$') return inside;
    for (std::size_t at = 0; (at = inside.find("''", at)) != std::string::npos; ++at) inside.erase(at, 1);
    return inside;
  }

  // SET [SESSION | LOCAL] ...
  void set() {
    if (before_dot()) return named_setting();          // SET session.user = 1
    if (word("local") || word("transaction") || word("constraints")) return;
    if (take("session")) {
      if (take("characteristics")) {
        for (const char* name : {"default_transaction_isolation", "default_transaction_read_only", "default_transaction_deferrable"})
          add(name);
        return;
      }
      if (before_dot()) return named_setting();
      if (word("session") || word("authorization")) return authorization();      // SET SESSION SESSION AUTHORIZATION
    }
    if (word("role")) return add("role");
    if (word("names")) return add("client_encoding");
    if (word("schema")) return add("search_path");
    if (word("seed")) return;
    if (take("time")) return add("timezone");
    if (take("xml")) return add("xmloption");
    if (word("authorization")) return authorization();
    named_setting();
  }

  void authorization() {
    add("session_authorization");
    add("role");
  }

  void reset() {
    if (before_dot()) {
      named_setting();
    } else if (word("all")) {
      effects_.all_settings = true;
    } else if (take("session")) {
      authorization();
    } else if (word("time")) {
      add("timezone");
    } else {
      named_setting();
    }
  }

  bool before_dot() const { return Lexer(lexer_).next().is('.'); }

  // name, or prefix.name
  void named_setting() {
    std::string name;
    while (token_.kind == TokenKind::word || token_.kind == TokenKind::quoted) {
      std::string part = folded(token_);
      if (part.empty()) effects_.unreadable_setting = effects_.all_settings = true;     // U&"..."
      if (part.size() > name_bytes_max) part.resize(name_bytes_max);
      name += part;
      advance();
      if (!token_.is('.')) break;
      name += '.';
      advance();
    }
    if (!name.empty()) add(name);
  }

  void discard() {
    if (word("all")) effects_.all_settings = effects_.needs_channels = true;
    if (!word("plans") && !word("sequences")) takes_away();
  }

  void leaves(bool& which) { which = effects_.leaves_something = true; }
  void takes_away() { effects_.takes_something_away = true; }

  // DECLARE name ... CURSOR WITH HOLD FOR query
  void declare() {
    std::string_view last;
    while (token_.kind != TokenKind::end && !token_.is(';') && !word("for")) {
      if (word("hold") && is(last, "with")) leaves(effects_.holds_cursor);
      last = token_.text;
      advance();
    }
    calls();
  }

  // CREATE [OR REPLACE] [LOCAL | GLOBAL] TEMP ..., or pg_temp.name
  void create() {
    bool head = true, temporary = false, table = false;
    while (token_.kind != TokenKind::end && !token_.is(';')) {
      if (word("as")) return calls();          // what comes before are names, types and defaults
      temporary |= head && (word("temp") || word("temporary"));
      table |= head && word("table");
      head &= token_.kind == TokenKind::word && !word("table") && !word("view") && !word("sequence") && !word("function");
      if ((head && (word("temp") || word("temporary"))) || word("pg_temp")) leaves(effects_.makes_temporary);
      advance();
    }
    effects_.temporary_tables += temporary && table;
  }

  // The functions that a statement calls, and SELECT ... INTO TEMP.
  void calls() {
    std::string_view last, schema;
    enum { elsewhere, before_table, behind_table } into = elsewhere;   // INTO a table with its columns is no call
    while (token_.kind != TokenKind::end && !token_.is(';')) {
      const bool name = token_.kind == TokenKind::word || token_.kind == TokenKind::quoted;
      if (name && is(last, "into") && (word("temp") || word("temporary") || word("pg_temp") || word("local") || word("global")))
        leaves(effects_.makes_temporary);
      if (token_.is('(')) {
        advance();
        if (into != behind_table) call(last, schema);
        into = elsewhere;
        last = {};
        continue;
      }
      // U&"..." [UESCAPE 'x']: any name, perhaps before a bracket.
      if (token_.kind == TokenKind::quoted && token_.text.front() != '"') effects_.unreadable_setting = effects_.all_settings = true;
      if (is(last, "execute") && name) effects_.executed.push_back(name_of(token_));
      if (word("into")) into = before_table;
      else if (into == before_table && name) into = is_one_of(token_.text, before_into_names) ? before_table : behind_table;
      else into = into == behind_table && (token_.is('.') || word("as")) ? before_table : elsewhere;
      if (!name || !is(last, ".")) schema = token_.is('.') ? last : std::string_view{};
      last = name || token_.is('.') ? token_.text : std::string_view{};
      advance();
    }
  }

  static std::string name_of(const Token& token) {
    if (token.kind == TokenKind::word) return folded(token);
    std::string name(token.text.substr(1, token.text.size() - std::min<std::size_t>(2, token.text.size())));
    for (std::size_t at = 0; (at = name.find("\"\"", at)) != std::string::npos; ++at) name.erase(at, 1);
    return name;
  }

  // Behind the bracket.
  void call(std::string_view function, std::string_view schema) {
    const bool quoted = function.size() > 1 && function.front() == '"';
    const std::string_view spelled = function;
    if (quoted) function = function.substr(1, function.size() - 2);
    const bool odd = quoted && is_odd(function);
    if (hides(function)) effects_.unreadable_setting = true;
    if (runs_text(function)) effects_.runs_code = true;
    if (!affects(function)) {
      if (odd || is_foreign(function) || is_foreign_schema(schema))
        effects_.functions.push_back(folded({quoted ? TokenKind::quoted : TokenKind::word, false, spelled}).substr(0, name_bytes_max));
      return;
    }
    if (is_one_of(function, locking_functions)) return leaves(effects_.locks);
    if (is(function, "pg_listening_channels")) {
      effects_.needs_channels = true;
      return takes_away();
    }
    if (is_one_of(function, unlocking_functions)) return takes_away();
    config_call();
  }

  // Only looked at: the arguments are read as any others, for they may call functions, too.
  void config_call() {
    const ConfigCall config = read_config_call(lexer_, token_);
    if (config.is_local) return;
    if (config.parameter != 0) effects_.setting_parameters.push_back(config.parameter);
    else if (!config.setting.empty()) add(config.setting);
    else effects_.unreadable_setting = effects_.all_settings = true;
  }

  Lexer lexer_;
  Token token_;
  SessionEffects effects_;
};

std::size_t heap_bytes(const std::vector<std::string>& words) {
  std::size_t bytes = words.capacity() * sizeof(std::string);
  for (const std::string& word : words) bytes += word.capacity() > std::string().capacity() ? word.capacity() + 1 : 0;
  return bytes;
}

}  // namespace

std::size_t SessionEffects::heap_bytes() const {
  return sql::heap_bytes(settings) + sql::heap_bytes(functions) + sql::heap_bytes(executed) + setting_parameters.capacity() * sizeof(std::uint16_t);
}

SessionEffects session_effects(std::string_view sql) {
  if (!may_affect_session(sql)) return {};
  SessionEffects effects = Reader(sql).read();
  // However it is spelled, quoted or reached: by search_path, no later statement would name it.
  if (mentions(sql, "pg_temp") || mentions(sql, "u&\"")) {
    effects.leaves_something = effects.makes_temporary = true;
    const auto& names = effects.settings;
    const bool sets_path = std::find(names.begin(), names.end(), "search_path") != names.end();
    // ALTER FUNCTION ... SET, or CREATE FUNCTION with it, sets nothing for the session.
    effects.unreadable_setting |= mentions(sql, "search_path") &&
                                  (sets_path || effects.runs_code || effects.all_settings || !effects.setting_parameters.empty());
  }
  if (effects.runs_code) {
    effects.needs_channels |= mentions(sql, "listen");
    effects.makes_code = mentions(sql, "create") || mentions(sql, "alter");
  }
  if (mentions(sql, "pg_settings")) effects.all_settings |= mentions(sql, "update");
  return effects;
}

}  // namespace pgweir::sql
