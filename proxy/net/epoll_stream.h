// A connected socket in an EpollLoop.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "proxy/net/socket_stream.h"

namespace pgweir {

class EpollLoop;

// One fd in level-triggered epoll. It holds no bytes: reading goes through the loop's scratch, and
// what the kernel does not take stays with the caller, or, of a small send that was put off to the
// end of the batch, with the loop. Ten thousand idle clients own one each, so it is kept small.
//
// What epoll is asked to watch follows lazily: pausing costs nothing until bytes do arrive, and
// changes within a batch of events meet in one epoll_ctl at its end.
class EpollStream final : public SocketStream {
 public:
  EpollStream(EpollLoop& loop, int fd, Token token, bool tcp)
      : SocketStream(fd, token), loop_(loop), tcp_(tcp) {}
  ~EpollStream() override;

  IoResult send_raw(std::span<const iovec> parts) override;
  void pause_reading() override;
  void resume_reading() override;
  std::unique_ptr<Detached> detach() override;

 private:
  friend class EpollLoop;
  SocketLoop& owner_loop() const override;
  void ask_for_writable() override;

  EpollLoop& loop_;
  std::uint8_t watched_ = 0;  // what the kernel has been told: Watched bits of epoll_loop.cpp
  bool tcp_ : 1;
  bool paused_ : 1 = false;
  bool wants_write_ : 1 = false;  // epoll is to tell when the socket takes more
  bool owes_writable_ : 1 = false;  // the last write was short; on_writable is owed
  bool queued_ : 1 = false;       // a send of it waits for the end of the batch
  bool unsent_ : 1 = false;       // the loop keeps what such a send has left over: nothing is queued behind it
  bool closed_ : 1 = false;       // on_closed has been reported
  bool parked_ : 1 = false;  // paused, and the peer has hung up: out of epoll until reading resumes
  bool changed_ : 1 = false;  // in the loop's list of streams to bring up to date
};

static_assert(sizeof(EpollStream) <= 56);

}  // namespace pgweir
