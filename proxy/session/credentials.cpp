#include "proxy/session/credentials.h"

namespace pgweir {

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
