#include "protocol/auth/scram_client.h"

#include <openssl/crypto.h>

#include <charconv>
#include <utility>

#include "protocol/auth/scram_grammar.h"

namespace pgweir {
namespace {

// A name may hold neither commas nor equals signs. Source: RFC 5802, section 5.1.
std::string escape_name(std::string_view name) {
  std::string escaped;
  for (const char c : name) {
    if (c == ',') {
      escaped += "=2C";
    } else if (c == '=') {
      escaped += "=3D";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::optional<std::uint32_t> parse_iterations(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  if (!whole || value == 0 || value > scram_iterations_max) return std::nullopt;
  return value;
}

}  // namespace

struct ScramClient::Challenge {
  std::string_view nonce;
  std::string salt;
  std::uint32_t iterations;
};

ScramClient::ScramClient(std::string password, std::string nonce, std::string user)
    : password_(std::move(password)), nonce_(std::move(nonce)), user_(std::move(user)) {}

ScramClient::ScramClient(const ScramLoginKeys& keys, std::string nonce, std::string user)
    : keys_(keys), nonce_(std::move(nonce)), user_(std::move(user)) {}

ScramClient::~ScramClient() {
  OPENSSL_cleanse(password_.data(), password_.size());
}

std::optional<std::string> ScramClient::fail(std::string reason) {
  step_ = Step::failed;
  failure_ = std::move(reason);
  return std::nullopt;
}

std::string ScramClient::client_first() {
  first_bare_ = "n=" + escape_name(user_) + ",r=" + nonce_;
  step_ = Step::greeted;
  return gs2_header() + first_bare_;
}

std::string ScramClient::gs2_header() const {
  if (!end_point_.empty()) return "p=tls-server-end-point,,";
  return missed_plus_ ? "y,," : "n,,";
}

std::optional<ScramClient::Challenge> ScramClient::parse_challenge(std::string_view message,
                                                                   std::string& reason) {
  reason = "malformed SCRAM server-first-message";
  if (!is_scram_message(message)) return std::nullopt;
  ScramAttributes attributes(message);
  const auto nonce = attributes.take('r');
  const auto salt_text = nonce ? attributes.take('s') : std::nullopt;
  const auto iterations_text = salt_text ? attributes.take('i') : std::nullopt;
  if (!iterations_text || !attributes.skip_rest()) return std::nullopt;

  if (!is_scram_nonce(*nonce)) {
    reason = "bad nonce in SCRAM server-first-message";
    return std::nullopt;
  }
  auto salt = base64_decode(*salt_text);
  if (!salt || salt->empty()) {
    reason = "bad salt in SCRAM server-first-message";
    return std::nullopt;
  }
  const auto iterations = parse_iterations(*iterations_text);
  if (!iterations) {
    reason = "bad iteration count in SCRAM server-first-message";
    return std::nullopt;
  }
  return Challenge{*nonce, std::move(*salt), *iterations};
}

std::optional<std::string> ScramClient::on_server_first(std::string_view message) {
  if (step_ != Step::greeted) return fail("SCRAM message out of order");
  if (!is_scram_nonce(nonce_)) return fail("no SCRAM nonce");
  std::string reason;
  const auto challenge = parse_challenge(message, reason);
  if (!challenge) return fail(std::move(reason));
  // A nonce that adds nothing to ours would let an old exchange be replayed.
  if (!challenge->nonce.starts_with(nonce_) || challenge->nonce.size() == nonce_.size()) {
    return fail("nonce mismatch in SCRAM server-first-message");
  }
  if (!keys_) keys_ = derive_login_keys(password_, challenge->salt, challenge->iterations);
  if (!keys_) return fail("SCRAM keys could not be derived");

  const std::string unproven = "c=" + base64_encode(as_bytes(gs2_header() + end_point_)) +
                               ",r=" + std::string(challenge->nonce);
  auth_message_ = first_bare_ + "," + std::string(message) + "," + unproven;
  const ScramKey stored_key = sha256(keys_->client_key);
  const ScramKey signature = hmac_sha256(stored_key, as_bytes(auth_message_));
  step_ = Step::answered;
  return unproven + ",p=" + base64_encode(exclusive_or(keys_->client_key, signature));
}

bool ScramClient::on_server_final(std::string_view message) {
  if (step_ != Step::answered) return fail("SCRAM message out of order").has_value();
  if (!is_scram_message(message)) return fail("malformed SCRAM server-final-message").has_value();
  ScramAttributes attributes(message);
  if (message[0] == 'e') {
    const auto error = attributes.take('e');
    return fail("SCRAM error from server: " + std::string(error.value_or(""))).has_value();
  }
  const auto verifier = attributes.take('v');
  const auto signature = verifier ? base64_decode(*verifier) : std::nullopt;
  if (!signature || !attributes.skip_rest()) {
    return fail("malformed SCRAM server-final-message").has_value();
  }
  const ScramKey expected = hmac_sha256(keys_->server_key, as_bytes(auth_message_));
  if (!same_secret(as_bytes(*signature), expected)) {
    return fail("wrong SCRAM server signature").has_value();
  }
  step_ = Step::proven;
  return true;
}

}  // namespace pgweir
