// What the ini file says about sockets, and how it reaches the kernel.
#pragma once

#include <optional>

namespace pgweir {

// Values as in the settings of the same name; 0 leaves the kernel's default.
struct SocketOptions {
  bool tcp_keepalive = true;
  int tcp_keepcnt = 0;
  int tcp_keepidle = 0;       // seconds
  int tcp_keepintvl = 0;      // seconds
  int tcp_socket_buffer = 0;  // bytes, both directions
  int tcp_user_timeout = 0;   // milliseconds
  int tcp_defer_accept = 0;   // seconds; for listening sockets
};

// What an accepted socket has from the one that listened (Linux copies them): a call into the kernel less for each.
struct InheritedOptions {
  bool nodelay = false;
  std::optional<bool> keepalive = false;      // not known: any
  bool deaf = false;                          // perhaps: the listener may have ignored newcomers (listener.h)
};
// Those of a SO_REUSEPORT group are not known: the kernel passes on what waits for a listener that closes, perhaps of another process.
InheritedOptions inherited_options(int listening_fd);
// For a TCP socket before it listens: those that clients' sockets have as a rule.
void tune_listening(int fd, bool keepalive);

// For a connected or connecting TCP socket: also switches Nagle's algorithm off. A refusal by the
// kernel is not an error: the connection works without.
void tune_tcp(int fd, const SocketOptions& options, InheritedOptions inherited = {});

// For a listening TCP socket, also while it listens.
void defer_accept(int fd, int seconds);

}  // namespace pgweir
