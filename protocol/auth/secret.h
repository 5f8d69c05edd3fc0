// What a stored password is: text, an md5 hash, or a SCRAM secret.
#pragma once

#include <cstdint>
#include <string_view>

namespace pgweir {

enum class SecretKind : std::uint8_t {
  none,  // empty: never matches
  plain,
  md5,    // "md5" and 32 hex digits
  scram,  // SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey
};
// The same rule as PostgreSQL's get_password_type: what is not wholly a hash is a plain password.
SecretKind secret_kind(std::string_view secret);

// Whether a clear-text password that a client gave fits the stored secret of any kind. Takes the
// time of one PBKDF2 for a SCRAM secret. Empty passwords never fit.
bool password_fits(std::string_view password, std::string_view user, std::string_view secret);

}  // namespace pgweir
