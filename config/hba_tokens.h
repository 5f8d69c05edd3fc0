// The words of a line of an HBA or ident file.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/ini.h"
#include "config/mistake.h"

namespace pgweir {

struct HbaToken {
  std::string text;
  bool quoted = false;  // it began with a quote: no word in it is a keyword
};
using HbaField = std::vector<HbaToken>;  // a comma list, lists of @files put in its place

// A line, continuations (a backslash at its end) joined.
struct HbaLine {
  std::vector<HbaField> fields;
  std::string file;
  int line = 0;
};

inline constexpr int hba_include_depth_max = 10;

// The lines of a file that say something, those of `include` and `include_if_exists` in their
// place. What cannot be read becomes a mistake.
std::vector<HbaLine> read_hba_lines(const std::string& path, const FileReader& reader,
                                    Mistakes& mistakes);

}  // namespace pgweir
