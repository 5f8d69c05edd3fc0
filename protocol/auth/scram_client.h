// Our half of a SCRAM-SHA-256 exchange with a server. Source: RFC 5802, RFC 7677.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "protocol/auth/scram_keys.h"

namespace pgweir {

// More would let a hostile server hold a worker for seconds; PostgreSQL's default is 4096.
inline constexpr std::uint32_t scram_iterations_max = 1'000'000;

// One login to a server. Owned by the server's login, used on its thread. Moves strings only.
//
//   client_first()  ->  SASLInitialResponse
//   server-first    ->  on_server_first -> client-final (SASLResponse)
//   server-final    ->  on_server_final -> proven(): the server knows our secret, too
class ScramClient {
 public:
  // `nonce` is printable ASCII without a comma, fresh for each login. PostgreSQL ignores the user
  // name given here and takes that of the StartupMessage; so libpq leaves it empty.
  ScramClient(std::string password, std::string nonce, std::string user = {});
  // Pass-through: the keys of a client's own login. Salt and iterations of the server must be those
  // of that login; if not, the server refuses the proof.
  ScramClient(const ScramLoginKeys& keys, std::string nonce, std::string user = {});

  ~ScramClient();
  ScramClient(ScramClient&&) = default;
  ScramClient& operator=(ScramClient&&) = default;

  // What the TLS below is known by; then the exchange is SCRAM-SHA-256-PLUS. Before client_first.
  void bind_to_channel(std::string end_point) { end_point_ = std::move(end_point); }
  // There is TLS, and the server does not offer -PLUS: it can tell whether that is its own will.
  void missed_plus() { missed_plus_ = true; }

  std::string client_first();
  // The answer, or nothing on failure. Derives the keys, if a password was given.
  std::optional<std::string> on_server_first(std::string_view message);
  // True when the server has proven itself.
  bool on_server_final(std::string_view message);

  bool proven() const { return step_ == Step::proven; }
  const std::string& failure() const { return failure_; }

 private:
  enum class Step : std::uint8_t {
    new_exchange,
    greeted,   // client-first has been said
    answered,  // client-final has been said
    proven,
    failed,
  };
  struct Challenge;
  static std::optional<Challenge> parse_challenge(std::string_view message, std::string& reason);
  std::string gs2_header() const;
  // Always nothing.
  std::optional<std::string> fail(std::string reason);

  std::string password_;
  std::optional<ScramLoginKeys> keys_;
  std::string nonce_;
  std::string user_;
  std::string end_point_;  // empty: no channel binding
  bool missed_plus_ = false;
  std::string first_bare_;
  std::string auth_message_;
  std::string failure_;
  Step step_ = Step::new_exchange;
};

}  // namespace pgweir
