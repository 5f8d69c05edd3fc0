#include "bench/target.h"

#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <optional>
#include <stdexcept>

namespace pgweir::bench {
namespace {

[[noreturn]] void reject(std::string_view text, std::string_view why) {
  throw std::runtime_error(fmt::format("target '{}': {}", text, why));
}

int parse_pid(std::string_view digits, std::string_view whole) {
  int pid = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
  if (error != std::errc{} || end != digits.data() + digits.size() || pid <= 0)
    reject(whole, "a pid is a positive number");
  return pid;
}

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr ==
            text.data() + i + 3) {
      out.push_back(static_cast<char>(byte));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// Cuts `text` at the first `mark`; what stands behind it, or nothing when there is none.
std::optional<std::string_view> cut(std::string_view& text, char mark) {
  const auto at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view behind = text.substr(at + 1);
  text = text.substr(0, at);
  return behind;
}

struct Place {
  std::string host = "127.0.0.1";
  std::string port = "5432";
};

struct TlsWish {
  bool require = false, direct = false;
  std::string certificate, key;
};

void read_tls_word(std::string_view name, const std::string& value, TlsWish& tls,
                   std::string_view whole) {
  if (name == "sslcert") {
    tls.certificate = value;
  } else if (name == "sslkey") {
    tls.key = value;
  } else if (name == "sslnegotiation" && (value == "direct" || value == "postgres")) {
    tls.direct = value == "direct";
  } else if (name == "sslmode" && (value == "require" || value == "disable")) {
    tls.require = value == "require";
  } else if (name == "sslmode" || name == "sslnegotiation") {
    reject(whole, fmt::format("{} is not '{}': there are require and disable, direct and postgres",
                              name, value));
  } else {
    reject(whole, fmt::format("unknown parameter '{}'", name));
  }
}

void read_query(std::string_view query, Place& place, Target& target, TlsWish& tls,
                std::string_view whole) {
  while (!query.empty()) {
    std::string_view pair = query;
    query = cut(pair, '&').value_or(std::string_view{});
    const auto value = cut(pair, '=');
    if (!value) reject(whole, "a parameter without a value");
    if (pair == "host")
      place.host = decoded(*value);
    else if (pair == "port")
      place.port = decoded(*value);
    else if (pair == "user")
      target.user = decoded(*value);
    else if (pair == "password")
      target.password = decoded(*value);
    else if (pair == "dbname")
      target.database = decoded(*value);
    else
      read_tls_word(pair, decoded(*value), tls, whole);
  }
}

// Made once for each target, so that a file that cannot be read is told of before anything runs.
std::shared_ptr<const TlsSettings> tls_of(const TlsWish& wish, const Target& target,
                                          std::string_view whole) {
  if (!wish.require) {
    if (wish.direct || !wish.certificate.empty() || !wish.key.empty())
      reject(whole, "TLS needs sslmode=require");
    return nullptr;
  }
  if (target.address.is_unix()) reject(whole, "there is no TLS on a Unix socket");
  if (wish.certificate.empty() != wish.key.empty())
    reject(whole, "sslcert and sslkey belong together");
  try {
    return std::make_shared<TlsSettings>(wish.certificate, wish.key, wish.direct);
  } catch (const std::runtime_error& error) {
    reject(whole, error.what());
  }
}

void read_authority(std::string_view authority, Place& place, Target& target) {
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    std::string_view user = authority.substr(0, at);
    if (const auto password = cut(user, ':')) target.password = decoded(*password);
    if (!user.empty()) target.user = decoded(user);
    authority = authority.substr(at + 1);
  }
  const auto colon = authority.rfind(':');
  if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    if (colon + 1 < authority.size()) place.port = authority.substr(colon + 1);
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with('[') && authority.ends_with(']'))
    authority = authority.substr(1, authority.size() - 2);
  if (!authority.empty()) place.host = decoded(authority);
}

}  // namespace

Target parse_target(std::string_view text) {
  const std::string_view whole = text;
  Target target;
  const auto rest = cut(text, '=');
  if (!rest || text.empty()) reject(whole, "expected NAME=URL");
  target.name = text;
  std::string_view url = *rest;
  std::string_view extras = cut(url, ',').value_or(std::string_view{});
  while (!extras.empty()) {
    std::string_view extra = extras;
    extras = cut(extra, ',').value_or(std::string_view{});
    if (!extra.starts_with("pid=")) reject(whole, "only pid=PID may follow the URL");
    target.pids.push_back(parse_pid(extra.substr(4), whole));
  }
  for (const std::string_view scheme : {"postgres://", "postgresql://"}) {
    if (!url.starts_with(scheme)) continue;
    url.remove_prefix(scheme.size());
    Place place;
    const auto query = cut(url, '?');
    const auto database = cut(url, '/');
    read_authority(url, place, target);
    if (database && !database->empty()) target.database = decoded(*database);
    TlsWish tls;
    if (query) read_query(*query, place, target, tls, whole);
    target.address = place.host.starts_with('/')
                         ? unix_address(place.host + "/.s.PGSQL." + place.port)
                         : tcp_address(place.host, place.port);
    target.tls = tls_of(tls, target, whole);
    return target;
  }
  reject(whole, "the URL begins with postgres://");
}

}  // namespace pgweir::bench
