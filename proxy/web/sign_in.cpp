#include "proxy/web/sign_in.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "protocol/auth/scram_keys.h"
#include "protocol/auth/secret.h"

namespace pgweir {
namespace {

constexpr Duration idle_max = std::chrono::minutes(30);
constexpr std::size_t sessions_max = 32;

}  // namespace

std::string SignIn::fresh_token() { return fmt::format("{:016x}{:016x}", random_(), random_()); }

std::optional<std::string_view> SignIn::token_in(std::string_view cookie) {
  while (!cookie.empty()) {
    const std::size_t end = std::min(cookie.find(';'), cookie.size());
    std::string_view one = cookie.substr(0, end);
    cookie.remove_prefix(std::min(end + 1, cookie.size()));
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    const std::size_t sign = one.find('=');
    if (sign != std::string_view::npos && one.substr(0, sign) == cookie_name) return one.substr(sign + 1);
  }
  return std::nullopt;
}

const WebSession* SignIn::open(const Config& config, const std::string& user, const std::string& password, TimePoint now) {
  const std::string* secret = config.secret(user);
  // The same work for users who do not exist, so that its time does not tell them.
  static const std::string nobody = to_text(mock_scram_secret("nobody", "pgweir"));
  const bool fits = password_fits(password, user, secret ? *secret : nobody);
  if (!fits || !secret || !config.is_admin(user)) return nullptr;
  if (sessions_.size() >= sessions_max) {
    sessions_.erase(std::min_element(sessions_.begin(), sessions_.end(),
                                     [](const auto& a, const auto& b) { return a.used_at < b.used_at; }));
  }
  return &sessions_.emplace_back(WebSession{fresh_token(), fresh_token(), user, now});
}

const WebSession* SignIn::find(const Config& config, std::string_view cookie, TimePoint now) {
  std::erase_if(sessions_, [&](const WebSession& one) { return now - one.used_at > idle_max || !config.is_admin(one.user); });
  const auto token = token_in(cookie);
  if (!token) return nullptr;
  for (WebSession& session : sessions_) {
    if (!same_secret(as_bytes(session.token), as_bytes(*token))) continue;
    session.used_at = now;
    return &session;
  }
  return nullptr;
}

void SignIn::close(std::string_view cookie) {
  const auto token = token_in(cookie);
  if (token) std::erase_if(sessions_, [&](const WebSession& one) { return one.token == *token; });
}

bool basic_password_fits(std::string_view authorization, std::string_view password) {
  constexpr std::string_view scheme = "basic ";
  if (authorization.size() < scheme.size() ||
      !std::equal(scheme.begin(), scheme.end(), authorization.begin(), [](char a, char b) { return a == (b | 0x20); })) {
    return false;
  }
  const auto pair = base64_decode(authorization.substr(scheme.size()));
  if (!pair) return false;
  const std::size_t colon = pair->find(':');
  if (colon == std::string::npos) return false;
  return same_secret(as_bytes(std::string_view(*pair).substr(colon + 1)), as_bytes(password));
}

}  // namespace pgweir
