// loader.h's from_url: the zero-file way in, `pgweir postgres://user:password@host:port/database`.
#include <algorithm>

#include "config/loader.h"
#include "config/numbers.h"
#include "config/settings.h"
#include "config/text.h"

namespace pgweir {

namespace {

// The schemes libpq knows.
constexpr std::string_view schemes[] = {"postgres://", "postgresql://"};

std::string_view without_scheme(std::string_view url) {
  for (std::string_view scheme : schemes) {
    if (url.substr(0, scheme.size()) == scheme) return url.substr(scheme.size());
  }
  return {};
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// %41 -> A. Nothing on a broken escape and on %00. A plus sign is a plus sign, as in libpq.
std::optional<std::string> decode_percent(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0 || high + low == 0) return std::nullopt;
    plain += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return plain;
}

// Takes what stands before `mark` (or all) off the front of `text`, the mark too.
std::string_view take_until(std::string_view& text, char mark) {
  std::string_view part = text.substr(0, text.find(mark));
  text.remove_prefix(std::min(part.size() + 1, text.size()));
  return part;
}

class UrlReader {
 public:
  UrlReader(std::string_view url, std::string_view os_user) {
    target_.user = os_user;
    globals_ = default_globals();
    globals_.listen_addr = "127.0.0.1";
    globals_.auth_type = AuthType::any;
    globals_.pool_mode = PoolMode::transaction;
    read(url);
    if (target_.user.empty()) complain("the URL names no user");
    if (target_.dbname == console_database) {
      complain(concat({"database name \"", console_database, "\" is reserved"}));
    }
  }

  Loaded finish() {
    if (broken_) return {nullptr, nullptr, std::move(mistakes_), {}};
    auto config = std::make_shared<Config>();
    config->globals = std::move(globals_);
    auto fallback = std::make_shared<DatabaseConfig>(target_);
    fallback->name = "*";
    fallback->dbname.clear();  // who asks for another database of that server gets it
    config->fallback = std::move(fallback);
    if (!target_.dbname.empty()) {
      target_.name = target_.dbname;
      config->databases.emplace(target_.name, std::make_shared<const DatabaseConfig>(target_));
    }
    split_lists(*config);
    return {config, config, std::move(mistakes_), {}};
  }

 private:
  void complain(std::string text, bool warning = false) {
    mistakes_.push_back({"URL", 0, std::move(text), warning});
    broken_ = broken_ || !warning;
  }

  // Mistakes name the part, never its text: a password may be in it.
  std::string decoded(std::string_view text, std::string_view part) {
    auto plain = decode_percent(text);
    if (!plain) complain(concat({"invalid percent-encoding in the URL's ", part}));
    return plain.value_or("");
  }

  void read(std::string_view url) {
    std::string_view rest = without_scheme(url);
    if (rest.empty() && !looks_like_url(url)) return complain("not a postgres:// URL");
    std::string_view before_query = take_until(rest, '?');
    std::string_view authority = take_until(before_query, '/');
    if (auto at = authority.rfind('@'); at != std::string_view::npos) {
      read_credentials(authority.substr(0, at));
      authority.remove_prefix(at + 1);
    }
    read_hosts(authority);
    target_.dbname = decoded(before_query, "database");
    while (!rest.empty()) {
      std::string_view value = take_until(rest, '&');
      std::string_view key = take_until(value, '=');
      if (!key.empty()) read_parameter(decoded(key, "parameters"), decoded(value, "parameters"));
    }
  }

  void read_credentials(std::string_view text) {
    const bool has_password = text.find(':') != std::string_view::npos;
    std::string_view user = take_until(text, ':');
    if (!user.empty()) target_.user = decoded(user, "user");
    if (has_password && !text.empty()) target_.password = decoded(text, "password");
  }

  // host, host:port, [v6]:port, and several of them with one port between commas.
  void read_hosts(std::string_view text) {
    bool port_seen = false;
    while (!text.empty()) {
      std::string_view one = take_until(text, ',');
      std::string_view host;
      if (!one.empty() && one.front() == '[') {
        auto end = one.find(']');
        if (end == std::string_view::npos) return complain("the URL's host has no closing ]");
        host = one.substr(1, end - 1);
        one.remove_prefix(end + 1);
        if (!one.empty() && one.front() != ':') return complain("invalid host in the URL");
        if (!one.empty()) one.remove_prefix(1);
      } else {
        host = take_until(one, ':');
      }
      if (!host.empty()) target_.hosts.push_back(decoded(host, "host"));
      if (!one.empty()) read_port(one, port_seen);
    }
  }

  void read_port(std::string_view text, bool& port_seen) {
    auto number = parse_decimal(text);
    if (!number || *number < 1 || *number > UINT16_MAX) return complain("invalid port in the URL");
    auto port = static_cast<std::uint16_t>(*number);
    if (port_seen && port != target_.port) return complain("the URL's hosts need one port");
    target_.port = port;
    port_seen = true;
  }

  void read_parameter(const std::string& key, const std::string& value) {
    bool ignored = false;
    if (key == "host") {
      target_.hosts = split_commas(value);
    } else if (key == "port") {
      read_port(value, ignored);
    } else if (key == "user") {
      target_.user = value;
    } else if (key == "password") {
      target_.password = value;
    } else if (key == "dbname") {
      target_.dbname = value;
    } else if (key == "application_name") {
      target_.application_name = value;
    } else if (key == "client_encoding") {
      target_.client_encoding = value;
    } else if (key == "sslmode") {
      read_setting("server_tls_sslmode", key, value);
    } else if (key == "connect_timeout") {
      read_setting("server_connect_timeout", key, value);
    } else {
      complain(concat({"the URL's parameter ", key, " is ignored"}), true);
    }
  }

  void read_setting(std::string_view setting, const std::string& key, const std::string& value) {
    const Setting& row = *find_setting(setting);
    if (!set_value(row, globals_, value).empty()) {
      complain(concat({"invalid value \"", value, "\" for the URL's parameter ", key}));
    } else if (auto reason = unserved_reason(row, globals_); !reason.empty()) {
      complain(concat({key, " = ", value, row.no_effect.empty() ? " is known but not served yet: " : " has no effect: ",
                       reason}), true);
    }
  }

  DatabaseConfig target_;
  Globals globals_;
  Mistakes mistakes_;
  bool broken_ = false;
};

}  // namespace

bool looks_like_url(std::string_view text) {
  return std::any_of(std::begin(schemes), std::end(schemes), [text](std::string_view scheme) {
    return text.substr(0, scheme.size()) == scheme;
  });
}

Loaded from_url(std::string_view url, std::string_view os_user) {
  return UrlReader(url, os_user).finish();
}

}  // namespace pgweir
