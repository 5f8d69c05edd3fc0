// A client's login as a state machine over bytes: packets before the protocol proper, then the proof of who it is.
// Touches no socket; the worker looks things up between startup and proof.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/config.h"
#include "protocol/auth/scram_server.h"
#include "protocol/bytes.h"
#include "protocol/framer.h"
#include "protocol/startup.h"
#include "proxy/policy/close_reason.h"
#include "proxy/session/ports.h"

namespace pgweir {

// How a client has to prove who it is.
struct AuthPlan {
  AuthType method = AuthType::md5;
  std::string user;
  bool known = false;                      // false: the exchange runs all the same, and fails
  std::string secret;                      // plain, md5 or SCRAM; empty never matches
  std::optional<ScramSecret> scram;        // what a SCRAM exchange is checked against
  std::string process_secret;              // for the salts of users who do not exist
  std::string nonce;                       // fresh
  std::uint32_t salt = 0;                  // fresh, for md5
  std::uint32_t scram_iterations = scram_iterations_default;
  bool tls = false;
  bool has_certificate = false;
  std::vector<std::string> certificate_names;   // common name and DNS names
  std::string end_point;                   // of the TLS, for SCRAM-SHA-256-PLUS; empty: not offered

  // What the client's TLS has to say about who it is.
  void add(TlsFacts facts);
  bool mock_scram = false;                 // no secret, and others of this database have SCRAM secrets
};

class ClientLogin {
 public:
  enum class Event : std::uint8_t {
    more,            // the input is used up
    encryption,      // SSLRequest or GSSENCRequest, answered with a no
    start_tls,       // SSLRequest, answered with a yes: send the answer, then begin the handshake
    startup,         // packet() is a StartupMessage; call prove() when the user is known
    cancel,          // packet() is a CancelRequest
    password,        // password() is for somebody else to judge; call settle()
    proven,          // the client is who it says
    failed,          // see failure(), failure_text()
  };

  ClientLogin();
  ~ClientLogin();

  // Whether an SSLRequest is answered with a yes. May change until one has come.
  void offer_tls(bool offered) { offers_tls_ = offered; }
  // The first bytes are a TLS handshake without an SSLRequest, and that may be. Then TLS has begun.
  bool take_direct_tls(Bytes input);

  // Takes the next packet off the front of `input`; what we have to say is appended to `answer`.
  Event on_bytes(Bytes& input, Buffer& answer);
  // Begins the proof: proven, failed, or more.
  Event prove(AuthPlan plan, Buffer& answer);

  // Ends a proof that somebody else has judged; `otherwise` is why it failed.
  Event settle(bool good, CloseReason otherwise, std::string detail = {});
  const std::string& password() const { return password_; }

  // Valid after startup or cancel, as long as this login.
  const StartupPacket& packet() const { return packet_; }
  bool nothing_received() const { return nothing_received_; }
  // The StartupMessage as it came, for another login to read it again. This one is over.
  Buffer take_packet_bytes() { return std::move(packet_bytes_); }
  CloseReason failure() const { return failure_; }
  const std::string& failure_text() const { return failure_text_; }   // empty: the reason's own
  const std::string& failure_detail() const { return failure_detail_; } // for the log only
  // After proven: what a server with the same SCRAM secret accepts from us.
  std::optional<ScramLoginKeys> login_keys() const;
  const std::string& secret() const { return plan_.secret; }   // that the proof was checked against

  // --- notes of the worker about this login
  bool own_uid = false;                    // the process's own user, over the unix socket, as `pgbouncer`
  bool for_console = false;
  AuthType method = AuthType::md5;         // auth_type, or what the HBA rule says
  std::shared_ptr<const Hba> hba;          // the rules that `rule` is of
  const HbaRule* rule = nullptr;           // the one this client meets; null: auth_type=hba is not set, or none yet
  std::optional<std::string> host_name;    // of its address, for rules that name hosts
  std::optional<std::set<std::string>> roles;  // of its user, for rules that name groups
  std::string database;                    // as asked for
  std::string user;
  DatabasePtr entry;                       // of the database; null: unknown, which is told after the proof only

 private:
  enum class Step : std::uint8_t { startup, looked_up, cleartext, md5, judged, sasl_first, sasl_late_first, sasl_final, over };
  Event on_startup_bytes(Bytes& input, Buffer& answer);
  Event judge_startup(Bytes rest, Buffer& answer);
  Event on_password(Bytes body);
  Event on_sasl_first(Bytes body, Buffer& answer);
  Event judge_certificate();
  Event on_client_first(std::string_view data, Buffer& answer);
  Event on_sasl_final(Bytes body, Buffer& answer);
  Event fail(CloseReason reason, std::string text = {}, std::string detail = {});
  Event start_sasl(Buffer& answer);
  bool password_fits_plan(std::string_view password) const;
  void keep_cleartext_keys(std::string_view password);

  Step step_ = Step::startup;
  bool nothing_received_ = true;
  bool offers_tls_ = false, in_tls_ = false;
  Buffer packet_bytes_;                    // of the startup packet, as far as it has come
  StartupPacket packet_;
  Framer framer_{Direction::from_client};
  AuthPlan plan_;
  std::string password_;                   // between Event::password and settle()
  std::optional<ScramLoginKeys> cleartext_keys_;
  std::unique_ptr<ScramServer> scram_;
  CloseReason failure_ = CloseReason::none;
  std::string failure_text_, failure_detail_;
};

}  // namespace pgweir
