#include "proxy/policy/prepared/sql_texts.h"

#include <algorithm>

#include "proxy/policy/prepared/sql_verb.h"
#include "proxy/policy/prepared/sql_words.h"

namespace pgweir::policy {

bool begins_with_verb(std::string_view sql) {
  std::size_t at = 0;
  while (at < sql.size() && words::is_space(sql[at])) ++at;
  if (at < sql.size() && (sql[at] == '/' || sql[at] == '-')) at = words::skip_blank(sql, at);
  if (at == sql.size()) return false;
  switch (words::lower(sql[at])) {
    case 'e': return words::take_word(sql, at, "execute");
    case 'p': return words::take_word(sql, at, "prepare");
    case 'd': return words::take_word(sql, at, "deallocate") || words::take_word(sql, at, "discard");
    default: return false;
  }
}

std::string_view prepared_body(std::string_view behind_name) {
  std::size_t at = words::skip_blank(behind_name, 0);
  if (at < behind_name.size() && behind_name[at] == '(') {
    int depth = 0;
    while (at < behind_name.size()) {
      depth += behind_name[at] == '(' ? 1 : behind_name[at] == ')' ? -1 : 0;
      at = words::skip_blank(behind_name, words::next_token(behind_name, at));
      if (depth == 0) break;
    }
  }
  return words::take_word(behind_name, at, "as") ? behind_name.substr(at) : behind_name;
}

std::string_view executed_text(std::string_view sql, const ClientStatements& known) {
  const SqlVerb verb = recognise(sql);
  if (verb.verb != Verb::execute) return {};
  const StatementRef* statement = known.find(verb.name);
  return statement ? prepared_body((*statement)->text->sql()) : std::string_view{};
}

SqlTexts::Change SqlTexts::on_done(std::string_view sql) {
  SqlVerb verb = recognise(sql);
  switch (verb.verb) {
    case Verb::prepare:
      if (texts_.size() < names_max || texts_.count(verb.name)) {
        const std::string_view text = prepared_body(sql.substr(verb.name_end, verb.end - verb.name_end));
        texts_.insert_or_assign(std::move(verb.name), std::string(text.substr(0, text_bytes_max)));
      }
      return {};
    case Verb::deallocate:
      texts_.erase(verb.name);
      return {true, false, std::move(verb.name)};
    case Verb::forget_all:
      texts_.clear();
      return {false, true, {}};
    default:
      return {};
  }
}

std::string_view SqlTexts::executed(std::string_view sql) const {
  const SqlVerb verb = recognise(sql);
  if (verb.verb != Verb::execute) return {};
  const auto found = texts_.find(verb.name);
  return found == texts_.end() ? std::string_view{} : std::string_view(found->second);
}

}  // namespace pgweir::policy
