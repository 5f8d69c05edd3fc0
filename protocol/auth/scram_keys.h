// The keys of SCRAM-SHA-256 and their text form in pg_authid. Source: RFC 5802, RFC 7677.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/bytes.h"

namespace pgweir {

inline constexpr std::size_t scram_key_bytes = 32;
inline constexpr std::size_t scram_salt_bytes = 16;  // of secrets made here
inline constexpr std::uint32_t scram_iterations_default = 4096;
using ScramKey = std::array<std::byte, scram_key_bytes>;

// What a server stores: enough to verify a client, not to be one.
struct ScramSecret {
  std::uint32_t iterations = scram_iterations_default;
  std::string salt;  // raw bytes
  ScramKey stored_key{};
  ScramKey server_key{};
  bool operator==(const ScramSecret&) const = default;
};

// What a client needs to log in to a server with the same salt and iterations, without the
// password.
struct ScramLoginKeys {
  ScramKey client_key{};
  ScramKey server_key{};
  bool operator==(const ScramLoginKeys&) const = default;
};

// Reads "SCRAM-SHA-256$4096:salt$StoredKey:ServerKey"; nothing when it is anything else.
std::optional<ScramSecret> parse_scram_secret(std::string_view text);
std::string to_text(const ScramSecret& secret);

// SaltedPassword -> ClientKey and ServerKey. The password is prepared by saslprep(). Takes time in
// proportion to `iterations` (about 2 ms for 4096). Nothing when libcrypto fails or `iterations` is
// 0.
std::optional<ScramLoginKeys> derive_login_keys(std::string_view password, std::string_view salt,
                                                std::uint32_t iterations);
// The secret that PostgreSQL would store. Costs the same; worth keeping per user.
std::optional<ScramSecret> derive_scram_secret(std::string_view password, std::string_view salt,
                                               std::uint32_t iterations);
// Whether `password` is the one that `secret` was made of.
bool password_fits(std::string_view password, const ScramSecret& secret);

// A secret for a user who does not exist. The same (user, process_secret) gives the same salt, so
// that asking twice tells nothing. No password fits.
ScramSecret mock_scram_secret(std::string_view user, std::string_view process_secret,
                              std::uint32_t iterations = scram_iterations_default);

// ---- building blocks, also for tests ----
ScramKey sha256(Bytes of);
ScramKey hmac_sha256(Bytes key, Bytes of);
ScramKey exclusive_or(const ScramKey& a, const ScramKey& b);
// Compares in time that depends on the lengths only.
bool same_secret(Bytes a, Bytes b);
std::string base64_encode(Bytes bytes);
// Nothing unless `text` is canonical base64 with padding.
std::optional<std::string> base64_decode(std::string_view text);

// 24 characters from libcrypto's random generator: the one thing in this room that is not a
// function of its arguments. The simulator gives nonces of its own. Empty when the generator fails.
std::string fresh_scram_nonce();

}  // namespace pgweir
