// Our half of a SCRAM-SHA-256 exchange with a client. Source: RFC 5802, RFC 7677; PostgreSQL's
// "SASL Authentication".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/auth/scram_grammar.h"
#include "protocol/auth/scram_keys.h"

namespace pgweir {

inline constexpr std::string_view scram_mechanism = "SCRAM-SHA-256";
inline constexpr std::string_view scram_plus_mechanism = "SCRAM-SHA-256-PLUS";  // bound to TLS
inline constexpr std::string_view scram_binding_type = "tls-server-end-point";  // RFC 5929

// One login. Owned by the client's login, used on its thread. Moves strings only: the caller sends
// and receives.
//
//   client-first  -> on_client_first -> server-first   (AuthenticationSASLContinue)
//   client-final  -> on_client_final -> server-final   (AuthenticationSASLFinal), then proven()
//
// After a failure nothing is said to the client but `SASL authentication failed`; failure() is for
// the log.
class ScramServer {
 public:
  // `nonce` is printable ASCII without a comma, fresh for each login.
  ScramServer(ScramSecret secret, std::string nonce);
  // An exchange that looks like any other and fails at its end: for unknown users and unusable
  // secrets.
  static ScramServer mock(std::string_view user, std::string_view process_secret, std::string nonce,
                          std::uint32_t iterations = scram_iterations_default);

  // What the TLS below is known by (RFC 5929); `chosen`: the client took SCRAM-SHA-256-PLUS.
  // Without this call the -PLUS mechanism has not been offered. Before on_client_first.
  void bind_to_channel(std::string end_point, bool chosen);

  // Each returns the answer, or nothing on failure. Calls out of order fail.
  std::optional<std::string> on_client_first(std::string_view message);
  std::optional<std::string> on_client_final(std::string_view message);

  bool proven() const { return step_ == Step::proven; }
  const std::string& failure() const { return failure_; }
  // Once proven: what a server with the same secret will accept from us (pass-through).
  std::optional<ScramLoginKeys> login_keys() const;

 private:
  enum class Step : std::uint8_t {
    new_exchange,
    challenged,  // server-first has been said
    proven,
    failed,
  };
  std::optional<std::string> fail(std::string reason);
  bool header_fits(std::string_view header);
  bool proof_fits(std::string_view proof, std::string_view auth_message);

  ScramSecret secret_;
  std::string nonce_;  // ours; after client-first, the client's and ours
  std::string gs2_header_;
  std::string end_point_;  // empty: no channel binding was offered
  bool plus_ = false;      // the client chose it
  std::string messages_;   // client-first-bare, server-first: the AuthMessage so far
  std::string failure_;
  ScramKey client_key_{};
  Step step_ = Step::new_exchange;
  bool mock_ = false;
};

}  // namespace pgweir
