// The loop of one worker: level-triggered epoll, no Asio. See the room's README for the reasons and
// the costs.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "proxy/net/epoll_stream.h"
#include "proxy/net/fd.h"
#include "proxy/net/mailbox.h"
#include "proxy/net/socket_options.h"
#include "proxy/session/ports.h"

namespace pgweir {

class Acceptor;

// An fd of the loop that is no client or server stream: listeners, connects under way, the mailbox.
class Watch {
 public:
  virtual void ready(std::uint32_t events) = 0;
  // What tells its events from those of streams, whose keys are even.
  std::uint64_t key() const { return reinterpret_cast<std::uint64_t>(this) | 1; }
  static Watch* of_key(std::uint64_t key) {
    return key & 1 ? reinterpret_cast<Watch*>(key - 1) : nullptr;
  }

 protected:
  ~Watch() = default;
};

// What the loop has asked of the kernel since it began.
struct LoopCounters {
  std::uint64_t waits = 0;
  std::uint64_t receives = 0;
  std::uint64_t sends = 0;
  std::uint64_t short_writes = 0;  // took less than everything, or would block
  std::uint64_t changes = 0;       // epoll_ctl for streams
};

// Owned by the worker's thread; everything is called on that thread, except what says otherwise.
// Outlives its streams. Reports to one LoopEvents; each report is one turn and ends with
// on_turn_end.
class EpollLoop final : public Loop {
 public:
  explicit EpollLoop(const SocketOptions& options = {});
  ~EpollLoop() override;
  EpollLoop(const EpollLoop&) = delete;

  // Must be called before the first turn. `events` outlives the loop's last turn.
  void report_to(LoopEvents& events) { events_ = &events; }
  // For sockets that come from now on.
  void set_options(const SocketOptions& options) { options_ = options; }
  const SocketOptions& options() const { return options_; }

  TimePoint now() const override { return now_; }
  WallTime wall_now() const override;
  std::unique_ptr<Stream> adopt(std::unique_ptr<Detached> socket, Token token) override;
  void wake() override { mailbox_->wake(); }  // any thread
  void tick_every(Duration period) override;

  void run();   // until stop()
  void stop();  // any thread; also before run()
  // One wait and the events it brought; for tests and for run().
  void turn(Duration longest_wait);

  // Accepts from `fd`, which stays the caller's: remove it here before it is closed.
  void add_listener(int fd, bool tcp);
  void remove_listener(int fd);

  // For other threads and for what outlives the loop.
  const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }
  // Runs `action` once on a turn of its own, not before `delay` is over.
  void run_after(Duration delay, std::function<void()> action);

  // For the rest of the room. `watch` must be unwatched before its fd is closed.
  bool watch(int fd, std::uint32_t events, Watch& watch);
  void unwatch(int fd, Watch& watch);
  LoopEvents& events() { return *events_; }
  const LoopCounters& counters() const { return counters_; }

 private:
  friend class EpollStream;
  struct Post final : Watch {
    explicit Post(EpollLoop& owner) : loop(owner) {}
    void ready(std::uint32_t) override { loop.read_mail(); }
    EpollLoop& loop;
  };
  struct Alarm {
    TimePoint due;
    std::function<void()> action;
  };

  static constexpr std::size_t scratch_size =
      32 * 1024;  // measured best: 16 costs 25 %, 64 leaves the cache
  static constexpr int batch_max = 64;

  void dispatch(const epoll_event& event);
  void stream_ready(EpollStream& stream, std::uint32_t events);
  void receive(EpollStream& stream);
  void paused_stream_ready(EpollStream& stream, std::uint32_t events);
  void close_stream(EpollStream& stream, int error);
  void read_mail();

  void watch_changed(EpollStream& stream);
  void apply_changes();
  void bring_up_to_date(EpollStream& stream);
  void forget_stream(EpollStream& stream);
  void release_stream(EpollStream& stream);
  void forget_events(std::uint64_t key);

  int wait_ms(Duration longest_wait) const;
  void ring_alarms();
  void tick_if_due();

  SocketOptions options_;
  LoopEvents* events_ = nullptr;
  Fd epoll_;
  TimePoint now_;
  std::unique_ptr<std::byte[]> scratch_;

  // The events of this turn's wait; those of a stream that dies meanwhile are struck out.
  std::array<epoll_event, batch_max> batch_;
  int batch_at_ = 0;
  int batch_size_ = 0;
  EpollStream* current_ = nullptr;     // the stream being served; null once it died
  std::vector<EpollStream*> changed_;  // watched_ is to be compared with what is wanted

  Duration tick_period_{0};  // zero: no ticks
  TimePoint next_tick_;
  std::vector<Alarm> alarms_;  // few, unordered
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::shared_ptr<Mailbox> mailbox_;
  Post post_;
  std::atomic<bool> stopped_{false};
  LoopCounters counters_;
};

}  // namespace pgweir
