#include "proxy/session/credentials.h"

#include <algorithm>

namespace pgweir {
namespace {

// Enough for a user whose secret differs in several clusters.
constexpr std::size_t secrets_per_user_max = 8;

}  // namespace

void Credentials::keep_login_keys(const std::string& user, const std::string& secret, const ScramLoginKeys& keys) {
  std::lock_guard lock(mutex_);
  Keys& known = login_keys_[user];
  std::erase_if(known, [&](const auto& row) { return row.first == secret; });
  if (known.size() >= secrets_per_user_max) known.erase(known.begin());
  known.emplace_back(secret, keys);
}

std::optional<ScramLoginKeys> Credentials::login_keys(const std::string& user, const std::string& secret) const {
  std::lock_guard lock(mutex_);
  const auto found = login_keys_.find(user);
  if (found == login_keys_.end()) return std::nullopt;
  for (const auto& [proven_against, keys] : found->second)
    if (proven_against == secret) return keys;
  return std::nullopt;
}

void Credentials::keep_looked_up(const std::string& database, const std::string& user, const std::string& secret) {
  std::lock_guard lock(mutex_);
  looked_up_[{database, user}] = secret;
  const SecretKind kind = secret_kind(secret);
  if (kind == SecretKind::scram || kind == SecretKind::md5) usual_kinds_[database] = kind;
}

std::string Credentials::looked_up(const std::string& database, const std::string& user) const {
  std::lock_guard lock(mutex_);
  const auto found = looked_up_.find({database, user});
  return found == looked_up_.end() ? std::string{} : found->second;
}

SecretKind Credentials::usual_kind(const std::string& database) const {
  std::lock_guard lock(mutex_);
  const auto found = usual_kinds_.find(database);
  return found == usual_kinds_.end() ? SecretKind::scram : found->second;
}

ScramSecret Credentials::secret_of_password(const std::string& user, const std::string& password,
                                            std::uint32_t iterations) {
  {
    std::lock_guard lock(mutex_);
    const auto& [known, secret] = secrets_[user];
    if (known == password && !secret.salt.empty() && secret.iterations == iterations) return secret;
  }
  // A salt that is the same for this user as long as the process lives tells nothing, and needs no random source.
  // Deriving takes milliseconds, in which the other workers' logins go on.
  const ScramKey salt = hmac_sha256(as_bytes(process_secret_), as_bytes(user));
  const ScramSecret derived = derive_scram_secret(password, as_text(Bytes{salt}.first(scram_salt_bytes)), iterations)
                                  .value_or(mock_scram_secret(user, process_secret_, iterations));
  std::lock_guard lock(mutex_);
  secrets_[user] = {password, derived};
  return derived;
}

void Credentials::forget_derived() {
  std::lock_guard lock(mutex_);
  secrets_.clear();
}

}  // namespace pgweir
