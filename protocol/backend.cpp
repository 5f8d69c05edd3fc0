#include "protocol/backend.h"

#include <algorithm>

#include "protocol/startup.h"
#include "protocol/wire.h"

namespace pgweir {
namespace {

constexpr std::size_t md5_salt_bytes = 4;

AuthenticationKind kind_of(std::int32_t code) {
  switch (code) {
    case 0:
      return AuthenticationKind::ok;
    case 3:
      return AuthenticationKind::cleartext_password;
    case 5:
      return AuthenticationKind::md5_password;
    case 10:
      return AuthenticationKind::sasl;
    case 11:
      return AuthenticationKind::sasl_continue;
    case 12:
      return AuthenticationKind::sasl_final;
    default:
      return AuthenticationKind::other;
  }
}

// The list of mechanisms ends with an empty name.
void read_mechanisms(WireReader& reader, AuthenticationView& view) {
  for (;;) {
    const std::string_view mechanism = reader.cstring();
    if (mechanism.empty()) return;
    view.mechanisms.push_back(mechanism);
  }
}

}  // namespace

std::optional<ReadyForQueryView> read_ready_for_query(Bytes body) {
  WireReader reader(body);
  const ReadyForQueryView view{static_cast<char>(reader.u8())};
  const bool known = view.status == 'I' || view.status == 'T' || view.status == 'E';
  if (!reader.at_end() || !known) return std::nullopt;
  return view;
}

std::optional<ParameterStatusView> read_parameter_status(Bytes body) {
  WireReader reader(body);
  ParameterStatusView view;
  view.name = reader.cstring();
  view.value = reader.cstring();
  if (!reader.at_end()) return std::nullopt;
  return view;
}

std::string_view ReportView::field(char code) const {
  std::string_view left = as_text(body_);
  while (!left.empty() && left.front() != '\0') {
    const std::string_view value = left.substr(1, left.find('\0', 1) - 1);
    if (left.front() == code) return value;
    left.remove_prefix(std::min(left.size(), value.size() + 2));
  }
  return {};
}

std::string_view ReportView::severity() const {
  const std::string_view untranslated = field('V');
  return untranslated.empty() ? field('S') : untranslated;
}

std::optional<CommandCompleteView> read_command_complete(Bytes body) {
  WireReader reader(body);
  const CommandCompleteView view{reader.cstring()};
  if (!reader.at_end()) return std::nullopt;
  return view;
}

bool AuthenticationView::offers(std::string_view mechanism) const {
  return std::find(mechanisms.begin(), mechanisms.end(), mechanism) != mechanisms.end();
}

std::optional<AuthenticationView> read_authentication(Bytes body) {
  WireReader reader(body);
  AuthenticationView view;
  view.code = reader.i32();
  if (!reader.ok()) return std::nullopt;
  view.kind = kind_of(view.code);
  switch (view.kind) {
    case AuthenticationKind::md5_password:
      view.salt = reader.bytes(md5_salt_bytes);
      break;
    case AuthenticationKind::sasl:
      read_mechanisms(reader, view);
      break;
    case AuthenticationKind::sasl_continue:
    case AuthenticationKind::sasl_final:
      view.data = as_text(reader.rest());
      break;
    case AuthenticationKind::other:
      reader.rest();
      break;
    case AuthenticationKind::ok:
    case AuthenticationKind::cleartext_password:
      break;
  }
  if (!reader.at_end()) return std::nullopt;
  return view;
}

std::optional<BackendKeyDataView> read_backend_key_data(Bytes body) {
  WireReader reader(body);
  BackendKeyDataView view;
  view.pid = reader.u32();
  view.key = reader.rest();
  if (!reader.ok() || view.key.size() < cancel_key_bytes_min ||
      view.key.size() > cancel_key_bytes_max) {
    return std::nullopt;
  }
  return view;
}

std::optional<NegotiateProtocolVersionView> read_negotiate_protocol_version(Bytes body) {
  WireReader reader(body);
  NegotiateProtocolVersionView view;
  view.newest = reader.u32();
  const std::uint32_t count = reader.u32();
  // The count is not trusted: each name costs at least a byte, and the first missing one ends the
  // loop.
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i) {
    view.unknown_extensions.push_back(reader.cstring());
  }
  if (!reader.at_end()) return std::nullopt;
  return view;
}

}  // namespace pgweir
