#include "proxy/net/parcel_channel.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "protocol/bytes.h"

namespace pgweir {
namespace {

constexpr std::size_t head_bytes = 6;

}  // namespace

ParcelChannel::ParcelChannel(Fd socket) : socket_(std::move(socket)) {
  fcntl(socket_.get(), F_SETFL, fcntl(socket_.get(), F_GETFL) & ~O_NONBLOCK);
}

bool ParcelChannel::send(char kind, std::string_view body, std::span<const int> fds) {
  if (fds.size() > fds_max || body.size() > body_max) return false;
  std::string head(head_bytes, '\0');
  head[0] = kind;
  head[1] = static_cast<char>(fds.size());
  store_be32(reinterpret_cast<std::byte*>(head.data() + 2), static_cast<std::uint32_t>(body.size()));
  return send_all(head, fds) && send_all(body, {});
}

bool ParcelChannel::send_all(std::string_view bytes, std::span<const int> fds) {
  while (!bytes.empty()) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * fds_max)] = {};
    if (!fds.empty()) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(fds.size_bytes());
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(fds.size_bytes());
      std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
    }
    const ssize_t sent = sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
    fds = {};
  }
  return true;
}

std::optional<Parcel> ParcelChannel::receive() {
  char head[head_bytes];
  Parcel parcel;
  if (!receive_all(head, sizeof head, &parcel.fds)) return std::nullopt;
  parcel.kind = head[0];
  const std::size_t size = load_be32(reinterpret_cast<const std::byte*>(head + 2));
  if (size > body_max || parcel.fds.size() != static_cast<unsigned char>(head[1])) return std::nullopt;
  parcel.body.resize(size);
  if (!receive_all(parcel.body.data(), size, nullptr)) return std::nullopt;
  return parcel;
}

// Descriptors come with the head's first byte; a read that begins there ends before the next ones.
bool ParcelChannel::receive_all(char* to, std::size_t count, std::vector<Fd>* fds) {
  while (count > 0) {
    iovec part{to, count};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * fds_max)];
    if (fds) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
    }
    const ssize_t got = recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    for (cmsghdr* header = fds ? CMSG_FIRSTHDR(&message) : nullptr; header; header = CMSG_NXTHDR(&message, header)) {
      if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
      for (std::size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= header->cmsg_len; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
        fds->emplace_back(fd);
      }
    }
    to += got;
    count -= static_cast<std::size_t>(got);
  }
  return true;
}

void ParcelChannel::shut_down() { shutdown(socket_.get(), SHUT_RDWR); }

}  // namespace pgweir
