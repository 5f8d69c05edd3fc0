// What is known of every message type before it is read: its name, how much of it must be seen at once, its largest
// legal length. Source: PostgreSQL documentation, "Message Formats".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace pgweir {

// Who speaks.
enum class Direction : std::uint8_t { from_client, from_server };

// How much of a message its reader wants in one piece.
enum class Handling : std::uint8_t {
  unknown,   // no such message in this direction
  pass,      // only the header is looked at
  lead,      // the first `lead_bytes` (or all, when it is shorter) arrive in one piece, the rest passes
  whole,     // arrives in one piece or not at all
};

// Longer than any identifier PostgreSQL keeps (63 bytes), so that a portal's and a statement's name always fit.
inline constexpr std::size_t lead_bytes = 2048;
inline constexpr std::size_t header_bytes = 5;      // type byte and length
inline constexpr std::uint32_t any_length = 0x7fffffff;

struct TagInfo {
  const char* name = nullptr;
  Handling handling = Handling::unknown;
  std::uint32_t length_max = 0;                     // of the length field, which counts itself but not the type byte
};

namespace detail {
using TagTable = std::array<TagInfo, 256>;

constexpr TagTable client_tags() {
  TagTable t{};
  t['Q'] = {"Query", Handling::lead, any_length};
  t['P'] = {"Parse", Handling::lead, any_length};
  t['B'] = {"Bind", Handling::lead, any_length};
  t['D'] = {"Describe", Handling::lead, any_length};
  t['E'] = {"Execute", Handling::lead, any_length};
  t['C'] = {"Close", Handling::lead, any_length};
  t['S'] = {"Sync", Handling::whole, 4};
  t['H'] = {"Flush", Handling::whole, 4};
  t['F'] = {"FunctionCall", Handling::pass, any_length};
  t['d'] = {"CopyData", Handling::pass, any_length};
  t['c'] = {"CopyDone", Handling::whole, 4};
  t['f'] = {"CopyFail", Handling::pass, any_length};
  t['X'] = {"Terminate", Handling::whole, 4};
  // Password, SASLInitialResponse and SASLResponse share the letter. 65530 bytes of password must pass.
  t['p'] = {"PasswordMessage", Handling::whole, 70'000};
  return t;
}

constexpr TagTable server_tags() {
  TagTable t{};
  t['1'] = {"ParseComplete", Handling::whole, 4};
  t['2'] = {"BindComplete", Handling::whole, 4};
  t['3'] = {"CloseComplete", Handling::whole, 4};
  t['A'] = {"NotificationResponse", Handling::lead, any_length};
  t['C'] = {"CommandComplete", Handling::lead, any_length};
  t['d'] = {"CopyData", Handling::pass, any_length};
  t['c'] = {"CopyDone", Handling::whole, 4};
  t['D'] = {"DataRow", Handling::pass, any_length};
  t['E'] = {"ErrorResponse", Handling::lead, any_length};
  t['G'] = {"CopyInResponse", Handling::pass, any_length};
  t['H'] = {"CopyOutResponse", Handling::pass, any_length};
  t['W'] = {"CopyBothResponse", Handling::pass, any_length};
  t['I'] = {"EmptyQueryResponse", Handling::whole, 4};
  t['K'] = {"BackendKeyData", Handling::whole, 512};
  t['n'] = {"NoData", Handling::whole, 4};
  t['N'] = {"NoticeResponse", Handling::lead, any_length};
  t['R'] = {"Authentication", Handling::whole, 65'536};
  t['s'] = {"PortalSuspended", Handling::whole, 4};
  t['S'] = {"ParameterStatus", Handling::whole, 1 << 20};
  t['t'] = {"ParameterDescription", Handling::pass, any_length};
  t['T'] = {"RowDescription", Handling::pass, any_length};
  t['v'] = {"NegotiateProtocolVersion", Handling::whole, 65'536};
  t['V'] = {"FunctionCallResponse", Handling::pass, any_length};
  t['Z'] = {"ReadyForQuery", Handling::whole, 5};
  return t;
}
}  // namespace detail

inline constexpr detail::TagTable client_tags = detail::client_tags();
inline constexpr detail::TagTable server_tags = detail::server_tags();

inline const TagInfo& tag_info(Direction direction, char tag) {
  const auto& table = direction == Direction::from_client ? client_tags : server_tags;
  return table[static_cast<unsigned char>(tag)];
}

}  // namespace pgweir
