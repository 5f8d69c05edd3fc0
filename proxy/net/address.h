// Socket addresses: made from text, and turned into what people and the console's tables read.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

#include "proxy/session/ports.h"

namespace pgweir {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  int family() const { return storage.ss_family; }
  bool is_tcp() const { return family() == AF_INET || family() == AF_INET6; }
  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* raw() { return reinterpret_cast<sockaddr*>(&storage); }
};

// Nothing when `host` is not an IPv4 or IPv6 address in digits.
std::optional<SocketAddress> numeric_address(const std::string& host, std::uint16_t port);

// `path` beginning with '@' is in the abstract namespace. Nothing when it is longer than the system
// allows.
std::optional<SocketAddress> unix_address(const std::string& path);

// Where libpq and PostgreSQL agree to meet: DIR/.s.PGSQL.PORT.
std::string unix_socket_path(const std::string& dir, std::uint16_t port);

void set_port(SocketAddress& address, std::uint16_t port);

// As in PgBouncer's log: `127.0.0.1:6432`, `[::1]:6432`, `unix:/tmp/.s.PGSQL.6432`.
std::string to_text(const SocketAddress& address);

// For display, and for comparing with the ends below.
Endpoint endpoint_of(const SocketAddress& address);

// The two ends of a socket. A peer that has gone already (getpeername says ENOTCONN) leaves
// `address` empty. A peer on a unix socket without a name of its own is shown under the name of our
// end.
Endpoint local_endpoint(int fd);
Endpoint remote_endpoint(int fd);

}  // namespace pgweir
