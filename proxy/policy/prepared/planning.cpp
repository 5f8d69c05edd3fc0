#include "proxy/policy/prepared/planning.h"

#include <algorithm>

#include "proxy/policy/prepared/sql_words.h"

namespace pgweir::policy {
namespace {

// Source: PostgreSQL 15 documentation, "Server Configuration". In order.
constexpr std::string_view harmless[] = {
    "application_name", "backend_flush_after", "check_function_bodies", "client_connection_check_interval", "client_min_messages",
    "commit_delay", "commit_siblings", "deadlock_timeout", "default_table_access_method", "default_tablespace",
    "default_toast_compression", "default_transaction_deferrable", "default_transaction_isolation", "default_transaction_read_only",
    "dynamic_library_path", "idle_in_transaction_session_timeout", "idle_session_timeout", "lo_compat_privileges",
    "local_preload_libraries", "lock_timeout", "logical_decoding_work_mem", "maintenance_work_mem",
    "max_parallel_maintenance_workers", "password_encryption", "statement_timeout", "stats_fetch_consistency",
    "synchronous_commit", "temp_buffers", "temp_file_limit", "temp_tablespaces", "transaction_deferrable",
    "transaction_isolation", "transaction_read_only", "transaction_timeout", "zero_damaged_pages"};
constexpr std::string_view harmless_families[] = {"debug_pr", "gin_", "log_", "tcp_", "trace_", "track_", "vacuum_", "wal_"};
static_assert(std::is_sorted(std::begin(harmless), std::end(harmless)));

SharedPlanning made_of(std::string words) {
  if (words.empty()) return nullptr;
  auto planning = std::make_shared<Planning>();
  planning->hash = std::hash<std::string>{}(words);
  planning->words = std::move(words);
  return planning;
}

void add(std::string& words, std::string_view name, std::string_view value) {
  words.append(name).append("=").append(value).push_back('\0');
}

// The place behind 'text' at `at`, whose inside is put into `inside`; npos: there is none, or one with quotes in it.
std::size_t read_literal(std::string_view sql, std::size_t at, std::string_view& inside) {
  if (at >= sql.size() || sql[at] != '\'') return std::string_view::npos;
  const std::size_t end = sql.find('\'', at + 1);
  if (end == std::string_view::npos || sql.substr(end, 2) == "''") return std::string_view::npos;
  inside = sql.substr(at + 1, end - at - 1);
  return end + 1;
}

// What set_config() is given, behind its name.
struct Arguments {
  std::string_view setting;        // empty: it cannot be read
  bool equal_text = false;         // the value stands in the text
  std::uint16_t number = 0;        // ... or is that parameter; 0: neither
};

Arguments read_arguments(std::string_view sql, std::size_t at) {
  Arguments found;
  if (at >= sql.size() || sql[at] != '(') return found;
  std::string_view name, value;
  at = read_literal(sql, words::skip_blank(sql, at + 1), name);
  if (at == std::string_view::npos) return found;
  at = words::skip_blank(sql, at);
  if (at >= sql.size() || sql[at] != ',') return found;
  found.setting = name;
  at = words::skip_blank(sql, at + 1);
  if (const std::size_t behind = read_literal(sql, at, value); behind != std::string_view::npos) {
    found.equal_text = sql.substr(words::skip_blank(sql, behind), 1) == ",";
  } else if (at < sql.size() && sql[at] == '$') {
    std::uint16_t number = 0;
    for (++at; at < sql.size() && sql[at] >= '0' && sql[at] <= '9' && number < 6553; ++at)
      number = static_cast<std::uint16_t>(number * 10 + (sql[at] - '0'));
    const std::string_view next = sql.substr(words::skip_blank(sql, at), 1);
    if (next == "," || next == ":") found.number = number;
  }
  return found;
}

}  // namespace

bool same_planning(const SharedPlanning& a, const SharedPlanning& b) {
  return a == b || (a && b && a->hash == b->hash && a->words == b->words);
}

bool changes_planning(std::string_view setting) {
  if (setting.find('.') != std::string_view::npos) return false;
  if (std::binary_search(std::begin(harmless), std::end(harmless), setting)) return false;
  return std::none_of(std::begin(harmless_families), std::end(harmless_families),
                      [&](std::string_view family) { return setting.starts_with(family); });
}

SharedPlanning with_steps(const SharedPlanning& base, std::uint64_t mark) {
  std::string words = base ? base->words : std::string();
  add(words, "", std::to_string(mark));
  return made_of(std::move(words));
}

bool sets_planning(std::string_view sql) {
  bool begins = true;
  for (std::size_t at = words::skip_blank(sql, 0); at < sql.size(); at = words::skip_blank(sql, at)) {
    const std::size_t end = words::next_token(sql, at);
    const std::string_view token = sql.substr(at, end - at);
    at = end;
    if (words::is_word(token, "set_config")) {
      const Arguments given = read_arguments(sql, words::skip_blank(sql, at));
      if (given.setting.empty() || changes_planning(lower_case(given.setting))) return true;
    } else if (begins && (words::is_word(token, "set") || words::is_word(token, "reset"))) {
      // SET SESSION CHARACTERISTICS and SET TRANSACTION are about none; TIME ZONE and SESSION AUTHORIZATION are.
      std::string name;
      do {
        at = words::skip_blank(sql, at);
        name.clear();
        at = words::read_name(sql, at, name);
      } while (name == "local" || name == "session");
      if (name.empty() || (name != "transaction" && name != "characteristics" && name != "constraints" && changes_planning(name)))
        if (at >= sql.size() || sql[at] != '.') return true;
    }
    begins = token == ";";
  }
  return false;
}

bool planning_values(std::string_view sql, std::vector<std::uint16_t>& numbers) {
  numbers.clear();
  for (std::size_t at = words::skip_blank(sql, 0); at < sql.size(); at = words::skip_blank(sql, at)) {
    const std::size_t end = words::next_token(sql, at);
    const bool call = words::is_word(sql.substr(at, end - at), "set_config");
    at = end;
    if (!call) continue;
    const Arguments given = read_arguments(sql, words::skip_blank(sql, at));
    if (!given.setting.empty() && !changes_planning(lower_case(given.setting))) continue;
    if (given.number > 0) numbers.push_back(given.number);
    else if (!given.equal_text) return false;
  }
  return true;
}

bool reads_clock(std::string_view sql) {
  for (std::size_t at = 0; (at = sql.find('\'', at)) != std::string_view::npos;) {
    ++at;
    std::size_t word = at;
    while (word < sql.size() && words::is_space(sql[word])) ++word;
    for (const std::string_view name : {"now", "today", "tomorrow", "yesterday"})
      if (words::is_word(sql.substr(word, name.size()), name)) return true;
  }
  return false;
}

bool may_undo(std::string_view sql) {
  for (std::size_t at = words::skip_blank(sql, 0); at < sql.size(); at = words::skip_blank(sql, at)) {
    const std::string_view first = sql.substr(at, words::next_token(sql, at) - at);
    for (const std::string_view word : {"commit", "rollback", "end", "abort", "prepare"})
      if (words::is_word(first, word)) return true;
    at = words::statement_end(sql, at) + 1;
  }
  return false;
}

const SharedPlanning& PlanningCache::of(const TrackedParameters& tracked, const SharedParameters& parameters,
                                        const SharedSettings& settings) {
  const auto spread = [](const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer) >> 5; };
  Entry& entry = entries_[(spread(parameters.get()) ^ spread(settings.get()) * 7) % entries_.size()];
  if (entry.used && entry.parameters == parameters && entry.settings == settings) return entry.planning;
  std::string words;
  for (std::size_t place = 0; parameters && place < tracked.size(); ++place) {
    const auto* value = value_at(parameters, place);
    const std::string name = lower_case(tracked.name(place));
    // Case says nothing, but in names of schemas.
    if (value && *value && changes_planning(name)) add(words, name, name == "search_path" ? **value : lower_case(**value));
  }
  if (settings) {
    for (const auto& [name, value] : *settings)
      if (changes_planning(name)) add(words, name, value);
  }
  entry = {parameters, settings, made_of(std::move(words)), true};
  return entry.planning;
}

}  // namespace pgweir::policy
