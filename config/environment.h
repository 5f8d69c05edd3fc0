// loader.h's counterpart for containers: the environment variables of the images edoburu/pgbouncer and
// bitnami/pgbouncer, read without a shell, so that every byte of a password and of a query stays what it is.
//
// Variables of both images may not be mixed: where any begins with PGBOUNCER_ or POSTGRESQL_ it is bitnami's way,
// otherwise edoburu's.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/loader.h"

namespace pgweir {

using Variables = std::map<std::string, std::string, std::less<>>;

// What the variables say; mistakes name the variable as their file. `reader` reads `<NAME>_FILE`, userlists and the like.
Loaded from_environment(const Variables& variables, const FileReader& reader);
Loaded from_environment(const Variables& variables);

// The way of one image. Used by from_environment, and by each other's files.
class EnvironmentReader {
 public:
  EnvironmentReader(const Variables& variables, const FileReader& reader) : variables_(variables), reader_(reader) {}
  void read_edoburu();
  void read_bitnami();
  Loaded finish();

 private:
  // One setting of [pgbouncer], or one pair of a database's connection string, from where.
  struct Pair { std::string name, value; };
  using Pairs = std::vector<Pair>;

  // The value; where the variable is not set, or empty, that of the file that NAME_FILE names; else `fallback`.
  std::string value(const std::string& name, std::string_view fallback = {});
  bool is_set(const std::string& name) { return !value(name).empty(); }
  void set(std::string_view setting, std::string value, const std::string& from);
  // Every variable PREFIX + SETTING in capitals, but those named in `special`.
  void set_all(std::string_view prefix, const std::vector<std::string_view>& special);
  void add_database(const std::string& name, const Pairs& pairs, const std::string& from);
  void add_url(std::string_view url, const std::string& from);
  void add_user(std::string name, std::string secret);
  void complain(const std::string& from, std::string text, bool warning = false);

  const Variables& variables_;
  const FileReader& reader_;
  IniSection settings_{"pgbouncer", "environment", 0, {}}, databases_{"databases", "environment", 0, {}};
  std::map<std::string, std::string, std::less<>> secrets_;
  Mistakes mistakes_;
};

}  // namespace pgweir
