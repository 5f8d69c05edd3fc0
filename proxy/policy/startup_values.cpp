#include "proxy/policy/startup_values.h"

#include <algorithm>

namespace pgweir::policy {
namespace {

using What = sql::Reset::What;

// Lists of names, each of which is quoted. Source: GUC_LIST_QUOTE in PostgreSQL's guc.c.
constexpr std::string_view lists[] = {"local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces"};

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The names of "a, "B"": as SplitIdentifierString reads them.
std::optional<std::vector<std::string>> names_in(std::string_view list) {
  std::vector<std::string> names;
  std::size_t at = 0;
  const auto skip = [&] {
    while (at < list.size() && is_blank(list[at])) ++at;
  };
  while (true) {
    skip();
    std::string name;
    if (at < list.size() && list[at] == '"') {
      for (++at;; ++at) {
        if (at >= list.size()) return std::nullopt;
        if (list[at] == '"' && list.substr(at, 2) != "\"\"") break;
        if (list[at] == '"') ++at;
        name += list[at];
      }
      ++at;
    } else {
      while (at < list.size() && list[at] != ',' && !is_blank(list[at])) name += list[at++];
      if (name.empty()) return std::nullopt;
      name = lower_case(name);
    }
    names.push_back(std::move(name));
    skip();
    if (at == list.size()) return names;
    if (list[at] != ',') return std::nullopt;
    ++at;
  }
}

bool is_plain(std::string_view value) { return value.find('\\') == std::string_view::npos && value.find('\0') == std::string_view::npos; }

bool is_list(std::string_view name) { return std::find(std::begin(lists), std::end(lists), name) != std::end(lists); }

// So much is certain without PostgreSQL's list of keywords: none has a digit in it.
bool needs_no_quotes(std::string_view name) {
  if (name == "public" || name == "pg_catalog") return true;
  const auto small = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && small(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) { return small(c) || digit(c); }) &&
         std::any_of(name.begin(), name.end(), digit);
}

const std::string* value_of(const SharedSettings& settings, std::string_view name) {
  if (!settings) return nullptr;
  const auto found = std::find_if(settings->begin(), settings->end(), [&](const auto& entry) { return entry.first == name; });
  return found != settings->end() && found->first == name ? &found->second : nullptr;
}

}  // namespace

SharedSettings startup_values(const TrackedParameters& tracked, const SharedParameters& parameters, const SharedSettings& settings) {
  SharedSettings all = settings;
  for (std::size_t place = 0; place < tracked.size(); ++place) {
    const auto* value = value_at(parameters, place);
    if (value && *value) all = with_setting(all, lower_case(tracked.name(place)), **value);
  }
  return all;
}

SessionSettings lost_by(const SharedSettings& startup, const sql::Reset& reset) {
  SessionSettings lost;
  if (!startup) return lost;
  for (const auto& [name, value] : *startup) {
    const bool is_who = name == "role" || name == "session_authorization";
    const bool is_lost = reset.what == What::everything                              ? true
                         : reset.what == What::all                                   ? !is_who
                         : reset.what == What::identity                              ? is_who
                                                                                     : name == reset.name;
    if (is_lost) lost.emplace_back(name, value);
  }
  return lost;
}

bool names_any(const SharedSettings& startup, const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return value_of(startup, name) != nullptr; });
}

SharedSettings with_startup(SharedSettings settings, const SharedSettings& startup, const TrackedParameters& tracked) {
  if (!startup) return settings;
  for (const auto& [name, value] : *startup) {
    if (name == "role" || tracked.place_of(name) != TrackedParameters::none || value_of(settings, name)) continue;
    settings = with_setting(settings, name, value);
  }
  return settings;
}

std::optional<std::string> words_of(std::string_view name, std::string_view value) {
  if (!is_plain(value)) return std::nullopt;
  if (!is_list(name)) return quote_literal(value);
  const auto names = names_in(value);
  if (!names) return std::nullopt;
  std::string words;
  for (const std::string& one : *names) words.append(words.empty() ? "" : ",").append(quote_literal(one));
  return words;
}

std::optional<std::string> exact_words_of(std::string_view name, std::string_view value) {
  auto words = words_of(name, value);
  if (!words || !is_list(name)) return words;
  const auto names = names_in(value);
  std::string joined;
  for (const std::string& one : *names) joined.append(joined.empty() ? "" : ", ").append(needs_no_quotes(one) ? one : "\"" + one + "\"");
  return joined == value ? words : std::nullopt;
}

RestoringText restoring(std::string_view sql, const SharedSettings& startup, bool parse) {
  RestoringText result;
  const sql::Resets resets = sql::resets_in(sql);
  SqlRewrite text(sql);
  bool changed = false;
  std::vector<std::pair<std::size_t, bool>> sets;        // where they end, and whether they are ours
  for (const std::size_t end : resets.sets) sets.emplace_back(end, false);
  for (const sql::Reset& reset : resets.found) {
    const SessionSettings lost = lost_by(startup, reset);
    if (lost.empty()) continue;
    if (reset.what == What::set_default || reset.what == What::null_value) {
      const std::string& value = lost.front().second;
      const auto words = reset.what == What::set_default ? words_of(reset.name, value)
                         : is_plain(value)               ? std::optional(quote_literal(value))
                                                         : std::nullopt;
      if (!words) continue;
      text.replace(reset.from, reset.to, *words);
      changed = true;
    } else if (resets.statements == 1 || parse) {
      result.behind.insert(result.behind.end(), lost.begin(), lost.end());
      result.discards |= reset.what == What::everything;
    } else if (reset.what != What::everything) {         // which is refused among others
      for (const auto& [name, value] : lost) {
        const auto words = words_of(name, value);
        if (!words) continue;
        text.insert(reset.end, ";SET " + quote_setting(name) + " TO " + *words);
        sets.emplace_back(reset.end, true);
        changed = true;
      }
    }
  }
  if (!changed) return result;
  result.text = text.finish();
  result.edits = std::move(text.edits);
  if (std::none_of(sets.begin(), sets.end(), [](const auto& set) { return set.second; })) return result;
  std::stable_sort(sets.begin(), sets.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [end, ours] : sets) result.sets.push_back(ours);
  return result;
}

}  // namespace pgweir::policy
