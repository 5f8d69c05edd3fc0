// What a client says before messages have types: StartupMessage, SSLRequest, GSSENCRequest,
// CancelRequest. Source: PostgreSQL documentation, "Message Formats"; limits as PgBouncer has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/bytes.h"

namespace pgweir {

inline constexpr std::size_t startup_header_bytes = 8;  // length and request code
inline constexpr std::size_t startup_bytes_max = 65'535;
inline constexpr std::size_t cancel_key_bytes_min = 4;
inline constexpr std::size_t cancel_key_bytes_max = 256;  // protocol 3.2; 4 before
inline constexpr std::uint32_t protocol_3_0 = 196'608;
inline constexpr std::uint32_t protocol_3_2 = 196'610;
inline constexpr std::uint32_t ssl_request_code = 80'877'103;
inline constexpr std::uint32_t gssenc_request_code = 80'877'104;
inline constexpr std::uint32_t cancel_request_code = 80'877'102;

enum class StartupKind : std::uint8_t {
  bad,      // see StartupPacket::flaw
  startup,  // StartupMessage of protocol 3.x
  ssl_request,
  gssenc_request,
  cancel_request,
  protocol_2,  // a StartupMessage of protocol 2; nothing of it is read
};

enum class StartupFlaw : std::uint8_t {
  none,
  bad_header,  // length out of bounds, unknown request code, major version above 3
  bad_layout,  // the parameters do not end in the terminator
};

// What a client is told about a flaw; for bad_header the caller appends `: 'hex of the header'`, as
// PgBouncer does.
std::string_view text_of(StartupFlaw flaw);
// The first bytes of a packet in lower-case hex, for `bad packet header: '...'`. At most
// startup_header_bytes.
std::string header_hex(Bytes beginning);

// Views point into the parsed packet.
struct StartupPacket {
  StartupKind kind = StartupKind::bad;
  StartupFlaw flaw = StartupFlaw::none;
  std::uint16_t major = 0;
  std::uint16_t minor = 0;
  std::vector<std::pair<std::string_view, std::string_view>>
      parameters;  // in the client's order, duplicates kept
  std::uint32_t cancel_pid = 0;
  Bytes cancel_key;  // 4 to 256 bytes

  // The last value given for `name`, as PostgreSQL does; nothing when it was not given.
  std::optional<std::string_view> parameter(std::string_view name) const;
};

// How many bytes the packet has that begins with `beginning` (any number of bytes, also none).
struct StartupSize {
  enum class Verdict : std::uint8_t {
    unknown,  // fewer bytes than the verdict needs; no flaw so far
    known,    // `bytes` is the size of the whole packet, its length field included
    bad,      // no packet begins like this
  };
  Verdict verdict = Verdict::unknown;
  std::size_t bytes = 0;
};
// `unknown` ends with the eighth byte at the latest; a bad length is noticed with the fourth.
StartupSize startup_size(Bytes beginning);

// Reads one packet; `packet` is exactly as long as startup_size said, or the result is bad.
StartupPacket parse_startup(Bytes packet);

// Reads the value of the startup parameter `options`: `-c name=value`, `-cname=value`,
// `--name=value`, a backslash taking the next character (also a blank) literally. `-` in a name
// stands for `_`, as in PostgreSQL. Nothing when anything else is found.
std::optional<std::vector<std::pair<std::string, std::string>>> parse_startup_options(
    std::string_view options);
inline constexpr std::string_view bad_startup_options_text =
    "unsupported options startup parameter: only '-c config=val' and '--config=val' are allowed";

// Whether a parameter asks for a protocol extension; such ones are never settings.
inline bool is_protocol_extension(std::string_view name) {
  return name.starts_with("_pq_.");
}

// What NegotiateProtocolVersion has to say; present if it must be sent: the client asked for a
// minor version above 2, or for protocol extensions, none of which are known. Views point into the
// packet.
struct Negotiation {
  std::uint32_t newest = protocol_3_0;   // what is spoken: at most what was asked for
  std::vector<std::string_view> unknown_extensions;
};
std::optional<Negotiation> negotiation_for(const StartupPacket& packet);

}  // namespace pgweir
