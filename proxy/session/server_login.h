// Our login to a server as a state machine over bytes, from StartupMessage to the first ReadyForQuery.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/auth/scram_client.h"
#include "protocol/backend.h"
#include "protocol/bytes.h"
#include "protocol/framer.h"

namespace pgweir {

// What we know that may convince a server.
struct ServerSecret {
  std::string user;
  std::string database;
  std::string secret;                        // plain or md5; empty: nothing, or a SCRAM secret that we cannot use
  std::optional<ScramLoginKeys> keys;        // pass-through
  std::string nonce;                         // fresh
  bool long_keys = false;                    // ask for protocol 3.2
  std::vector<std::pair<std::string, std::string>> parameters;   // more of the StartupMessage
};

class ServerLogin {
 public:
  enum class Event : std::uint8_t { more, ready, failed };

  explicit ServerLogin(ServerSecret secret) : secret_(std::move(secret)) {}

  // The connection is inside TLS, known by `end_point` (RFC 5929; may be empty). Before start().
  void bind_to_channel(std::string end_point) {
    tls_ = true;
    end_point_ = std::move(end_point);
  }
  // The StartupMessage.
  void start(Buffer& out);
  // Takes one message off the front of `input`, with the connection's framer; our answer is appended to `out`.
  Event on_bytes(Framer& framer, Bytes& input, Buffer& out);

  // --- after ready
  std::uint32_t backend_pid() const { return backend_pid_; }
  const std::string& cancel_key() const { return cancel_key_; }
  // Every ParameterStatus, in the server's order.
  const std::vector<std::pair<std::string, std::string>>& parameters() const { return parameters_; }

  // --- after failed
  const std::string& failure() const { return failure_; }      // the server's message, or ours
  const std::string& sqlstate() const { return sqlstate_; }
  bool refused() const { return refused_; }                     // by an ErrorResponse of the server's

 private:
  Event on_authentication(Bytes body, Buffer& out);
  Event on_sasl(const AuthenticationView& view, Buffer& out);
  Event answer_password(Buffer& out, Bytes salt);
  Event fail(std::string text, std::string sqlstate = "08P01");

  ServerSecret secret_;
  std::unique_ptr<ScramClient> scram_;
  std::string end_point_;
  bool tls_ = false;
  bool authenticated_ = false;
  bool refused_ = false;
  std::uint32_t backend_pid_ = 0;
  std::string cancel_key_;
  std::vector<std::pair<std::string, std::string>> parameters_;
  std::string failure_, sqlstate_;
};

}  // namespace pgweir
