#include "proxy/net/loop_choice.h"

#include <sys/socket.h>

#include <cstring>

#include "proxy/net/epoll_loop.h"
#include "proxy/net/uring_loop.h"

namespace pgweir {
namespace {

// Whether a receive on this kernel stays armed and brings its own buffer: what the loop is built
// on, and older than none of the features that opening a ring asks for.
std::string probe() {
  Uring ring;
  if (std::string error = ring.open(); !error.empty()) return error;
  ring.start();
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) {
    return std::string("socketpair(): ") + std::strerror(errno);
  }
  const Fd ours(fds[0]), theirs(fds[1]);
  io_uring_sqe& entry = ring.entry();
  io_uring_prep_recv_multishot(&entry, ours.get(), nullptr, 0, 0);
  entry.flags |= IOSQE_BUFFER_SELECT;
  entry.buf_group = Uring::buffer_group;
  ring.submit_and_look();
  (void)!send(theirs.get(), "x", 1, MSG_NOSIGNAL);
  ring.submit_and_wait(1000);
  std::string error = "the receive brought nothing";
  ring.harvest([&](std::uint64_t, int res, std::uint32_t flags) {
    if (res < 0) error = std::string("recv: ") + std::strerror(-res);
    if (res == 1 && (flags & IORING_CQE_F_MORE)) error.clear();
  });
  return error;
}

}  // namespace

LoopKind choose_loop(std::string_view wanted, std::string& reason) {
  if (wanted == "epoll") return LoopKind::epoll;
  reason = probe();
  return reason.empty() ? LoopKind::io_uring : LoopKind::epoll;
}

const char* name_of(LoopKind kind) {
  return kind == LoopKind::io_uring ? "io_uring" : "epoll";
}

std::vector<std::unique_ptr<SocketLoop>> make_loops(LoopKind& kind, unsigned count, const SocketOptions& options,
                                                    std::string& reason) {
  std::vector<std::unique_ptr<Uring>> rings;
  while (kind == LoopKind::io_uring && rings.size() < count) {
    rings.push_back(std::make_unique<Uring>());
    reason = rings.back()->open();
    if (!reason.empty()) kind = LoopKind::epoll;
  }
  std::vector<std::unique_ptr<SocketLoop>> loops;
  for (unsigned number = 0; number < count; ++number) {
    if (kind == LoopKind::io_uring) {
      loops.push_back(std::make_unique<UringLoop>(std::move(rings[number]), options));
    } else {
      loops.push_back(std::make_unique<EpollLoop>(options));
    }
  }
  return loops;
}

}  // namespace pgweir
