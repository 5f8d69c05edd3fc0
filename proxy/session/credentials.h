// Secrets that logins bring to light, kept for later logins. Shared by all workers; thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/auth/scram_keys.h"
#include "protocol/auth/secret.h"

namespace pgweir {

class Credentials {
 public:
  explicit Credentials(std::string process_secret) : process_secret_(std::move(process_secret)) {}

  // SCRAM pass-through: what a client proved to have, by user and the SCRAM secret it was proven against. Survives
  // reconnects and reloads. Of the secrets that a user has had, or has in several clusters, the latest few are kept.
  void keep_login_keys(const std::string& user, const std::string& secret, const ScramLoginKeys& keys);
  std::optional<ScramLoginKeys> login_keys(const std::string& user, const std::string& secret) const;

  // What auth_query, PAM or LDAP told last of a user of a database, for logins to servers; empty: nothing.
  void keep_looked_up(const std::string& database, const std::string& user, const std::string& secret);
  std::string looked_up(const std::string& database, const std::string& user) const;
  // What kind of secret auth_query told last of anybody in that database: unknown users are asked for the same.
  SecretKind usual_kind(const std::string& database) const;

  // The SCRAM secret of a user whose password we hold as text: derived once, since that takes milliseconds.
  ScramSecret secret_of_password(const std::string& user, const std::string& password,
                                 std::uint32_t iterations);
  void forget_derived();                       // after auth_file was read again

  // Makes the salts of users who do not exist repeatable within this process.
  const std::string& process_secret() const { return process_secret_; }

 private:
  mutable std::mutex mutex_;
  using Keys = std::vector<std::pair<std::string, ScramLoginKeys>>;      // by secret, latest last
  std::map<std::string, Keys> login_keys_;
  std::map<std::pair<std::string, std::string>, std::string> looked_up_; // database, user -> secret
  std::map<std::string, SecretKind> usual_kinds_;
  std::map<std::string, std::pair<std::string, ScramSecret>> secrets_;   // user -> password, secret
  const std::string process_secret_;
};

}  // namespace pgweir
