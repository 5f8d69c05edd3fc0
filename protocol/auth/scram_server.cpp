#include "protocol/auth/scram_server.h"

#include <utility>

namespace pgweir {
namespace {

// The GS2 header of a client-first message, with both its commas: "n,," or "y,,"; an authorization
// identity may stand between the commas. Source: RFC 5802, section 7.
std::string_view gs2_header(std::string_view message) {
  const std::size_t first = message.find(',');
  const std::size_t second = first == std::string_view::npos ? first : message.find(',', first + 1);
  return second == std::string_view::npos ? std::string_view{} : message.substr(0, second + 1);
}

}  // namespace

ScramServer::ScramServer(ScramSecret secret, std::string nonce)
    : secret_(std::move(secret)), nonce_(std::move(nonce)) {}

ScramServer ScramServer::mock(std::string_view user, std::string_view process_secret,
                              std::string nonce, std::uint32_t iterations) {
  ScramServer server(mock_scram_secret(user, process_secret, iterations), std::move(nonce));
  server.mock_ = true;
  return server;
}

std::optional<std::string> ScramServer::fail(std::string reason) {
  step_ = Step::failed;
  failure_ = std::move(reason);
  return std::nullopt;
}

std::optional<std::string> ScramServer::on_client_first(std::string_view message) {
  if (step_ != Step::new_exchange) return fail("SCRAM message out of order");
  if (!is_scram_nonce(nonce_)) return fail("no SCRAM nonce");
  if (!is_scram_message(message)) return fail("malformed SCRAM client-first-message");
  const std::string_view header = gs2_header(message);
  if (!header_fits(header)) return std::nullopt;

  const std::string_view bare = message.substr(header.size());
  ScramAttributes attributes(bare);
  // The user was named in the startup packet; the name given here is not looked at.
  const auto user = attributes.take('n');
  const auto nonce = user ? attributes.take('r') : std::nullopt;
  if (!nonce || !attributes.skip_rest()) return fail("malformed SCRAM client-first-message");
  if (!is_scram_nonce(*nonce)) return fail("bad nonce in SCRAM client-first-message");

  gs2_header_ = header;
  nonce_.insert(0, *nonce);
  const std::string reply = "r=" + nonce_ + ",s=" + base64_encode(as_bytes(secret_.salt)) +
                            ",i=" + std::to_string(secret_.iterations);
  messages_ = std::string(bare) + "," + reply;
  step_ = Step::challenged;
  return reply;
}

void ScramServer::bind_to_channel(std::string end_point, bool chosen) {
  end_point_ = std::move(end_point);
  plus_ = chosen;
}

// `n`: the client knows no channel binding; `y`: it does, and believes that we do not; `p=TYPE`: it
// binds. Source: RFC 5802, section 6.
bool ScramServer::header_fits(std::string_view header) {
  const std::size_t flag_end = header.find(',');
  const std::string_view flag = header.substr(0, flag_end);
  const std::string_view identity = flag_end == header.npos ? "?" : header.substr(flag_end + 1);
  const bool layout_fits = identity == "," || identity.starts_with("a=");
  if (!layout_fits || (flag != "n" && flag != "y" && !flag.starts_with("p="))) {
    return fail("malformed SCRAM client-first-message").has_value();
  }
  if (flag == "n" || flag == "y") {
    if (plus_) return fail("client chose SCRAM-SHA-256-PLUS and binds to no channel").has_value();
    // Somebody between us has taken our offer out of the list.
    if (flag == "y" && !end_point_.empty()) {
      return fail("client believes that SCRAM-SHA-256-PLUS is not offered, which it is")
          .has_value();
    }
    return true;
  }
  if (!plus_ || end_point_.empty()) {
    return fail("client requires SCRAM channel binding, which is not offered").has_value();
  }
  if (flag.substr(2) != scram_binding_type) {
    return fail("unsupported SCRAM channel binding type").has_value();
  }
  return true;
}

std::optional<std::string> ScramServer::on_client_final(std::string_view message) {
  if (step_ != Step::challenged) return fail("SCRAM message out of order");
  if (!is_scram_message(message)) return fail("malformed SCRAM client-final-message");
  // The proof is the last attribute, and what stands before it is what it proves.
  const std::size_t proof_at = message.rfind(",p=");
  if (proof_at == std::string_view::npos) return fail("malformed SCRAM client-final-message");
  const std::string_view unproven = message.substr(0, proof_at);
  const std::string_view proof = message.substr(proof_at + 3);

  ScramAttributes attributes(unproven);
  const auto binding = attributes.take('c');
  const auto nonce = binding ? attributes.take('r') : std::nullopt;
  if (!nonce || !attributes.skip_rest()) return fail("malformed SCRAM client-final-message");
  if (*binding != base64_encode(as_bytes(plus_ ? gs2_header_ + end_point_ : gs2_header_))) {
    return fail("unexpected channel binding in SCRAM client-final-message");
  }
  if (*nonce != nonce_) return fail("nonce mismatch in SCRAM client-final-message");

  const std::string auth_message = messages_ + "," + std::string(unproven);
  if (!proof_fits(proof, auth_message)) return fail("wrong password");
  step_ = Step::proven;
  return "v=" + base64_encode(hmac_sha256(secret_.server_key, as_bytes(auth_message)));
}

bool ScramServer::proof_fits(std::string_view proof, std::string_view auth_message) {
  const auto bytes = base64_decode(proof);
  if (!bytes || bytes->size() != scram_key_bytes) return false;
  ScramKey client_proof;
  std::memcpy(client_proof.data(), bytes->data(), client_proof.size());
  const ScramKey signature = hmac_sha256(secret_.stored_key, as_bytes(auth_message));
  client_key_ = exclusive_or(client_proof, signature);
  const bool same = same_secret(sha256(client_key_), secret_.stored_key);
  return same && !mock_;
}

std::optional<ScramLoginKeys> ScramServer::login_keys() const {
  if (!proven()) return std::nullopt;
  return ScramLoginKeys{client_key_, secret_.server_key};
}

}  // namespace pgweir
