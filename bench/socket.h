// Sockets and addresses for the generator, the null server and the relay.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace pgweir::bench {

// Owns one descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  std::string text;  // "127.0.0.1:5432" or "/tmp/.s.PGSQL.5432"

  int family() const { return storage.ss_family; }
  bool is_unix() const { return family() == AF_UNIX; }
  // On this machine for certain: a Unix socket or a loopback address.
  bool is_local() const;
  std::uint16_t port() const;  // 0 for a Unix socket
};

// "/path", "host:port", "[::1]:port". Names are resolved here, blocking. Throws std::runtime_error
// with a text for the user.
Address parse_address(std::string_view text);
Address tcp_address(const std::string& host, const std::string& port);
Address unix_address(const std::string& path);

// A non-blocking socket that is connecting or connected; -1 with errno set when it failed at once.
// EAGAIN: the Unix socket's backlog is full. `pending` tells whether the connect is still under
// way.
int start_connect(const Address& to, bool& pending);
// A non-blocking listening socket. A Unix socket's file is replaced. `share_port` sets
// SO_REUSEPORT. Throws std::runtime_error.
Fd listen_on(const Address& at, bool share_port);
// The next accepted connection, non-blocking and without delay; -1: none.
int accept_next(int listener);

// Adds to, changes in or removes from an epoll set; errors abort, for they are bugs of ours.
void epoll_add(int epoll, int fd, std::uint32_t events, void* token);
void epoll_change(int epoll, int fd, std::uint32_t events, void* token);

// Raises RLIMIT_NOFILE to at least `wanted` if the hard limit allows it, or root may raise that.
// Returns the limit now in force.
std::size_t raise_file_limit(std::size_t wanted);

}  // namespace pgweir::bench
