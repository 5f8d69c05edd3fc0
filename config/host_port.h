// `host:port`, as metrics_listen has it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgweir {

struct HostPort {
  std::string host;  // a name or an address without brackets; "*": all addresses
  std::uint16_t port = 0;
  bool operator==(const HostPort&) const = default;
};

// `127.0.0.1:9127`, `[::1]:9127`, `name:9127`, `*:9127`; `:9127` is all addresses. Nothing when it is none of these.
std::optional<HostPort> read_host_port(std::string_view text);

}  // namespace pgweir
