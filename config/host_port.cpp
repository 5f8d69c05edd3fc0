#include "config/host_port.h"

#include <charconv>

namespace pgweir {

std::optional<HostPort> read_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  HostPort result;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), result.port);
  if (error != std::errc{} || end != digits.data() + digits.size() || result.port == 0) return std::nullopt;
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  // Without brackets nobody could say where an IPv6 address ends.
  if (!bracketed && host.find(':') != std::string_view::npos) return std::nullopt;
  if (host.find_first_of(" \t/[]@") != std::string_view::npos) return std::nullopt;
  result.host = host.empty() ? "*" : std::string(host);
  return result;
}

}  // namespace pgweir
