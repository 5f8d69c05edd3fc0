#include "config/loader.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "config/connstr.h"
#include "config/host_port.h"
#include "config/settings.h"
#include "config/text.h"
#include "config/userlist.h"

namespace pgweir {

namespace {

bool by_place(const Mistake& left, const Mistake& right) {
  return std::tie(left.file, left.line) < std::tie(right.file, right.line);
}

// A file that cannot be opened is told at the setting that names it.
void tell_at_setting(Mistakes& found, const Places& places, std::string_view setting, const std::string& file) {
  const auto place = places.find(setting);
  if (place == places.end()) return;
  for (Mistake& mistake : found) {
    if (mistake.line == 0 && mistake.file == file) std::tie(mistake.file, mistake.line) = place->second;
  }
}

Hba read_hba_files(const Globals& globals, const Places& places, const FileReader& reader, Mistakes& found) {
  Hba hba;
  if (const std::string& file = globals.auth_hba_file; !file.empty()) {
    hba.rules = parse_hba(file, reader, found);
    tell_at_setting(found, places, "auth_hba_file", file);
  }
  if (const std::string file = globals.auth_ident_file.value_or(""); !file.empty()) {
    hba.maps = parse_ident(file, reader, found);
    tell_at_setting(found, places, "auth_ident_file", file);
  }
  return hba;
}

void find_missing_maps(const Hba& hba, Mistakes& found) {
  for (const HbaRule& rule : hba.rules) {
    if (rule.map.empty() || hba.maps.contains(rule.map)) continue;
    found.push_back({rule.file, rule.line, concat({"there is no map \"", rule.map, "\" in auth_ident_file"}), true});
  }
}

// Turns sections into a Config and gathers everything that is wrong on the way.
class Builder {
 public:
  Builder(Mistakes mistakes, Secrets secrets) : mistakes_(std::move(mistakes)), secrets_(std::move(secrets)) {
    config_.globals = default_globals();
  }

  void add(const IniSection& section) {
    if (section.name == "pgbouncer") {
      main_seen_ = true;
      for (const IniEntry& entry : section.entries) add_setting(entry);
    } else if (section.name == "databases") {
      for (const IniEntry& entry : section.entries) add_database(entry);
    } else if (section.name == "users") {
      for (const IniEntry& entry : section.entries) {
        config_.users.insert_or_assign(entry.key, parse_user(entry, mistakes_));
      }
    } else if (section.name == "peers") {
      for (const IniEntry& entry : section.entries) add_peer(entry);
    } else {
      mistakes_.push_back({section.file, section.line,
                           concat({"invalid section \"", section.name, "\" in configuration (",
                                   section.file, ":", std::to_string(section.line), ")"})});
    }
  }

  // What can be said only once all sections are known.
  Loaded finish(const std::string& path, const FileReader& reader) {
    if (!main_seen_) mistakes_.push_back({path, 0, "main section missing from config file"});
    if (!config_.globals.conffile) config_.globals.conffile = path;
    config_.path = path;
    if (config_.globals.auth_dbname == console_database) {
      complain_at("auth_dbname",
                  "cannot use the reserved \"pgbouncer\" database as an auth_dbname");
    }
    check_cert_auth();
    if (const std::string& at = config_.globals.metrics_listen; !at.empty() && !read_host_port(at)) {
      complain_at("metrics_listen",
                  concat({"metrics_listen = ", at, " is not host:port (127.0.0.1:9127, [::1]:9127, *:9127)"}));
    }
    if (const std::string& url = config_.globals.alert_webhook; !url.empty() && url.rfind("http://", 0) != 0) {
      complain_at("alert_webhook", concat({"alert_webhook = ", url, " does not begin with http://"}));
    }
    const Globals& globals = config_.globals;
    if (globals.metrics_tls_cert_file.empty() != globals.metrics_tls_key_file.empty()) {
      complain_at(globals.metrics_tls_cert_file.empty() ? "metrics_tls_key_file" : "metrics_tls_cert_file",
                  "metrics_tls_cert_file and metrics_tls_key_file must be set together");
    }
    warn_of_unserved();
    read_userlist(reader);
    config_.userlist.insert(secrets_.begin(), secrets_.end());
    read_hba(reader);
    read_ldap_options();
    split_lists(config_);
    tidy();
    const bool good = std::all_of(mistakes_.begin(), mistakes_.end(),
                                  [](const Mistake& mistake) { return mistake.warning; });
    auto read = std::make_shared<const Config>(std::move(config_));
    return {good ? read : nullptr, read, std::move(mistakes_), std::move(places_)};
  }

 private:
  void add_setting(const IniEntry& entry) {
    const Setting* setting = find_setting(entry.key);
    if (!setting) {
      mistakes_.push_back(
          {entry.file, entry.line, concat({"unknown parameter: pgbouncer/", entry.key})});
      return;
    }
    std::string wrong = set_value(*setting, config_.globals, entry.value);
    if (wrong.empty()) {
      places_.insert_or_assign(std::string(setting->name), std::pair(entry.file, entry.line));
    } else {
      mistakes_.push_back({entry.file, entry.line,
                           concat({wrong, " in configuration (", entry.file, ":",
                                   std::to_string(entry.line), ")"})});
    }
  }

  void add_database(const IniEntry& entry) {
    auto database = std::make_shared<const DatabaseConfig>(parse_database(entry, mistakes_));
    if (entry.key == "*") {
      config_.fallback = std::move(database);
    } else {
      config_.databases.insert_or_assign(entry.key, std::move(database));
    }
  }

  void add_peer(const IniEntry& entry) {
    PeerConfig peer = parse_peer(entry, mistakes_);
    config_.peers.insert_or_assign(peer.id, std::move(peer));
  }

  void complain_at(std::string_view setting, std::string text, bool warning = false) {
    auto place = places_.find(setting);
    const bool known = place != places_.end();
    mistakes_.push_back({known ? place->second.first : config_.path,
                         known ? place->second.second : 0, std::move(text), warning});
  }

  void check_cert_auth() {
    const Globals& g = config_.globals;
    if (g.auth_type != AuthType::cert) return;
    if (g.client_tls_sslmode != SslMode::verify_full) {
      complain_at("auth_type", "auth_type=cert requires client_tls_sslmode=verify-full");
    }
    if (g.client_tls_ca_file.empty()) {
      complain_at("auth_type", "auth_type=cert requires client_tls_ca_file");
    }
  }

  void warn_of_unserved() {
    for (const Setting& row : settings()) {
      std::string_view reason = unserved_reason(row, config_.globals);
      if (reason.empty()) continue;
      complain_at(row.name,
                  concat({row.name, " = ", print_value(row, config_.globals).value_or("NULL"),
                          row.no_effect.empty() ? " is known but not served yet: " : " has no effect: ", reason}),
                  true);
    }
  }

  void read_userlist(const FileReader& reader) {
    const auto& file = config_.globals.auth_file;
    if (!file || file->empty()) return;
    if (auto text = reader(*file)) {
      Userlist list = parse_userlist(*text, *file);
      config_.userlist = std::move(list.secrets);
      mistakes_.insert(mistakes_.end(), list.mistakes.begin(), list.mistakes.end());
    } else {
      config_.userlist_read = false;
      complain_at("auth_file", concat({"could not open auth_file ", *file}), true);
    }
  }

  // Broken lines are left out, as PgBouncer does; a reload with such a file changes no rule.
  void read_hba(const FileReader& reader) {
    const Globals& globals = config_.globals;
    if (globals.auth_type != AuthType::hba) return;
    if (globals.auth_hba_file.empty()) complain_at("auth_type", "auth_type = hba needs auth_hba_file: nobody can log in", true);
    Mistakes found;
    config_.hba = std::make_shared<const Hba>(read_hba_files(globals, places_, reader, found));
    config_.hba_good = !globals.auth_hba_file.empty() && found.empty();
    find_missing_maps(*config_.hba, found);
    mistakes_.insert(mistakes_.end(), found.begin(), found.end());
  }

  void read_ldap_options() {
    const Globals& globals = config_.globals;
    if (globals.auth_type != AuthType::ldap) return;
    std::string wrong = parse_ldap_options(globals.auth_ldap_options.value_or(""), config_.ldap);
    if (!wrong.empty()) complain_at("auth_ldap_options", concat({"invalid auth_ldap_options: ", wrong}));
  }

  // By place; of equal warnings (the same key in many entries) the first stays.
  void tidy() {
    std::stable_sort(mistakes_.begin(), mistakes_.end(), by_place);
    std::map<std::string, int> seen;
    auto repeated = [&seen](const Mistake& mistake) {
      return mistake.warning && mistake.text.find("not served yet") != std::string::npos &&
             seen[mistake.text]++ > 0;
    };
    mistakes_.erase(std::remove_if(mistakes_.begin(), mistakes_.end(), repeated), mistakes_.end());
  }

  Config config_;
  Mistakes mistakes_;
  const Secrets secrets_;
  bool main_seen_ = false;
  Places places_;
};

}  // namespace

Loaded load(const std::string& path) {
  return load(path, read_file);
}

Loaded load(const std::string& path, const FileReader& reader) {
  IniFile ini = read_ini(path, reader);
  if (ini.sections.empty() && !ini.mistakes.empty()) return {nullptr, nullptr, std::move(ini.mistakes), {}};
  return build(std::move(ini), path, reader);
}

Loaded build(IniFile ini, const std::string& path, const FileReader& reader, Secrets secrets) {
  Builder builder(std::move(ini.mistakes), std::move(secrets));
  for (const IniSection& section : ini.sections) builder.add(section);
  return builder.finish(path, reader);
}

void check_sleeping_rules(Loaded& loaded) {
  check_sleeping_rules(loaded, read_file);
}

void check_sleeping_rules(Loaded& loaded, const FileReader& reader) {
  if (!loaded.draft) return;
  const Globals& globals = loaded.draft->globals;
  Mistakes found;
  const auto add_found = [&](std::string_view method) {
    for (Mistake& mistake : found) {
      mistake.text += concat({" (not in force: auth_type is not ", method, ")"});
      loaded.mistakes.push_back(std::move(mistake));
    }
    found.clear();
  };
  if (globals.auth_type != AuthType::hba) {
    find_missing_maps(read_hba_files(globals, loaded.places, reader, found), found);
    add_found("hba");
  }
  const std::string ldap = globals.auth_ldap_options.value_or("");
  if (globals.auth_type == AuthType::ldap || ldap.empty()) return;
  LdapOptions options;
  if (std::string wrong = parse_ldap_options(ldap, options); !wrong.empty()) {
    found.push_back({loaded.draft->path, 0, concat({"invalid auth_ldap_options: ", wrong}), true});
    tell_at_setting(found, loaded.places, "auth_ldap_options", loaded.draft->path);
    add_found("ldap");
  }
}

std::vector<std::string> check_report(const Loaded& loaded) {
  std::vector<std::string> lines;
  std::size_t errors = 0;
  Mistakes mistakes = loaded.mistakes;
  std::stable_sort(mistakes.begin(), mistakes.end(), by_place);
  for (const Mistake& mistake : mistakes) {
    lines.push_back(concat({place_of(mistake), mistake.warning ? ": warning: " : ": error: ", mistake.text}));
    if (!mistake.warning) ++errors;
  }
  const std::size_t warnings = loaded.mistakes.size() - errors;
  lines.push_back(
      concat({loaded.config ? "configuration is good" : "configuration is broken", ": ",
              std::to_string(errors), " errors, ", std::to_string(warnings), " warnings"}));
  return lines;
}

}  // namespace pgweir
