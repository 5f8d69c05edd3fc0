#include "config/environment.h"

#include <algorithm>

#include "config/settings.h"
#include "config/text.h"

namespace pgweir {

namespace {

std::string in_capitals(std::string_view name) {
  std::string text(name);
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

std::string place(const std::string& variable) { return "environment variable " + variable; }

// As a value of a connection string, whatever is in it.
std::string quoted(std::string_view value) {
  std::string text = "'";
  for (char c : value) text.append(c == '\'' ? 2 : 1, c);
  return text + "'";
}

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// People put passwords into URLs as they are. What stands before the last @ is user and password: what would end them
// is percent-encoded; a % that begins no escape is one, too.
std::string with_encoded_password(std::string_view url) {
  const auto begin = url.find("://");
  const auto end = url.rfind('@');
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return std::string(url);
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string text(url.substr(0, begin + 3));
  bool in_password = false;
  for (std::size_t i = begin + 3; i < end; ++i) {
    const char c = url[i];
    const bool escape = c == '%' && i + 2 < end && is_hex(url[i + 1]) && is_hex(url[i + 2]);
    if ((c == '%' && !escape) || c == '/' || c == '?' || c == '#' || c == '@' || (c == ':' && in_password)) {
      const auto byte = static_cast<unsigned char>(c);
      text += {'%', digits[byte >> 4], digits[byte & 15]};
      continue;
    }
    in_password = in_password || c == ':';
    text += c;
  }
  text += url.substr(end);
  return text;
}

}  // namespace

std::string EnvironmentReader::value(const std::string& name, std::string_view fallback) {
  if (const auto found = variables_.find(name); found != variables_.end() && !found->second.empty()) return found->second;
  if (const auto file = variables_.find(name + "_FILE"); file != variables_.end() && !file->second.empty()) {
    if (auto text = reader_(file->second)) {
      // Of what editors and echo leave at the end, one line end.
      if (text->ends_with('\n')) text->pop_back();
      if (text->ends_with('\r')) text->pop_back();
      if (!text->empty()) return *text;
    } else {
      complain(name + "_FILE", concat({"cannot read ", file->second}));
    }
  }
  return std::string(fallback);
}

void EnvironmentReader::complain(const std::string& from, std::string text, bool warning) {
  Mistake mistake{place(from), 0, std::move(text), warning};
  if (std::find(mistakes_.begin(), mistakes_.end(), mistake) == mistakes_.end()) mistakes_.push_back(std::move(mistake));
}

void EnvironmentReader::set(std::string_view setting, std::string value, const std::string& from) {
  settings_.entries.push_back({std::string(setting), std::move(value), place(from), 0});
}

void EnvironmentReader::set_all(std::string_view prefix, const std::vector<std::string_view>& special) {
  for (const Setting& row : settings()) {
    if (std::find(special.begin(), special.end(), row.name) != special.end()) continue;
    const std::string name = std::string(prefix) + in_capitals(row.name);
    if (is_set(name)) set(row.name, value(name), name);
  }
}

void EnvironmentReader::add_database(const std::string& name, const Pairs& pairs, const std::string& from) {
  std::string text;
  for (const Pair& pair : pairs) {
    if (!pair.value.empty()) text += concat({text.empty() ? "" : " ", pair.name, "=", quoted(pair.value)});
  }
  databases_.entries.push_back({name, text, place(from), 0});
}

void EnvironmentReader::add_url(std::string_view url, const std::string& from) {
  Loaded loaded = from_url(with_encoded_password(url), "postgres");
  for (const Mistake& mistake : loaded.mistakes) complain(from, mistake.text, mistake.warning);
  if (!loaded.config) return;
  const Config& read = *loaded.config;
  const DatabaseConfig& entry = read.databases.empty() ? *read.fallback : *read.databases.begin()->second;
  Pairs pairs;
  std::string hosts;
  for (const std::string& host : entry.hosts) hosts += (hosts.empty() ? "" : ",") + host;
  pairs = {{"host", hosts}, {"port", std::to_string(entry.port)}, {"auth_user", entry.user},
           {"pool_size", value("POOL_SIZE")}, {"client_encoding", value("CLIENT_ENCODING")}, {"timezone", value("TIMEZONE")}};
  const std::string name = read.databases.empty() ? "*" : read.databases.begin()->first;
  add_database(value("DB_NAME", name), pairs, from);
  if (value("DB_NAME", name) != name && name != "*") databases_.entries.back().value += " dbname=" + quoted(name);
  if (entry.password) add_user(entry.user, *entry.password);
  for (std::string_view setting : {"server_tls_sslmode", "server_tls_ca_file"}) {
    const Setting& row = *find_setting(setting);
    const auto said = print_value(row, read.globals), usual = print_value(row, default_globals());
    if (said && said != usual && !is_set(in_capitals(setting))) set(setting, *said, from);
  }
}

void EnvironmentReader::add_user(std::string name, std::string secret) {
  if (!name.empty() && !secret.empty()) secrets_.insert_or_assign(std::move(name), std::move(secret));
}

Loaded EnvironmentReader::finish() {
  IniFile ini;
  ini.sections = {std::move(settings_), std::move(databases_)};
  ini.mistakes = std::move(mistakes_);
  Loaded loaded = build(std::move(ini), "environment", reader_, std::move(secrets_));
  for (Mistake& mistake : loaded.mistakes) {
    // There are no lines here.
    if (const auto at = mistake.text.find(":0)"); at != std::string::npos) mistake.text.erase(at, 2);
  }
  return loaded;
}

Loaded from_environment(const Variables& variables, const FileReader& reader) {
  EnvironmentReader environment(variables, reader);
  const auto begins = [&](std::string_view prefix) {
    const auto at = variables.lower_bound(prefix);
    return at != variables.end() && at->first.starts_with(prefix);
  };
  if (begins("PGBOUNCER_") || begins("POSTGRESQL_")) environment.read_bitnami();
  else environment.read_edoburu();
  return environment.finish();
}

Loaded from_environment(const Variables& variables) { return from_environment(variables, read_file); }

}  // namespace pgweir
