// The values of [databases], [users] and [peers]: `key=value` pairs separated by blanks.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "config/config.h"
#include "config/ini.h"
#include "config/mistake.h"

namespace pgweir {

using KeyValue = std::pair<std::string, std::string>;
// The pairs in their order, or nothing on a syntax error: blanks may stand around `=`, a value in
// '…' may hold anything with '' for one quote, and a value must not be empty.
std::optional<std::vector<KeyValue>> split_connstr(std::string_view text);

// One entry of the section; mistakes are appended with the entry's file and line. A result that had
// a non-warning mistake must not be used.
DatabaseConfig parse_database(const IniEntry& entry, Mistakes& mistakes);
UserConfig parse_user(const IniEntry& entry, Mistakes& mistakes);
PeerConfig parse_peer(const IniEntry& entry, Mistakes& mistakes);

}  // namespace pgweir
