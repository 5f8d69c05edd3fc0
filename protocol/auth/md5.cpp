#include "protocol/auth/md5.h"

#include <openssl/evp.h>

#include <array>

#include "protocol/auth/scram_keys.h"
#include "protocol/auth/secret.h"

namespace pgweir {
namespace {

constexpr std::string_view prefix = "md5";

// "md5" and the hex form of md5(a + b); empty when libcrypto refuses.
std::string hash(std::string_view a, std::string_view b) {
  const std::string both = std::string(a) + std::string(b);
  std::array<unsigned char, 16> digest;
  if (EVP_Digest(both.data(), both.size(), digest.data(), nullptr, EVP_md5(), nullptr) != 1) {
    return {};
  }
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text(prefix);
  for (const unsigned char byte : digest) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

}  // namespace

std::string md5_secret(std::string_view password, std::string_view user) {
  return hash(password, user);
}

std::string md5_answer(std::string_view secret, Bytes salt) {
  if (secret_kind(secret) != SecretKind::md5) return {};
  return hash(secret.substr(prefix.size()), as_text(salt));
}

bool md5_answer_fits(std::string_view answer, std::string_view user, std::string_view secret,
                     Bytes salt) {
  const bool plain = secret_kind(secret) == SecretKind::plain;
  const std::string expected = md5_answer(plain ? md5_secret(secret, user) : secret, salt);
  return !expected.empty() && same_secret(as_bytes(answer), as_bytes(expected));
}

}  // namespace pgweir
