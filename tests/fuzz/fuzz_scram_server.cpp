// links: pgweir_protocol
// A client that has proven nothing talks to our SCRAM server: its messages are the lines of the
// input.
#include "protocol/auth/scram_server.h"
#include "protocol/auth/secret.h"
#include "tests/fuzz/invariant.h"

using namespace pgweir;
using pgweir::fuzz::claim;

namespace {

// RFC 7677's user, so that the corpus may hold a login that succeeds.
constexpr std::string_view secret_text =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t newline = input.find('\n');
  const std::string_view first = input.substr(0, newline);
  const std::string_view last = newline == std::string_view::npos ? "" : input.substr(newline + 1);
  static const ScramSecret secret = *parse_scram_secret(secret_text);
  const std::string nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

  ScramServer server(secret, nonce);
  ScramServer mock = ScramServer::mock("nobody", "process secret", nonce);
  const auto challenge = server.on_client_first(first);
  claim(challenge.has_value() == mock.on_client_first(first).has_value(), "a mock looks alike");
  const auto verdict = server.on_client_final(last);
  claim(verdict.has_value() == server.proven(), "an answer is a proof");
  claim(!verdict || challenge, "no proof without a challenge");
  claim(server.login_keys().has_value() == server.proven(), "keys come with the proof");
  claim(server.proven() || !server.failure().empty(), "a failure has a reason");
  claim(!mock.on_client_final(last), "a mock never succeeds");
  if (server.proven())
    claim(sha256(server.login_keys()->client_key) == secret.stored_key, "ClientKey");

  if (const auto parsed = parse_scram_secret(input)) {
    claim(parse_scram_secret(to_text(*parsed)) == *parsed, "a secret survives being written");
  }
  secret_kind(input);
  return 0;
}
