// The loop of one worker: level-triggered epoll, no Asio. See the room's README for the reasons and
// the costs.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/net/epoll_stream.h"
#include "proxy/net/fd.h"
#include "proxy/net/send_blocks.h"
#include "proxy/net/socket_loop.h"

namespace pgweir {

class EpollLoop final : public SocketLoop {
 public:
  explicit EpollLoop(const SocketOptions& options = {});
  ~EpollLoop() override;

  std::unique_ptr<Stream> adopt(std::unique_ptr<Detached> socket, Token token) override;
  void turn(Duration longest_wait) override;
  bool watch(int fd, std::uint32_t events, Watch& watch) override;
  void unwatch(int fd, Watch& watch) override;

 private:
  friend class EpollStream;
  static constexpr std::size_t scratch_size =
      32 * 1024;  // measured best: 16 costs 25 %, 64 leaves the cache
  static constexpr int batch_max = 64;

  // A send that waits for the end of the batch.
  struct Queued {
    EpollStream* stream;
    std::uint16_t block, size;
  };

  // A socket whose stream is gone, and what has yet to be sent to it.
  struct Left final : Watch {
    Left(EpollLoop& owner, Fd socket, std::string bytes)
        : loop(owner), fd(std::move(socket)), unsent(std::move(bytes)), since(owner.now()) {}
    void ready(std::uint32_t events) override;
    EpollLoop& loop;
    Fd fd;
    std::string unsent;
    TimePoint since;
  };

  void dispatch(const epoll_event& event);
  void stream_ready(EpollStream& stream, std::uint32_t events);
  void receive(EpollStream& stream);
  void paused_stream_ready(EpollStream& stream, std::uint32_t events);
  void end_stream(SocketStream& stream, int error) override;
  bool drop_left(TimePoint then) override;
  void close_stream(EpollStream& stream, int error);

  // Copies the parts and sends them when the batch is over. Returns how many bytes; 0: they are to be sent at once.
  std::size_t queue_send(EpollStream& stream, std::span<const iovec> parts);
  void send_queued();
  void send_all(std::vector<Queued>& queued);
  void keep_unsent(EpollStream& stream, Bytes left);
  // Sends what is left of a queued send. False: something is still left.
  bool send_unsent(EpollStream& stream);
  std::string take_unsent(EpollStream& stream);
  // The stream goes; its socket stays open until what is left has been sent.
  void leave(EpollStream& stream);

  void watch_changed(EpollStream& stream);
  void apply_changes();
  void bring_up_to_date(EpollStream& stream);
  void forget_stream(EpollStream& stream);
  void release_stream(EpollStream& stream);
  void forget_events(std::uint64_t key);

  Fd epoll_;
  std::unique_ptr<std::byte[]> scratch_;

  // The events of this turn's wait; those of a stream that dies meanwhile are struck out.
  std::array<epoll_event, batch_max> batch_;
  int batch_at_ = 0;
  int batch_size_ = 0;
  EpollStream* current_ = nullptr;     // the stream being served; null once it died
  std::vector<EpollStream*> changed_;  // watched_ is to be compared with what is wanted
  SendBlocks send_blocks_;
  std::vector<Queued> to_servers_, to_others_;
  std::unordered_map<EpollStream*, std::string> unsent_;  // of few: their sockets were full
  std::vector<std::unique_ptr<Left>> left_;
};

}  // namespace pgweir
