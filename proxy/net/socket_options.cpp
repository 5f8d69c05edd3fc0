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

}  // namespace

void tune_tcp(int fd, const SocketOptions& options) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.tcp_keepalive) {
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_if(fd, IPPROTO_TCP, TCP_KEEPCNT, options.tcp_keepcnt);
    set_if(fd, IPPROTO_TCP, TCP_KEEPIDLE, options.tcp_keepidle);
    set_if(fd, IPPROTO_TCP, TCP_KEEPINTVL, options.tcp_keepintvl);
  }
  set_if(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, options.tcp_user_timeout);
  set_if(fd, SOL_SOCKET, SO_SNDBUF, options.tcp_socket_buffer);
  set_if(fd, SOL_SOCKET, SO_RCVBUF, options.tcp_socket_buffer);
  hear_everybody(fd);
}

void defer_accept(int fd, int seconds) {
  set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, seconds);
}

}  // namespace pgweir
