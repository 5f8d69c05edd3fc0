#include "proxy/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <spdlog/fmt/fmt.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace pgweir {
namespace {

constexpr std::size_t path_at = offsetof(sockaddr_un, sun_path);

std::string unix_path(const SocketAddress& address) {
  if (address.length <= path_at) return {};
  const auto& un = reinterpret_cast<const sockaddr_un&>(address.storage);
  const std::size_t size = address.length - path_at;
  if (un.sun_path[0] == '\0') return "@" + std::string(un.sun_path + 1, size - 1);
  return std::string(un.sun_path, strnlen(un.sun_path, size));
}

// The port is the last part of a PostgreSQL socket's name; other names have none.
std::uint16_t port_of_path(const std::string& path) {
  const auto at = path.rfind(".s.PGSQL.");
  if (at == std::string::npos) return 0;
  return static_cast<std::uint16_t>(std::strtoul(path.c_str() + at + 9, nullptr, 10));
}

void add_peer_credentials(int fd, Endpoint& end) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0) return;
  end.peer_pid = static_cast<std::uint32_t>(peer.pid);
  end.peer_uid = peer.uid;
}

}  // namespace

std::optional<SocketAddress> numeric_address(const std::string& host, std::uint16_t port) {
  SocketAddress address;
  auto& in = reinterpret_cast<sockaddr_in&>(address.storage);
  auto& in6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (inet_pton(AF_INET, host.c_str(), &in.sin_addr) == 1) {
    address.storage.ss_family = AF_INET;
    address.length = sizeof in;
  } else if (inet_pton(AF_INET6, host.c_str(), &in6.sin6_addr) == 1) {
    address.storage.ss_family = AF_INET6;
    address.length = sizeof in6;
  } else {
    return std::nullopt;
  }
  set_port(address, port);
  return address;
}

std::optional<SocketAddress> unix_address(const std::string& path) {
  SocketAddress address;
  auto& un = reinterpret_cast<sockaddr_un&>(address.storage);
  if (path.empty() || path.size() >= sizeof un.sun_path) return std::nullopt;
  address.storage.ss_family = AF_UNIX;
  std::memcpy(un.sun_path, path.data(), path.size());
  const bool abstract = path[0] == '@';
  if (abstract) un.sun_path[0] = '\0';
  // An abstract name is as long as the address says; a name in the file system ends with a zero.
  address.length = static_cast<socklen_t>(path_at + path.size() + (abstract ? 0 : 1));
  return address;
}

std::string unix_socket_path(const std::string& dir, std::uint16_t port) {
  return fmt::format("{}/.s.PGSQL.{}", dir, port);
}

void set_port(SocketAddress& address, std::uint16_t port) {
  if (address.family() == AF_INET) {
    reinterpret_cast<sockaddr_in&>(address.storage).sin_port = htons(port);
  } else if (address.family() == AF_INET6) {
    reinterpret_cast<sockaddr_in6&>(address.storage).sin6_port = htons(port);
  }
}

std::string to_text(const SocketAddress& address) {
  const Endpoint end = endpoint_of(address);
  switch (end.family) {
    case Endpoint::Family::inet:
      return fmt::format("{}:{}", end.address, end.port);
    case Endpoint::Family::inet6:
      return fmt::format("[{}]:{}", end.address, end.port);
    case Endpoint::Family::unix_socket:
      return "unix:" + end.address;
    case Endpoint::Family::none:
      break;
  }
  return "unknown";
}

Endpoint endpoint_of(const SocketAddress& address) {
  Endpoint end;
  char text[INET6_ADDRSTRLEN] = "";
  if (address.family() == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address.storage);
    end.family = Endpoint::Family::inet;
    end.port = ntohs(in.sin_port);
    // Once for each client that comes, and inet_ntop() takes printf's time for it.
    const auto* parts = reinterpret_cast<const unsigned char*>(&in.sin_addr);
    end.address = fmt::format("{}.{}.{}.{}", parts[0], parts[1], parts[2], parts[3]);
  } else if (address.family() == AF_INET6) {
    const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address.storage);
    end.family = Endpoint::Family::inet6;
    end.port = ntohs(in6.sin6_port);
    end.address = inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text);
  } else if (address.family() == AF_UNIX) {
    end.family = Endpoint::Family::unix_socket;
    end.address = unix_path(address);
    end.port = port_of_path(end.address);
  }
  return end;
}

Endpoint local_endpoint(int fd) {
  SocketAddress address;
  address.length = sizeof address.storage;
  if (getsockname(fd, address.raw(), &address.length) != 0) return {};
  return endpoint_of(address);
}

Endpoint remote_endpoint(int fd) {
  SocketAddress address;
  address.length = sizeof address.storage;
  Endpoint end;
  if (getpeername(fd, address.raw(), &address.length) == 0) {
    end = endpoint_of(address);
  } else {
    end.family = local_endpoint(fd).family;
  }
  if (end.family != Endpoint::Family::unix_socket) return end;
  if (end.address.empty()) {
    const Endpoint ours = local_endpoint(fd);
    end.address = ours.address;
    end.port = ours.port;
  }
  add_peer_credentials(fd, end);
  return end;
}

}  // namespace pgweir
