#include "proxy/net/socket_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace pgweir {
namespace {

void set(int fd, int level, int name, int value) {
  (void)setsockopt(fd, level, name, &value, sizeof value);
}

void set_if(int fd, int level, int name, int value) {
  if (value > 0) set(fd, level, name, value);
}

// A listener that ignores newcomers (listener.cpp) leaves that to those who were half way in.
void hear_everybody(int fd) {
  set(fd, IPPROTO_IP, IP_MINTTL, 0);
  set(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, 0);
}

bool is_on(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, level, name, &value, &size) == 0 && value != 0;
}

}  // namespace

void tune_listening(int fd, bool keepalive) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, keepalive);
}

InheritedOptions inherited_options(int listening_fd) {
  if (is_on(listening_fd, SOL_SOCKET, SO_REUSEPORT)) return {false, std::nullopt, true};
  return {is_on(listening_fd, IPPROTO_TCP, TCP_NODELAY), is_on(listening_fd, SOL_SOCKET, SO_KEEPALIVE), false};
}

void tune_tcp(int fd, const SocketOptions& options, InheritedOptions inherited) {
  if (!inherited.nodelay) set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (inherited.keepalive != options.tcp_keepalive) set(fd, SOL_SOCKET, SO_KEEPALIVE, options.tcp_keepalive);
  if (options.tcp_keepalive) {
    set_if(fd, IPPROTO_TCP, TCP_KEEPCNT, options.tcp_keepcnt);
    set_if(fd, IPPROTO_TCP, TCP_KEEPIDLE, options.tcp_keepidle);
    set_if(fd, IPPROTO_TCP, TCP_KEEPINTVL, options.tcp_keepintvl);
  }
  set_if(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, options.tcp_user_timeout);
  set_if(fd, SOL_SOCKET, SO_SNDBUF, options.tcp_socket_buffer);
  set_if(fd, SOL_SOCKET, SO_RCVBUF, options.tcp_socket_buffer);
  if (inherited.deaf) hear_everybody(fd);
}

void defer_accept(int fd, int seconds) {
  set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, seconds);
}

}  // namespace pgweir
