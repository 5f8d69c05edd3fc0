// One side's TLS settings, read and checked: certificates, keys, ciphers. Source of the names:
// PgBouncer's client_tls_* and server_tls_*.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/session/ports.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace pgweir {

enum class TlsVerify : std::uint8_t {
  nothing,
  chain,           // the peer's certificate must come from the CA
  chain_and_name,  // and, of a server's, name the host that was asked for
};

// As the ini has them; an empty text is "not given".
struct TlsSettings {
  bool enabled = false;
  TlsVerify verify = TlsVerify::nothing;
  std::string ca_file = {}, cert_file = {}, key_file = {};
  std::string protocols = "secure";
  std::string ciphers = "default";
  std::string dheparams = "auto", ecdhcurve = "auto";  // of the server role only
  std::optional<std::string> tls13_ciphers = {};
};

// What is wrong, and the setting's name without its prefix (`cert_file`).
struct TlsMistake {
  std::string setting, text;
};
using TlsMistakes = std::vector<TlsMistake>;

// Immutable once built; shared by all workers and by every connection that began with it, so that
// a handshake under way ends with the files it began with.
class TlsContext {
 public:
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;

  // Reads the files. Null when something is wrong; all that is stands in `mistakes` then, behind what
  // was there. `settings.enabled` is not looked at.
  static std::shared_ptr<const TlsContext> build(TlsRole role, const TlsSettings& settings,
                                                 TlsMistakes& mistakes);

  ssl_ctx_st* raw() const { return context_; }
  TlsRole role() const { return role_; }
  bool verifies_name() const { return verifies_name_; }
  // Of the settings and of what the files held: equal means that nothing has changed.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  explicit TlsContext(TlsRole role);
  void set_protocols(const TlsSettings& settings, TlsMistakes& mistakes);
  void set_ciphers(const TlsSettings& settings, TlsMistakes& mistakes);
  void set_curve(const TlsSettings& settings, TlsMistakes& mistakes);
  void load_own(const TlsSettings& settings, TlsMistakes& mistakes);
  void load_ca(const TlsSettings& settings, TlsMistakes& mistakes);

  ssl_ctx_st* context_;
  const TlsRole role_;
  bool verifies_name_ = false;
  std::string fingerprint_;
};

// What a loop's streams begin TLS with; null: that side speaks none.
struct TlsContexts {
  std::shared_ptr<const TlsContext> with_clients, with_servers;
};

}  // namespace pgweir
