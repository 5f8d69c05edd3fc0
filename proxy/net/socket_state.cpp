#include "proxy/net/socket_state.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>

namespace pgweir {

bool has_unread(int fd) {
  int count = 0;
  return ioctl(fd, FIONREAD, &count) == 0 && count > 0;
}

int pending_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

}  // namespace pgweir
