// The command line, as PgBouncer has it.
#pragma once

#include <string>
#include <vector>

namespace pgweir {

struct Options {
  enum class Action : unsigned char { run, check, version, help, bad };
  Action action = Action::run;
  std::string source;            // path of the ini file, or a postgres:// URL
  std::string user;              // -u
  bool environment = false;      // --environment: the variables count where `source` is no file
  bool daemon = false;           // -d
  bool reboot = false;           // -R
  bool quiet = false;            // -q
  int verbose = 0;               // -v, may be repeated
  std::string error;             // with bad
};

Options read_options(int argc, char** argv);
std::string usage(const std::string& program);
std::string version_text();

}  // namespace pgweir
