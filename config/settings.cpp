#include "config/settings.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "config/config.h"
#include "config/numbers.h"
#include "config/text.h"

namespace pgweir {

namespace {

// One overload per kind of member: reads `text` into `out`, false when it cannot be one.
bool read(const Setting& row, std::string_view text, std::int64_t& out) {
  auto number = parse_integer(text);
  if (!number || *number < row.lowest || *number > row.highest) return false;
  out = *number;
  return true;
}

bool read(const Setting& row, std::string_view text, int& out) {
  std::int64_t number = 0;
  if (!read(row, text, number)) return false;
  out = static_cast<int>(number);
  return true;
}

bool read(const Setting&, std::string_view text, bool& out) {
  auto number = parse_integer(text);
  if (number) out = *number != 0;
  return number.has_value();
}

bool read(const Setting&, std::string_view text, std::string& out) {
  out = text;
  return true;
}

bool read(const Setting&, std::string_view text, std::optional<std::string>& out) {
  out = text;
  return true;
}

template <typename T>
bool take(std::optional<T> found, T& out) {
  if (found) out = *found;
  return found.has_value();
}

bool read(const Setting&, std::string_view text, Micros& out) {
  return take(parse_seconds(text), out);
}
bool read(const Setting&, std::string_view text, PoolMode& out) {
  return take(pool_mode_named(text), out);
}
bool read(const Setting&, std::string_view text, SessionState& out) {
  return take(session_state_named(text), out);
}
bool read(const Setting&, std::string_view text, AuthType& out) {
  return take(auth_type_named(text), out);
}
bool read(const Setting&, std::string_view text, SslMode& out) {
  return take(ssl_mode_named(text), out);
}
bool read(const Setting&, std::string_view text, EventLoop& out) {
  return take(event_loop_named(text), out);
}

bool read(const Setting&, std::string_view text, LogFormat& out) {
  return take(log_format_named(text), out);
}
bool read(const Setting& row, std::string_view text, double& out) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return false;
  if (!(value >= static_cast<double>(row.lowest) && value <= static_cast<double>(row.highest))) return false;
  out = value;
  return true;
}

std::optional<std::string> print(LogFormat value) {
  return std::string(name_of(value));
}
std::optional<std::string> print(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}
std::optional<std::string> print(int value) {
  return std::to_string(value);
}
std::optional<std::string> print(std::int64_t value) {
  return std::to_string(value);
}
std::optional<std::string> print(bool value) {
  return value ? "1" : "0";
}
std::optional<std::string> print(const std::string& value) {
  return value;
}
std::optional<std::string> print(const std::optional<std::string>& value) {
  return value;
}
std::optional<std::string> print(Micros value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", static_cast<double>(value.count()) / 1e6);
  return text;
}
std::optional<std::string> print(PoolMode value) {
  return std::string(name_of(value));
}
std::optional<std::string> print(AuthType value) {
  return std::string(name_of(value));
}
std::optional<std::string> print(SslMode value) {
  return std::string(name_of(value));
}
std::optional<std::string> print(SessionState value) {
  return std::string(name_of(value));
}
std::optional<std::string> print(EventLoop value) {
  return std::string(name_of(value));
}

}  // namespace

const Setting* find_setting(std::string_view name) {
  for (const Setting& row : settings()) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

Globals default_globals() {
  Globals globals;
  for (const Setting& row : settings()) {
    if (row.fallback) set_value(row, globals, *row.fallback);
  }
  return globals;
}

std::string set_value(const Setting& setting, Globals& to, std::string_view value) {
  bool good =
      std::visit([&](auto member) { return read(setting, value, to.*member); }, setting.member);
  if (good) return "";
  return concat({"invalid value \"", value, "\" for parameter ", setting.name});
}

std::string set_by_name(Globals& to, std::string_view name, std::string_view value) {
  const Setting* setting = find_setting(name);
  if (!setting) return concat({"unknown parameter: ", name});
  return set_value(*setting, to, value);
}

std::string set_while_running(Globals& to, std::string_view name, std::string_view value) {
  const Setting* setting = find_setting(name);
  if (setting && !setting->changeable()) return "";
  return set_by_name(to, name, value);
}

std::optional<std::string> print_value(const Setting& setting, const Globals& from) {
  auto value = std::visit([&](auto member) { return print(from.*member); }, setting.member);
  if (setting.secret && value && !value->empty()) return "***";
  return value;
}

std::string_view unserved_reason(const Setting& setting, const Globals& from) {
  const std::string_view reason = setting.not_served.empty() ? setting.no_effect : setting.not_served;
  if (reason.empty()) return "";
  static const Globals defaults = default_globals();
  auto value = print_value(setting, from);
  if (value == print_value(setting, defaults)) return "";
  auto good = split_commas(setting.served_values);
  if (value && std::find(good.begin(), good.end(), *value) != good.end()) return "";
  return reason;
}

}  // namespace pgweir
