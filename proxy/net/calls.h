// recv() and send() as bare system calls. The library's are points at which a thread may be cancelled, and say so with two
// locked instructions each once there are threads; nothing here is ever cancelled.
#pragma once

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

namespace pgweir {

// As recv(2) and send(2) with MSG_DONTWAIT: -1 with errno, or how many bytes.
inline ssize_t receive_now(int fd, void* to, std::size_t size) {
  return syscall(SYS_recvfrom, fd, to, size, MSG_DONTWAIT, nullptr, nullptr);
}
inline ssize_t send_now(int fd, const void* from, std::size_t size) {
  return syscall(SYS_sendto, fd, from, size, MSG_NOSIGNAL | MSG_DONTWAIT, nullptr, 0);
}

}  // namespace pgweir
