#include "protocol/auth/secret.h"

#include "protocol/auth/md5.h"
#include "protocol/auth/scram_keys.h"

namespace pgweir {
namespace {

constexpr std::size_t md5_secret_bytes = 35;

bool is_md5(std::string_view secret) {
  return secret.size() == md5_secret_bytes && secret.starts_with("md5") &&
         secret.find_first_not_of("0123456789abcdef", 3) == std::string_view::npos;
}

}  // namespace

SecretKind secret_kind(std::string_view secret) {
  if (secret.empty()) return SecretKind::none;
  if (is_md5(secret)) return SecretKind::md5;
  if (parse_scram_secret(secret)) return SecretKind::scram;
  return SecretKind::plain;
}

bool password_fits(std::string_view password, std::string_view user, std::string_view secret) {
  if (password.empty()) return false;
  switch (secret_kind(secret)) {
    case SecretKind::none:
      return false;
    case SecretKind::plain:
      return same_secret(as_bytes(password), as_bytes(secret));
    case SecretKind::md5:
      return same_secret(as_bytes(md5_secret(password, user)), as_bytes(secret));
    case SecretKind::scram:
      return password_fits(password, *parse_scram_secret(secret));
  }
  return false;
}

}  // namespace pgweir
