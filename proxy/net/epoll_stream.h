// A connected socket in an EpollLoop, and the shape in which it travels from one loop to another.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "proxy/net/fd.h"
#include "proxy/session/ports.h"

namespace pgweir {

class EpollLoop;

// A socket in no loop: just accepted, or on its way to another worker.
struct DetachedSocket final : Detached {
  DetachedSocket(Fd socket, bool is_tcp, bool is_tuned)
      : fd(std::move(socket)), tcp(is_tcp), tuned(is_tuned) {}
  Fd fd;
  bool tcp;
  bool tuned;  // its socket options have been set; they stay with it from then on
};

// One fd in level-triggered epoll. It holds no bytes: reading goes through the loop's scratch, and
// what the kernel does not take stays with the caller. Ten thousand idle clients own one each, so
// it is kept small.
//
// What epoll is asked to watch follows lazily: pausing costs nothing until bytes do arrive, and
// changes within a batch of events meet in one epoll_ctl at its end.
class EpollStream final : public Stream {
 public:
  EpollStream(EpollLoop& loop, int fd, Token token, bool tcp)
      : loop_(loop), token_(token), fd_(fd), tcp_(tcp) {}
  ~EpollStream() override;

  IoResult try_write(std::span<const iovec> parts) override;
  void pause_reading() override;
  void resume_reading() override;
  std::unique_ptr<Detached> detach() override;
  Endpoint local() const override;
  Endpoint remote() const override;

  Token token() const { return token_; }

 private:
  friend class EpollLoop;

  EpollLoop& loop_;
  Token token_;
  int fd_;
  std::uint8_t watched_ = 0;  // what the kernel has been told: Watched bits of epoll_loop.cpp
  bool tcp_ : 1;
  bool paused_ : 1 = false;
  bool wants_write_ : 1 = false;  // the last write was short; on_writable is owed
  bool closed_ : 1 = false;       // on_closed has been reported
  bool parked_ : 1 = false;  // paused, and the peer has hung up: out of epoll until reading resumes
  bool changed_ : 1 = false;  // in the loop's list of streams to bring up to date
};

static_assert(sizeof(EpollStream) <= 40);

}  // namespace pgweir
