#include "protocol/startup.h"

#include <algorithm>

#include "protocol/startup_options.h"
#include "protocol/wire.h"

namespace pgweir {
namespace {

bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

StartupPacket bad(StartupFlaw flaw) {
  StartupPacket packet;
  packet.flaw = flaw;
  return packet;
}

// Reads name and value pairs up to the empty name, which must be the packet's last byte.
bool read_parameters(WireReader& reader, StartupPacket& packet) {
  for (;;) {
    const std::string_view name = reader.cstring();
    if (!reader.ok()) return false;
    if (name.empty()) return reader.at_end();
    const std::string_view value = reader.cstring();
    if (!reader.ok()) return false;
    packet.parameters.emplace_back(name, value);
  }
}

StartupPacket parse_cancel(WireReader& reader) {
  StartupPacket packet;
  packet.kind = StartupKind::cancel_request;
  packet.cancel_pid = reader.u32();
  packet.cancel_key = reader.rest();
  const std::size_t size = packet.cancel_key.size();
  if (!reader.ok() || size < cancel_key_bytes_min || size > cancel_key_bytes_max) {
    return bad(StartupFlaw::bad_header);
  }
  return packet;
}

StartupPacket parse_bare(WireReader& reader, StartupKind kind) {
  if (!reader.at_end()) return bad(StartupFlaw::bad_header);
  StartupPacket packet;
  packet.kind = kind;
  return packet;
}

// Takes one word off the front of `text`, resolving backslashes; one at the very end stands for nothing.
std::string take_word(std::string_view& text) {
  std::string word;
  while (!text.empty() && !is_blank(text.front())) {
    if (text.front() == '\\') text.remove_prefix(1);
    if (text.empty()) break;
    word += text.front();
    text.remove_prefix(1);
  }
  return word;
}

void skip_blanks(std::string_view& text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
}

// Takes what `options` begins with, and the blanks behind it. False: it was no setting.
bool take_option(std::string_view& options, std::vector<std::pair<std::string, std::string>>& settings) {
  const bool short_form = options.starts_with("-c");
  const bool form = short_form || options.starts_with("--");
  if (form) options.remove_prefix(2);
  if (short_form) skip_blanks(options);
  const std::string word = take_word(options);
  skip_blanks(options);
  const std::size_t equals = word.find('=');
  if (!form || equals == std::string::npos || equals == 0) return false;
  std::string name = word.substr(0, equals);
  std::replace(name.begin(), name.end(), '-', '_');
  settings.emplace_back(std::move(name), word.substr(equals + 1));
  return true;
}

}  // namespace

std::string_view text_of(StartupFlaw flaw) {
  switch (flaw) {
    case StartupFlaw::none:
      return {};
    case StartupFlaw::bad_header:
      return "bad packet header";
    case StartupFlaw::bad_layout:
      return "invalid startup packet layout: expected terminator as last byte";
  }
  return {};
}

std::string header_hex(Bytes beginning) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  for (const std::byte byte : beginning.first(std::min(beginning.size(), startup_header_bytes))) {
    hex += digits[std::to_integer<unsigned>(byte) >> 4];
    hex += digits[std::to_integer<unsigned>(byte) & 15];
  }
  return hex;
}

std::optional<std::string_view> StartupPacket::parameter(std::string_view name) const {
  for (auto it = parameters.rbegin(); it != parameters.rend(); ++it) {
    if (it->first == name) return it->second;
  }
  return std::nullopt;
}

StartupSize startup_size(Bytes beginning) {
  using Verdict = StartupSize::Verdict;
  // The upper half of the length is zero, so that a typed message or a TLS record is noticed with
  // its first byte.
  for (std::size_t i = 0; i < std::min<std::size_t>(beginning.size(), 2); ++i) {
    if (beginning[i] != std::byte{0}) return {Verdict::bad, 0};
  }
  if (beginning.size() < 4) return {Verdict::unknown, 0};
  const std::size_t size = load_be32(beginning.data());
  if (size < startup_header_bytes) return {Verdict::bad, 0};
  return {Verdict::known, size};
}

StartupPacket parse_startup(Bytes packet) {
  const StartupSize size = startup_size(packet);
  if (size.verdict != StartupSize::Verdict::known || size.bytes != packet.size()) {
    return bad(StartupFlaw::bad_header);
  }
  WireReader reader(packet.subspan(4));
  const std::uint32_t code = reader.u32();
  if (code == cancel_request_code) return parse_cancel(reader);
  if (code == ssl_request_code) return parse_bare(reader, StartupKind::ssl_request);
  if (code == gssenc_request_code) return parse_bare(reader, StartupKind::gssenc_request);

  StartupPacket result;
  result.major = static_cast<std::uint16_t>(code >> 16);
  result.minor = static_cast<std::uint16_t>(code & 0xffff);
  if (result.major == 2) {
    result.kind = StartupKind::protocol_2;
  } else if (result.major != 3) {
    return bad(StartupFlaw::bad_header);
  } else if (read_parameters(reader, result)) {
    result.kind = StartupKind::startup;
  } else {
    return bad(StartupFlaw::bad_layout);
  }
  return result;
}

std::optional<std::vector<std::pair<std::string, std::string>>> parse_startup_options(
    std::string_view options) {
  std::vector<std::pair<std::string, std::string>> settings;
  for (skip_blanks(options); !options.empty();)
    if (!take_option(options, settings)) return std::nullopt;
  return settings;
}

std::vector<std::pair<std::string, std::string>> understood_startup_options(std::string_view options) {
  std::vector<std::pair<std::string, std::string>> settings;
  for (skip_blanks(options); !options.empty();) take_option(options, settings);
  return settings;
}

std::optional<Negotiation> negotiation_for(const StartupPacket& packet) {
  if (packet.kind != StartupKind::startup) return std::nullopt;
  Negotiation negotiation;
  for (const auto& [name, value] : packet.parameters) {
    if (is_protocol_extension(name)) negotiation.unknown_extensions.push_back(name);
  }
  const std::uint32_t asked = std::uint32_t{packet.major} << 16 | packet.minor;
  negotiation.newest = std::min(asked, protocol_3_2);
  if (asked <= protocol_3_2 && negotiation.unknown_extensions.empty()) return std::nullopt;
  return negotiation;
}

}  // namespace pgweir
