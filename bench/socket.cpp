#include "bench/socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/fmt/fmt.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace pgweir::bench {
namespace {

constexpr int backlog = 4096;

void without_delay(int fd, int family) {
  if (family == AF_UNIX) return;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(fmt::format("{}: {}", what, std::strerror(errno)));
}

void epoll_must(int epoll, int operation, int fd, std::uint32_t events, void* token) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = token;
  if (epoll_ctl(epoll, operation, fd, &event) != 0) {
    std::perror("epoll_ctl");
    std::abort();
  }
}

}  // namespace

void Fd::reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

bool Address::is_local() const {
  if (is_unix()) return true;
  if (family() == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(storage);
    return (ntohl(in.sin_addr.s_addr) >> 24) == 127;
  }
  const auto& in6 = reinterpret_cast<const sockaddr_in6&>(storage);
  return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
}

std::uint16_t Address::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
  return 0;
}

Address unix_address(const std::string& path) {
  Address address;
  auto& un = reinterpret_cast<sockaddr_un&>(address.storage);
  if (path.size() >= sizeof un.sun_path)
    throw std::runtime_error(fmt::format("the socket path '{}' is too long", path));
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, path.c_str(), path.size() + 1);
  address.size = sizeof un;
  address.text = path;
  return address;
}

Address tcp_address(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int rc = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (rc != 0) throw std::runtime_error(fmt::format("'{}:{}': {}", host, port, gai_strerror(rc)));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(found, &freeaddrinfo);
  Address address;
  std::memcpy(&address.storage, list->ai_addr, list->ai_addrlen);
  address.size = list->ai_addrlen;
  address.text = host.find(':') == std::string::npos ? host + ":" + port : "[" + host + "]:" + port;
  return address;
}

Address parse_address(std::string_view text) {
  if (text.starts_with('/')) return unix_address(std::string(text));
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos)
    throw std::runtime_error(fmt::format("'{}' is neither host:port nor a /path", text));
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return tcp_address(std::string(host), std::string(text.substr(colon + 1)));
}

int start_connect(const Address& to, bool& pending) {
  pending = false;
  const int fd = socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  without_delay(fd, to.family());
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to.storage), to.size) == 0) return fd;
  if (errno == EINPROGRESS) {
    pending = true;
    return fd;
  }
  const int reason = errno;
  close(fd);
  errno = reason;
  return -1;
}

Fd listen_on(const Address& at, bool share_port) {
  Fd fd(socket(at.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) fail("socket");
  const int on = 1;
  if (at.is_unix()) {
    unlink(at.text.c_str());
  } else {
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (share_port) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  }
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&at.storage), at.size) != 0)
    fail("cannot listen on " + at.text);
  if (listen(fd.get(), backlog) != 0) fail("cannot listen on " + at.text);
  return fd;
}

int accept_next(int listener) {
  sockaddr_storage peer;
  socklen_t size = sizeof peer;
  const int fd =
      accept4(listener, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) without_delay(fd, peer.ss_family);
  return fd;
}

void epoll_add(int epoll, int fd, std::uint32_t events, void* token) {
  epoll_must(epoll, EPOLL_CTL_ADD, fd, events, token);
}

void epoll_change(int epoll, int fd, std::uint32_t events, void* token) {
  epoll_must(epoll, EPOLL_CTL_MOD, fd, events, token);
}

std::size_t raise_file_limit(std::size_t wanted) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return limit.rlim_cur;
  const rlimit larger{wanted, limit.rlim_max < wanted ? wanted : limit.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &larger) == 0) return wanted;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace pgweir::bench
