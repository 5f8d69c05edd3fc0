// Views over the messages of a server: only the fields that a pooler reads. `body` is a message
// without its type byte and length; all views point into it. Nothing is returned for a message that
// breaks its format.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "protocol/bytes.h"

namespace pgweir {

// Z
struct ReadyForQueryView {
  char status = 'I';  // 'I' idle, 'T' in a transaction, 'E' in a failed one; nothing else
};
std::optional<ReadyForQueryView> read_ready_for_query(Bytes body);

// S
struct ParameterStatusView {
  std::string_view name;
  std::string_view value;
};
std::optional<ParameterStatusView> read_parameter_status(Bytes body);

// E and N. Any bytes make a view: a server that sends none of the fields is not trusted to send
// any. Of a message whose end has yet to come, the last field is as much of it as is here.
class ReportView {
 public:
  explicit ReportView(Bytes body) : body_(body) {}
  // The value of a field, empty when it is absent. Source: "Error and Notice Message Fields".
  std::string_view field(char code) const;
  std::string_view severity() const;  // not localized (V) if given, else S
  std::string_view sqlstate() const { return field('C'); }
  std::string_view message() const { return field('M'); }

 private:
  Bytes body_;
};

// C
struct CommandCompleteView {
  std::string_view tag;  // "SELECT 1"
};
std::optional<CommandCompleteView> read_command_complete(Bytes body);

// R
enum class AuthenticationKind : std::uint8_t {
  ok,
  cleartext_password,
  md5_password,
  sasl,
  sasl_continue,
  sasl_final,
  other,  // Kerberos, GSSAPI, SSPI and what is yet to be invented
};
struct AuthenticationView {
  AuthenticationKind kind = AuthenticationKind::other;
  std::int32_t code = 0;                     // the number on the wire
  Bytes salt;                                // md5_password: 4 bytes
  std::vector<std::string_view> mechanisms;  // sasl
  std::string_view data;                     // sasl_continue, sasl_final

  bool offers(std::string_view mechanism) const;
};
std::optional<AuthenticationView> read_authentication(Bytes body);

// K
struct BackendKeyDataView {
  std::uint32_t pid = 0;
  Bytes key;  // 4 to 256 bytes
};
std::optional<BackendKeyDataView> read_backend_key_data(Bytes body);

// v
struct NegotiateProtocolVersionView {
  std::uint32_t newest = 0;  // as PostgreSQL sends it: major and minor version, 196608 for 3.0
  std::vector<std::string_view> unknown_extensions;
};
std::optional<NegotiateProtocolVersionView> read_negotiate_protocol_version(Bytes body);

}  // namespace pgweir
