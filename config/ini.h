// PgBouncer's dialect of ini files, read through inih.
//
// inih cuts lines at 200 bytes and sections at 50, takes ` ;` for an inline comment and `:` for a
// separator, all silently. Therefore the lines are taken apart here and inih is fed only short
// tokens that stand for them, so that nothing of a line depends on those limits.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/mistake.h"

namespace pgweir {

// Gives the content of a file, or nothing when it cannot be read. Relative paths are relative to
// the current directory, also those of %include.
using FileReader = std::function<std::optional<std::string>(const std::string& path)>;

// The real one.
std::optional<std::string> read_file(const std::string& path);

struct IniEntry {
  std::string key;
  std::string value;  // trimmed; quotes and comment signs inside it are its own
  std::string file;
  int line = 0;
};

struct IniSection {
  std::string name;
  std::string file;
  int line = 0;
  std::vector<IniEntry> entries;
};

struct IniFile {
  std::vector<IniSection> sections;  // in file order; a name may come more than once
  Mistakes mistakes;
};

inline constexpr int include_depth_max = 10;

// Reads `path` and what it includes. Lines that do not parse become mistakes; the others count.
// An include that cannot be read and one nested too deep are mistakes as well.
IniFile read_ini(const std::string& path, const FileReader& reader);

}  // namespace pgweir
