#include "protocol/sql/session_effects.h"

#include <algorithm>
#include <array>

#include "protocol/sql/builtin_functions.h"
#include "protocol/sql/config_call.h"
#include "protocol/sql/lexer.h"

namespace pgweir::sql {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool in_word(char c) {
  return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || (c & 0x80) != 0;
}

bool is(std::string_view text, std::string_view word) {
  return text.size() == word.size() &&
         std::equal(text.begin(), text.end(), word.begin(), [](char a, char b) { return lower(a) == b; });
}

template <std::size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return is(text, word); });
}

constexpr std::array locking_functions{
    std::string_view("pg_advisory_lock"), std::string_view("pg_advisory_lock_shared"),
    std::string_view("pg_try_advisory_lock"), std::string_view("pg_try_advisory_lock_shared")};
constexpr std::array unlocking_functions{
    std::string_view("pg_advisory_unlock"), std::string_view("pg_advisory_unlock_shared"),
    std::string_view("pg_advisory_unlock_all")};
// First words of statements that act on the session by themselves.
constexpr std::array session_verbs{
    std::string_view("set"),  std::string_view("reset"), std::string_view("discard"), std::string_view("listen"),
    std::string_view("unlisten"), std::string_view("load"), std::string_view("do"),  std::string_view("call"),
    std::string_view("declare"),  std::string_view("close"), std::string_view("create"), std::string_view("drop"),
    std::string_view("prepare"),  std::string_view("execute")};

// What may stand between INTO and the name of a table.
constexpr std::array before_into_names{
    std::string_view("table"), std::string_view("temp"), std::string_view("temporary"), std::string_view("local"),
    std::string_view("global"), std::string_view("unlogged")};

// Whether the literal ends somewhere else where backslashes escape in it (standard_conforming_strings = off), or where a
// backslash is the second byte of a character (client_encoding = SJIS and its like).
bool ends_elsewhere(std::string_view literal) {
  for (std::size_t at = literal.find('\\'); at != std::string_view::npos; at = literal.find('\\', at + 1)) {
    if (literal.front() == '\'' ? literal.substr(at + 1, 1) == "'" : (literal[at - 1] & 0x80) != 0) return true;
  }
  return false;
}

// dblink's named connections live as long as the session, and no look at it tells of them.
bool connects(std::string_view function) { return is(function.substr(0, 14), "dblink_connect"); }

// A plain name that is none of PostgreSQL's.
bool is_foreign(std::string_view function) {
  constexpr std::size_t longest = 63;
  char folded[longest];
  if (function.empty() || function.size() > longest || (function[0] >= '0' && function[0] <= '9') || function[0] == '$') return false;
  std::transform(function.begin(), function.end(), folded, lower);
  return !is_builtin_function({folded, function.size()});
}

bool affects(std::string_view function) {
  return is(function, "set_config") || is(function, "pg_listening_channels") || is_one_of(function, locking_functions) || is_one_of(function, unlocking_functions);
}

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
      const SessionEffects inside = Reader(token_.text.substr(std::min(token_.text.find_first_of("$'", 1) + 1, token_.text.size()))).read();
      effects_.settings.insert(effects_.settings.end(), inside.settings.begin(), inside.settings.end());
    }
  }

  // SET [SESSION | LOCAL] ...
  void set() {
    if (word("local") || word("transaction") || word("constraints")) return;
    if (take("session")) {
      if (take("characteristics")) {
        for (const char* name : {"default_transaction_isolation", "default_transaction_read_only", "default_transaction_deferrable"})
          add(name);
        return;
      }
      if (word("authorization")) return authorization();
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
    if (word("all")) {
      effects_.all_settings = true;
    } else if (take("session")) {
      authorization();
    } else if (word("time")) {
      add("timezone");
    } else {
      named_setting();
    }
  }

  // name, or prefix.name
  void named_setting() {
    std::string name;
    while (token_.kind == TokenKind::word || token_.kind == TokenKind::quoted) {
      name += folded(token_);
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
    bool head = true;
    while (token_.kind != TokenKind::end && !token_.is(';')) {
      if (word("as")) return calls();          // what comes before are names, types and defaults
      head &= token_.kind == TokenKind::word && !word("table") && !word("view") && !word("sequence") && !word("function");
      if ((head && (word("temp") || word("temporary"))) || word("pg_temp")) leaves(effects_.makes_temporary);
      advance();
    }
  }

  // The functions that a statement calls, and SELECT ... INTO TEMP.
  void calls() {
    std::string_view last;
    enum { elsewhere, before_table, behind_table } into = elsewhere;   // INTO a table with its columns is no call
    while (token_.kind != TokenKind::end && !token_.is(';')) {
      const bool name = token_.kind == TokenKind::word || token_.kind == TokenKind::quoted;
      if (name && is(last, "into") && (word("temp") || word("temporary") || word("pg_temp") || word("local") || word("global")))
        leaves(effects_.makes_temporary);
      if (token_.is('(')) {
        advance();
        if (into != behind_table) call(last);
        into = elsewhere;
        last = {};
        continue;
      }
      if (is(last, "execute") && name) effects_.executed.push_back(name_of(token_));
      if (word("into")) into = before_table;
      else if (into == before_table && name) into = is_one_of(token_.text, before_into_names) ? before_table : behind_table;
      else into = into == behind_table && (token_.is('.') || word("as")) ? before_table : elsewhere;
      last = name ? token_.text : std::string_view{};
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
  void call(std::string_view function) {
    if (function.size() > 2 && function[1] == '&') effects_.unreadable_setting = effects_.all_settings = true;
    if (function.size() > 1 && function.front() == '"') function = function.substr(1, function.size() - 2);
    if (connects(function)) effects_.unreadable_setting = true;
    if (is(function.substr(0, 12), "query_to_xml") || is(function, "ts_stat") || is(function, "ts_rewrite")) effects_.runs_code = true;
    if (!affects(function)) {
      if (is_foreign(function)) effects_.functions.push_back(folded({TokenKind::word, false, function}));
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

bool mentions(std::string_view sql, std::string_view word) {
  return std::search(sql.begin(), sql.end(), word.begin(), word.end(), [](char a, char b) { return lower(a) == b; }) != sql.end();
}

bool begins_with_session_verb(std::string_view sql) {
  const Token first = Lexer(sql).next();
  return first.kind == TokenKind::word && is_one_of(first.text, session_verbs);
}

}  // namespace

bool may_affect_session(std::string_view sql) {
  if (begins_with_session_verb(sql)) return true;
  for (std::size_t at = 0; at < sql.size(); ++at) {
    switch (sql[at]) {
      case '(': {
        if (at >= 7 && (is(sql.substr(at - 7, 7), "ts_stat") || mentions(sql.substr(0, at), "query_to_xml"))) return true;
        std::size_t end = at;
        while (end > 0 && (sql[end - 1] == ' ' || (sql[end - 1] >= '\t' && sql[end - 1] <= '\r') || sql[end - 1] == '"')) --end;
        std::size_t begin = end;
        while (begin > 0 && in_word(sql[begin - 1])) --begin;
        if (const auto name = sql.substr(begin, end - begin); affects(name) || is_foreign(name)) return true;
        break;
      }
      case '-': case '/':                        // a comment may stand between a name and its bracket
        if (sql.substr(at, 2) == "--" || sql.substr(at, 2) == "/*") return true;
        break;
      case '&':
        if (sql.substr(at + 1, 1) == "\"") return true;   // a name with escapes
        break;
      case ';':
        if (begins_with_session_verb(sql.substr(at + 1))) return true;
        break;
      case 't': case 'T':
        if (at > 0 && !in_word(sql[at - 1]) && is(sql.substr(at, 4), "temp")) return true;
        break;
      case 'e': case 'E':
        if (at > 0 && !in_word(sql[at - 1]) && is(sql.substr(at, 7), "execute")) return true;
        break;
      case 'p': case 'P':
        if (is(sql.substr(at, 7), "pg_temp") || is(sql.substr(at, 11), "pg_settings")) return true;
        break;
      default:
        break;
    }
  }
  return false;
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
  if (effects.runs_code) effects.needs_channels |= mentions(sql, "listen");
  if (mentions(sql, "pg_settings")) effects.all_settings |= mentions(sql, "update");
  return effects;
}

}  // namespace pgweir::sql
