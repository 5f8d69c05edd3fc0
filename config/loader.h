// From a file or a URL to a Config, or to the full list of what is wrong.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"
#include "config/ini.h"
#include "config/mistake.h"

namespace pgweir {

// Where each setting was last given: file and line.
using Places = std::map<std::string, std::pair<std::string, int>, std::less<>>;

struct Loaded {
  std::shared_ptr<const Config> config;  // null when any mistake is more than a warning
  std::shared_ptr<const Config> draft;   // as far as it could be read, for looking for further mistakes; may be null
  Mistakes mistakes = {};                // in file order, as far as the order is known
  Places places = {};
};

// Reads the file, its includes and auth_file. All or nothing: a mistake leaves no half-read config.
Loaded load(const std::string& path);
Loaded load(const std::string& path, const FileReader& reader);

// The same from what has been read already. `path` names the whole; `secrets` are users beyond those of auth_file, which
// wins.
using Secrets = std::map<std::string, std::string, std::less<>>;
Loaded build(IniFile ini, const std::string& path, const FileReader& reader, Secrets secrets = {});

// The configuration of `pgweir postgres://user:password@host:port/db?params`: every name a client
// asks for is served by that one server with the URL's user and password, on 127.0.0.1:6432, in
// transaction mode, for anyone who can reach that port. `os_user` counts when the URL has no user.
// Mistakes bear the file name "URL".
Loaded from_url(std::string_view url, std::string_view os_user = {});
bool looks_like_url(std::string_view text);

// For --check: adds, as warnings, what is wrong with HBA files and LDAP options that no login reads, since auth_type is
// another.
void check_sleeping_rules(Loaded& loaded);
void check_sleeping_rules(Loaded& loaded, const FileReader& reader);

// By place: one line per mistake (`FILE:LINE: error: TEXT`) and a last line with the verdict.
std::vector<std::string> check_report(const Loaded& loaded);

}  // namespace pgweir
