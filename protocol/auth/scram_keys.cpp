#include "protocol/auth/scram_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <vector>

#include "protocol/auth/saslprep.h"

namespace pgweir {
namespace {

constexpr std::string_view secret_prefix = "SCRAM-SHA-256$";

const unsigned char* raw(Bytes bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* raw(ScramKey& key) {
  return reinterpret_cast<unsigned char*>(key.data());
}

// Takes the text up to `separator` off the front of `text`; nothing when there is no separator.
std::optional<std::string_view> take_until(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view field = text.substr(0, end);
  text.remove_prefix(end + 1);
  return field;
}

std::optional<ScramKey> decode_key(std::string_view text) {
  const auto bytes = base64_decode(text);
  if (!bytes || bytes->size() != scram_key_bytes) return std::nullopt;
  ScramKey key;
  std::memcpy(key.data(), bytes->data(), key.size());
  return key;
}

std::optional<std::uint32_t> parse_iterations(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  if (!whole || value == 0 || value > INT_MAX) return std::nullopt;
  return value;
}

std::optional<ScramKey> salted_password(std::string_view password, std::string_view salt,
                                        std::uint32_t iterations) {
  if (iterations == 0 || iterations > INT_MAX) return std::nullopt;
  std::string prepared = saslprep(password);
  ScramKey salted;
  const int done =
      PKCS5_PBKDF2_HMAC(prepared.data(), static_cast<int>(prepared.size()), raw(as_bytes(salt)),
                        static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                        static_cast<int>(salted.size()), raw(salted));
  OPENSSL_cleanse(prepared.data(), prepared.size());
  if (done != 1) return std::nullopt;
  return salted;
}

}  // namespace

ScramKey sha256(Bytes of) {
  ScramKey digest{};
  EVP_Digest(of.data(), of.size(), raw(digest), nullptr, EVP_sha256(), nullptr);
  return digest;
}

ScramKey hmac_sha256(Bytes key, Bytes of) {
  ScramKey digest{};
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), raw(of), of.size(), raw(digest),
       nullptr);
  return digest;
}

ScramKey exclusive_or(const ScramKey& a, const ScramKey& b) {
  ScramKey result;
  std::transform(a.begin(), a.end(), b.begin(), result.begin(),
                 [](std::byte x, std::byte y) { return x ^ y; });
  return result;
}

bool same_secret(Bytes a, Bytes b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string base64_encode(Bytes bytes) {
  // EVP_EncodeBlock writes a zero byte behind the text.
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), raw(bytes),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   raw(as_bytes(text)), static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  // EVP_DecodeBlock counts padding as zero bytes.
  if (text.ends_with('=')) bytes.pop_back();
  if (text.ends_with("==")) bytes.pop_back();
  // It also forgives blanks, padding in the middle and stray bits, all of which are no canonical
  // base64.
  if (base64_encode(as_bytes(bytes)) != text) return std::nullopt;
  return bytes;
}

std::optional<ScramSecret> parse_scram_secret(std::string_view text) {
  if (!text.starts_with(secret_prefix)) return std::nullopt;
  text.remove_prefix(secret_prefix.size());
  const auto iterations_text = take_until(text, ':');
  const auto salt_text = take_until(text, '$');
  const auto stored_text = take_until(text, ':');
  if (!iterations_text || !salt_text || !stored_text) return std::nullopt;
  const auto iterations = parse_iterations(*iterations_text);
  const auto salt = base64_decode(*salt_text);
  const auto stored_key = decode_key(*stored_text);
  const auto server_key = decode_key(text);
  if (!iterations || !salt || !stored_key || !server_key) return std::nullopt;
  return ScramSecret{*iterations, *salt, *stored_key, *server_key};
}

std::string to_text(const ScramSecret& secret) {
  return std::string(secret_prefix) + std::to_string(secret.iterations) + ":" +
         base64_encode(as_bytes(secret.salt)) + "$" + base64_encode(secret.stored_key) + ":" +
         base64_encode(secret.server_key);
}

std::optional<ScramLoginKeys> derive_login_keys(std::string_view password, std::string_view salt,
                                                std::uint32_t iterations) {
  auto salted = salted_password(password, salt, iterations);
  if (!salted) return std::nullopt;
  const ScramLoginKeys keys{hmac_sha256(*salted, as_bytes("Client Key")),
                            hmac_sha256(*salted, as_bytes("Server Key"))};
  OPENSSL_cleanse(salted->data(), salted->size());
  return keys;
}

std::optional<ScramSecret> derive_scram_secret(std::string_view password, std::string_view salt,
                                               std::uint32_t iterations) {
  const auto keys = derive_login_keys(password, salt, iterations);
  if (!keys) return std::nullopt;
  return ScramSecret{iterations, std::string(salt), sha256(keys->client_key), keys->server_key};
}

bool password_fits(std::string_view password, const ScramSecret& secret) {
  const auto keys = derive_login_keys(password, secret.salt, secret.iterations);
  return keys && same_secret(keys->server_key, secret.server_key);
}

ScramSecret mock_scram_secret(std::string_view user, std::string_view process_secret,
                              std::uint32_t iterations) {
  const auto derive = [&](std::string_view purpose) {
    return hmac_sha256(as_bytes(process_secret),
                       as_bytes(std::string(purpose) + std::string(user)));
  };
  ScramSecret secret;
  secret.iterations = iterations;
  const ScramKey salt = derive("salt ");
  secret.salt = as_text(Bytes(salt).first(scram_salt_bytes));
  secret.stored_key = derive("stored ");
  secret.server_key = derive("server ");
  return secret;
}

std::string fresh_scram_nonce() {
  std::array<unsigned char, 18> random;
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) return {};
  return base64_encode(std::as_bytes(std::span(random)));
}

}  // namespace pgweir
