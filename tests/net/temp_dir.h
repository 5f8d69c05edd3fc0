// A folder of its own for one test, gone with it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace pgweir::test {

struct TempDir {
  TempDir() {
    char pattern[] = "/tmp/pgweir-net-XXXXXX";
    path = mkdtemp(pattern);
  }
  ~TempDir() { std::filesystem::remove_all(path); }
  TempDir(const TempDir&) = delete;

  std::string path;
};

}  // namespace pgweir::test
