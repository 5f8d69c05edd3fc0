// Secrets that logins bring to light, kept for later logins. Shared by all workers; thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "protocol/auth/scram_keys.h"

namespace pgweir {

class Credentials {
 public:
  explicit Credentials(std::string process_secret) : process_secret_(std::move(process_secret)) {}

  // SCRAM pass-through: what a client proved to have, by user. Survives reconnects and reloads.
  void keep_login_keys(const std::string& user, const ScramLoginKeys& keys) {
    std::lock_guard lock(mutex_);
    login_keys_[user] = keys;
  }
  std::optional<ScramLoginKeys> login_keys(const std::string& user) const {
    std::lock_guard lock(mutex_);
    auto found = login_keys_.find(user);
    return found == login_keys_.end() ? std::nullopt : std::optional(found->second);
  }

  // The SCRAM secret of a user whose password we hold as text: derived once, since that takes milliseconds.
  ScramSecret secret_of_password(const std::string& user, const std::string& password,
                                 std::uint32_t iterations);
  void forget_derived();                       // after auth_file was read again

  // Makes the salts of users who do not exist repeatable within this process.
  const std::string& process_secret() const { return process_secret_; }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, ScramLoginKeys> login_keys_;
  std::map<std::string, std::pair<std::string, ScramSecret>> secrets_;   // user -> password, secret
  const std::string process_secret_;
};

}  // namespace pgweir
