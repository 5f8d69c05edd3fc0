// The table of every setting of [pgbouncer]: parser, SHOW CONFIG, SET, the reload rules, the
// example file and the reference page are loops over it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "config/globals.h"

namespace pgweir {

// When a changed value counts.
enum class Applies : std::uint8_t {
  restart,          // never before a restart; RELOAD and SET ignore it silently, as PgBouncer does
  at_once,          // from the moment the new configuration is in force
  new_connections,  // for clients and servers that connect from then on
};

// Where a value lives, and by that how it is written: int and int64 as C integers (base 0), bool as
// 0 or 1 (any other number is 1), Micros as decimal seconds, enumerations by name.
using SettingMember =
    std::variant<int Globals::*, std::int64_t Globals::*, bool Globals::*, std::string Globals::*,
                 std::optional<std::string> Globals::*, Micros Globals::*, PoolMode Globals::*,
                 AuthType Globals::*, SslMode Globals::*, EventLoop Globals::*, LogFormat Globals::*,
                 double Globals::*, SessionState Globals::*>;

struct Setting {
  std::string_view name;
  SettingMember member;
  std::optional<std::string_view>
      fallback;  // the raw default, as SHOW CONFIG prints it; none: NULL
  Applies applies;
  std::string_view help;  // one line, with the unit
  // Known but not served yet: what is missing. Empty: served. A file that sets such a setting to
  // other than its default (or other than one of `served_values`) loads with one warning.
  std::string_view not_served = {};
  std::string_view no_effect = {};      // accepted for the sake of old files: why it changes nothing
  std::string_view served_values = {};  // comma list
  std::int64_t lowest = INT32_MIN;      // bounds of numbers, inclusive
  std::int64_t highest = INT32_MAX;
  bool secret = false;                  // shown as ***

  bool changeable() const { return applies != Applies::restart; }
};

// All settings in SHOW CONFIG order.
std::span<const Setting> settings();
// Null when there is no such setting. Names are case-sensitive.
const Setting* find_setting(std::string_view name);

Globals default_globals();

// Puts the parsed value in. Returns the reason it cannot ("" when it could); `to` is untouched
// then.
std::string set_value(const Setting& setting, Globals& to, std::string_view value);
// The same by name, whatever the row says about when it applies; the loader's way.
// Error texts: `unknown parameter: NAME`, `invalid value "V" for parameter NAME`.
std::string set_by_name(Globals& to, std::string_view name, std::string_view value);
// SET of the console: like set_by_name, but settings that need a restart are left as they are and
// no error is given. The caller rebuilds the lists of its Config (split_lists).
std::string set_while_running(Globals& to, std::string_view name, std::string_view value);

// The value as SHOW CONFIG prints it; nothing for NULL.
std::optional<std::string> print_value(const Setting& setting, const Globals& from);

// Why the value in `from` is not served or has no effect; "" when it has, or is the default.
std::string_view unserved_reason(const Setting& setting, const Globals& from);

// pgbouncer.ini.example: every setting once with its default and meaning.
std::string example_ini();

}  // namespace pgweir
