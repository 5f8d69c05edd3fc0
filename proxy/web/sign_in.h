// Who may do more than look: administrators who have signed in.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "proxy/core/time.h"

namespace pgweir {

// One browser's session. `csrf` is what its page sends along with an order: another site's page cannot know it.
struct WebSession {
  std::string token, csrf, user;
  TimePoint used_at{};
};

// Owned and used by the web thread. Sessions end after 30 minutes without use; there are 32 at most.
class SignIn {
 public:
  // `random`: a secret that nobody can guess, of 64 bits.
  explicit SignIn(std::function<std::uint64_t()> random) : random_(std::move(random)) {}

  // Null unless `user` is one of admin_users and the password fits its secret in auth_file. Takes milliseconds.
  const WebSession* open(const Config& config, const std::string& user, const std::string& password, TimePoint now);
  // The session that a Cookie header names, of a user who is an administrator still. Null when there is none.
  const WebSession* find(const Config& config, std::string_view cookie, TimePoint now);
  void close(std::string_view cookie);

  static constexpr std::string_view cookie_name = "pgweir_session";

 private:
  std::string fresh_token();
  static std::optional<std::string_view> token_in(std::string_view cookie);

  std::function<std::uint64_t()> random_;
  std::vector<WebSession> sessions_;
};

// Whether `authorization` is HTTP Basic with this password, whatever its user.
bool basic_password_fits(std::string_view authorization, std::string_view password);

}  // namespace pgweir
