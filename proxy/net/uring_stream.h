// A connected socket in a UringLoop.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "proxy/net/socket_stream.h"

namespace pgweir {

class UringLoop;

// One fd with a receive that stays armed. What the kernel hands over while the session has paused
// is parked here, in order; the receive is then cancelled, so that it is little.
class UringStream final : public SocketStream {
 public:
  UringStream(UringLoop& loop, int fd, Token token, bool tcp, std::uint32_t slot)
      : SocketStream(fd, token), loop_(loop), slot_(slot), tcp_(tcp) {}
  ~UringStream() override;

  IoResult send_raw(std::span<const iovec> parts) override;
  void pause_reading() override { paused_ = true; }
  void resume_reading() override;
  std::unique_ptr<Detached> detach() override;

 private:
  friend class UringLoop;
  struct Parked {
    std::string bytes;
    std::size_t seen = 0;  // reported already
    int end_error = 0;     // with ended_: what on_closed will say after the last byte
  };

  SocketLoop& owner_loop() const override;
  void ask_for_writable() override;
  // Sends what is left of a queued send. False: something is still left, or the socket has failed.
  bool flush_unsent();
  bool wants_bytes() const { return !closed_ && !ended_ && !(paused_ && parked_); }
  void park(Bytes bytes);

  UringLoop& loop_;
  std::uint32_t slot_;  // its place in the loop's table
  bool tcp_ : 1;
  bool paused_ : 1 = false;
  bool wants_write_ : 1 = false;  // the socket is to tell when it takes more
  bool owes_writable_ : 1 = false;  // the last write was short; on_writable is owed
  bool broken_ : 1 = false;       // a queued send has failed
  bool ended_ : 1 = false;        // the kernel has said that nothing more will come
  bool closed_ : 1 = false;       // on_closed has been reported
  std::unique_ptr<Parked> parked_;
  // What a queued send could not send: the session takes it for sent. Nothing is queued behind it.
  std::unique_ptr<std::string> unsent_;
};

static_assert(sizeof(UringStream) <= 72);

}  // namespace pgweir
