// The loop of one worker on io_uring: receives stay armed, one system call submits and waits for a
// batch. See the room's README for the reasons and docs/performance.md for the costs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/net/send_blocks.h"
#include "proxy/net/socket_loop.h"
#include "proxy/net/uring.h"
#include "proxy/net/uring_stream.h"
#include "proxy/net/yield.h"

namespace pgweir {

// What the kernel may still say about a socket outlives the stream: it concerns a slot, and a slot
// is used anew only after the kernel's last word on it. So a late completion meets an empty slot,
// never a dead stream.
class UringLoop final : public SocketLoop {
 public:
  // `ring` has been opened; it starts on the thread of the first turn.
  UringLoop(std::unique_ptr<Uring> ring, const SocketOptions& options);
  ~UringLoop() override;

  std::unique_ptr<Stream> adopt(std::unique_ptr<Detached> socket, Token token) override;
  void turn(Duration longest_wait) override;
  void send_what_is_queued() override;
  bool watch(int fd, std::uint32_t events, Watch& watch) override;
  void unwatch(int fd, Watch& watch) override;

 private:
  friend class UringStream;
  // What the kernel has been asked to do for a slot. Each is at most once under way.
  enum Work : std::uint8_t { receiving = 1, polling = 2, sending = 4, listening = 8 };
  struct Slot {
    UringStream* stream = nullptr;  // one of them, or none: the owner is gone
    Watch* watch = nullptr;
    int fd = -1;
    std::uint32_t events = 0;  // the watch's
    std::uint8_t under_way = 0;
    std::uint8_t cancelling = 0;
    std::uint8_t sends = 0;  // so far, up to those after which its socket gets known
    bool known = false;      // to the ring, by the slot's number
    std::unique_ptr<std::string> left;  // what a stream that is gone has not sent yet: with it the fd stays open
    std::uint16_t block = 0;       // with sending: where its bytes lie
    std::uint16_t block_size = 0;  // and how many they are
    bool closes_fd = false;  // the stream has been destroyed: its fd is closed with the last word
    bool changed = false;    // in changed_
    bool held = false;       // in bulk: bytes came while paused, and are in the socket still
    // Not 0: much comes, so that it is read as by epoll, one buffer at a time, instead of by a receive that stays armed;
    // so many small receives more and that is over.
    std::uint8_t bulk = 0;
  };
  struct KeptSince {
    std::uint32_t slot;
    TimePoint since;
  };
  struct Completion {
    std::uint64_t key;
    int res;
    std::uint32_t flags;
  };

  static constexpr std::uint64_t nobody = ~std::uint64_t{0};  // key of what interests nobody
  static std::uint64_t key_of(std::uint32_t slot, std::uint8_t work) {
    return std::uint64_t{slot} << 8 | work;
  }

  // Has what the completion at this place of the batch needs brought nearer. It pays here, where no system call comes
  // between two events and takes the caches for itself; on epoll nothing was found.
  void expect(std::size_t place) const;
  void harvest();
  void let_others_run();
  void dispatch(const Completion& completion);
  // Copies the parts and sends them with the next wait. Returns how many bytes; 0: they are not fit for it.
  std::size_t queue_send(UringStream& stream, std::span<const iovec> parts);
  // Whether the ring knows the slot's socket by its number. Who sends often is made known: that is a system call, so
  // that it must pay first.
  bool gets_known(std::uint32_t number);
  // Must precede the end of the loop's part in the socket: the ring keeps open what it knows.
  void forget_file(std::uint32_t number);
  // Makes the send that is queued happen now, and sees to its result.
  void finish_send(std::uint32_t number);
  void sent(std::uint32_t number, int res);
  // Sends more of what a stream that is gone has left.
  void send_left(std::uint32_t number);
  // Of a slot whose stream is gone: its fd stays open until they have been sent, or for a time.
  void keep_left(std::uint32_t number, std::unique_ptr<std::string> bytes);
  bool drop_left(TimePoint then) override;
  void received(std::uint32_t number, const Completion& completion);
  // In bulk: there is something to be read, or the peer has gone.
  void readable(std::uint32_t number, int res);
  void receive(std::uint32_t number);
  void polled(std::uint32_t number, int res);
  void stream_ended(std::uint32_t number, int error);
  void end_stream(SocketStream& stream, int error) override;
  void close_stream(std::uint32_t number, int error);
  void deliver_parked();
  void deliver_parked(std::uint32_t number);

  std::uint32_t take_slot(int fd);
  void slot_changed(std::uint32_t number);
  void apply_changes();
  void apply_what_has_changed();
  void bring_up_to_date(std::uint32_t number);
  void ask(std::uint32_t number, Work work);
  void cancel(std::uint32_t number, Work work);
  void forget_stream(UringStream& stream);
  // Ends the receive under way; returns all bytes the kernel has handed over and nobody has seen.
  std::string release_stream(UringStream& stream);

  std::unique_ptr<Uring> ring_;
  SendBlocks send_blocks_;
  std::unique_ptr<std::byte[]> scratch_;  // what is read in bulk; made for the first of it
  bool closes_wait_ = false;            // slots that would be closed but for a send that is queued
  bool over_ = false;                   // the loop's thread has gone: what is written now is sent at once
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_, changed_, resumed_;
  std::vector<std::uint32_t> watched_;  // slots with a watch: few
  std::vector<KeptSince> left_;         // slots with something left, in the order of their time: few
  std::vector<Completion>
      batch_;  // of this turn; it grows when a detaching stream looks for its last bytes
  std::size_t batch_at_ = 0;
  std::size_t events_last_turn_ = 0;
  std::vector<std::uint32_t> unanswered_;  // slots with a send that is not known to be done
  Yield yield_;
};

}  // namespace pgweir
