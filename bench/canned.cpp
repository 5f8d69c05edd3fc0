#include "bench/canned.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "protocol/compose.h"

namespace pgweir::bench {
namespace {

constexpr std::size_t result_bytes_max = 256 << 20;
constexpr std::size_t result_sizes_max = 16;  // kept at a time

std::string first_word(std::string_view sql) {
  std::string word;
  for (const char c : sql.substr(std::min(sql.find_first_not_of(" \n\t\r"), sql.size()))) {
    if (c >= 'a' && c <= 'z')
      word.push_back(static_cast<char>(c - 'a' + 'A'));
    else if (c >= 'A' && c <= 'Z')
      word.push_back(c);
    else
      break;
  }
  return word;
}

Answer without_rows(std::string_view tag, char transaction = 0) {
  Answer answer;
  compose::no_data(answer.description);
  compose::command_complete(answer.rows, tag);
  answer.transaction = transaction;
  return answer;
}

Answer one_row(std::string_view column, std::string_view value) {
  Answer answer;
  const std::array<compose::Column, 1> columns{{{column, compose::oid::text}}};
  const std::array<std::optional<std::string_view>, 1> values{value};
  compose::row_description(answer.description, columns);
  compose::data_row(answer.rows, values);
  compose::command_complete(answer.rows, "SELECT 1");
  return answer;
}

Answer nothing_at_all() {
  Answer answer;
  compose::no_data(answer.description);
  compose::empty_query_response(answer.rows);
  return answer;
}

// N of `select repeat('x', N)`; nothing when the statement is another.
std::optional<std::size_t> repeat_count(std::string_view sql) {
  constexpr std::string_view call = "repeat('x', ";
  const auto at = sql.find(call);
  if (at == std::string_view::npos) return std::nullopt;
  std::size_t count = 0;
  std::from_chars(sql.data() + at + call.size(), sql.data() + sql.size(), count);
  return std::min(count, result_bytes_max);
}

}  // namespace

CannedAnswers::CannedAnswers()
    : begin_(without_rows("BEGIN", 'T')),
      commit_(without_rows("COMMIT", 'I')),
      rollback_(without_rows("ROLLBACK", 'I')),
      select_(one_row("?column?", "1")),
      insert_(without_rows("INSERT 0 1")),
      set_(without_rows("SET")),
      empty_(nothing_at_all()),
      discard_(without_rows("DISCARD ALL")),
      other_(without_rows("OK")) {}

const Answer& CannedAnswers::answer_to(std::string_view sql) {
  const std::string word = first_word(sql);
  if (word == "SELECT" || word == "SHOW") {
    const auto count = repeat_count(sql);
    return count ? result_of(*count) : select_;
  }
  if (word == "BEGIN" || word == "START") return begin_;
  if (word == "COMMIT" || word == "END") return commit_;
  if (word == "ROLLBACK" || word == "ABORT") return rollback_;
  if (word == "INSERT") return insert_;
  if (word == "SET" || word == "RESET") return set_;
  if (word == "DISCARD") return discard_;
  return word.empty() ? empty_ : other_;
}

const Answer& CannedAnswers::result_of(std::size_t bytes) {
  if (const auto known = results_.find(bytes); known != results_.end()) return known->second;
  if (results_.size() >= result_sizes_max) return other_;
  return results_.emplace(bytes, one_row("repeat", std::string(bytes, 'x'))).first->second;
}

Buffer welcome() {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> parameters{{
      {"server_version", "15.0 (pgweir-bench)"},
      {"server_encoding", "UTF8"},
      {"client_encoding", "UTF8"},
      {"DateStyle", "ISO, MDY"},
      {"TimeZone", "UTC"},
      {"integer_datetimes", "on"},
      {"standard_conforming_strings", "on"},
      {"application_name", ""},
      {"is_superuser", "off"},
      {"IntervalStyle", "postgres"},
  }};
  Buffer out;
  compose::authentication_ok(out);
  for (const auto& [name, value] : parameters) compose::parameter_status(out, name, value);
  compose::backend_key_data(out, 1, as_bytes("null"));
  compose::ready_for_query(out);
  return out;
}

}  // namespace pgweir::bench
