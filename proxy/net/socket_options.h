// What the ini file says about sockets, and how it reaches the kernel.
#pragma once

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

// For a connected or connecting TCP socket: also switches Nagle's algorithm off. A refusal by the
// kernel is not an error: the connection works without.
void tune_tcp(int fd, const SocketOptions& options);

// For a listening TCP socket, also while it listens.
void defer_accept(int fd, int seconds);

}  // namespace pgweir
