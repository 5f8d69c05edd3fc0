#include "proxy/net/send.h"

#include <algorithm>
#include <cerrno>

#include "proxy/net/calls.h"

namespace pgweir {
namespace {

std::size_t total(std::span<const iovec> parts) {
  std::size_t sum = 0;
  for (const iovec& part : parts) sum += part.iov_len;
  return sum;
}

ssize_t send_parts(int fd, std::span<const iovec> parts) {
  if (parts.size() == 1) return send_now(fd, parts[0].iov_base, parts[0].iov_len);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// The system takes no more than IOV_MAX parts in one call; the rest counts as not taken.
constexpr std::size_t parts_max = 1024;

}  // namespace

IoResult send_at_once(int fd, std::span<const iovec> parts, LoopCounters& counters,
                      bool& took_all) {
  took_all = true;
  const std::size_t wanted = total(parts);
  if (wanted == 0) return {};
  ssize_t sent;
  do {
    ++counters.sends;
    sent = send_parts(fd, parts.first(std::min(parts.size(), parts_max)));
  } while (sent < 0 && errno == EINTR);

  if (sent < 0 && errno != EAGAIN && errno != ENOBUFS) {
    return {IoResult::Status::failed, 0, errno};
  }
  const std::size_t wrote = sent < 0 ? 0 : static_cast<std::size_t>(sent);
  if (wrote == wanted) return {IoResult::Status::ok, wrote, 0};
  ++counters.short_writes;
  took_all = false;
  return {sent < 0 ? IoResult::Status::would_block : IoResult::Status::ok, wrote, 0};
}

}  // namespace pgweir
