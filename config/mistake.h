// What is wrong in a configuration, where, and how bad it is.
#pragma once

#include <string>
#include <vector>

namespace pgweir {

struct Mistake {
  std::string file;
  int line = 0;  // from 1; 0: the file as a whole
  std::string text;
  bool warning = false;  // the configuration can be used nevertheless
  bool operator==(const Mistake&) const = default;
};

using Mistakes = std::vector<Mistake>;

// `pgbouncer.ini:7`; without the line where it is none's.
inline std::string place_of(const Mistake& mistake) {
  return mistake.line > 0 ? mistake.file + ":" + std::to_string(mistake.line) : mistake.file;
}

}  // namespace pgweir
