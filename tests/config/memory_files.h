// Files that exist only in a test.
#pragma once

#include <map>
#include <string>

#include "config/loader.h"

namespace pgweir {

inline FileReader reader_of(std::map<std::string, std::string> files) {
  return [files = std::move(files)](const std::string& path) -> std::optional<std::string> {
    auto found = files.find(path);
    return found == files.end() ? std::nullopt : std::optional(found->second);
  };
}

// Loads `text` as the file main.ini, with `others` beside it.
inline Loaded load_text(const std::string& text, std::map<std::string, std::string> others = {}) {
  others["main.ini"] = text;
  return load("main.ini", reader_of(std::move(others)));
}

// The mistakes as `FILE:LINE TEXT`, warnings with a `?` in front.
inline std::vector<std::string> lines_of(const Mistakes& mistakes) {
  std::vector<std::string> lines;
  for (const Mistake& mistake : mistakes) {
    lines.push_back((mistake.warning ? "?" : "") + mistake.file + ":" +
                    std::to_string(mistake.line) + " " + mistake.text);
  }
  return lines;
}

using Lines = std::vector<std::string>;

}  // namespace pgweir
