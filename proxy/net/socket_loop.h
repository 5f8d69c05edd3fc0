// What the loops of this room have in common: time, listeners, letters from other threads. How
// sockets are waited for is each loop's own.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "proxy/net/detached_socket.h"
#include "proxy/net/mailbox.h"
#include "proxy/net/socket_options.h"
#include "proxy/net/socket_stream.h"
#include "proxy/session/ports.h"

namespace pgweir {

class Acceptor;
struct SocketAddress;

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
  std::uint64_t yields = 0;
  std::uint64_t changes = 0;  // what the kernel was told to watch, or no longer to, for streams
};

// Owned by the worker's thread; everything is called on that thread, except what says otherwise.
// Outlives its streams. Reports to one LoopEvents; each report is one turn and ends with
// on_turn_end.
class SocketLoop : public Loop {
 public:
  explicit SocketLoop(const SocketOptions& options);
  ~SocketLoop() override;
  SocketLoop(const SocketLoop&) = delete;

  // Must be called before the first turn. `events` outlives the loop's last turn.
  void report_to(LoopEvents& events) { events_ = &events; }
  // For sockets that come from now on.
  void set_options(const SocketOptions& options) { options_ = options; }
  const SocketOptions& options() const { return options_; }
  // For TLS that begins from now on; what is under way keeps what it began with.
  void set_tls(TlsContexts contexts) { tls_contexts_ = std::move(contexts); }

  TimePoint now() const override { return now_; }
  WallTime wall_now() const override;
  void wake() override { mailbox_->wake(); }  // any thread
  void tick_every(Duration period) override;
  void alarm_in(Duration delay) override {
    run_after(delay, [this] { events_->on_alarm(); });
  }

  void run();   // until stop(); the first turn and all others are one thread's
  void stop();  // any thread; also before run()
  // One wait and the events it brought; for tests and for run().
  virtual void turn(Duration longest_wait) = 0;
  // Bytes that a session takes for sent, and that its socket had no room for, outlive the stream: the socket is open for
  // so long yet, or twice that. A peer that reads nothing would keep it for ever.
  void keep_left_for(Duration limit) { left_limit_ = limit; }
  // The last turn is over: what was said in it leaves now.
  virtual void send_what_is_queued() {}

  // Accepts from `fd`, which stays the caller's: remove it here before it is closed.
  void add_listener(int fd, bool tcp);
  void remove_listener(int fd);

  // For acceptors: the turn in which the worker hears of a client. `peer`: where it comes from; null: not known.
  void report_accepted(std::unique_ptr<DetachedSocket> socket, const SocketAddress* peer);
  // What the kernel has said when it gave the socket, in that turn; null: it is to be asked.
  const SocketAddress* accepted_from(int fd) const { return fd == accepted_fd_ ? accepted_peer_ : nullptr; }

  // For other threads and for what outlives the loop.
  const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }
  // Runs `action` once on a turn of its own, not before `delay` is over.
  void run_after(Duration delay, std::function<void()> action);

  // For the rest of the room. `events` are EPOLLIN and EPOLLOUT, level-triggered; `watch` must be
  // unwatched before its fd is closed. False with errno: it cannot be watched.
  virtual bool watch(int fd, std::uint32_t events, Watch& watch) = 0;
  virtual void unwatch(int fd, Watch& watch) = 0;
  LoopEvents& events() { return *events_; }
  const LoopCounters& counters() const { return counters_; }
  TlsScratch& tls_scratch() { return tls_scratch_; }
  std::shared_ptr<const TlsContext> tls_context(TlsRole role) const {
    return role == TlsRole::server ? tls_contexts_.with_clients : tls_contexts_.with_servers;
  }

 protected:
  // The clock is read for every so many events of a batch: 20 ns each, and no report is older than
  // a few events.
  static constexpr std::size_t events_per_clock = 4;

  // Applies the socket options a socket still lacks and takes its fd.
  int take_fd(DetachedSocket& socket) const;
  // How long the next wait may be, in milliseconds; -1: for ever.
  int wait_ms(Duration longest_wait) const;
  // What is due by now_: the end of every turn.
  void ring_what_is_due();
  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }
  // Tells the worker, in plain text where the stream has TLS. The stream may be gone afterwards.
  void report_bytes(SocketStream& stream, Bytes bytes);
  void report_writable(SocketStream& stream);
  // Nothing more will be read from it: reports on_closed.
  virtual void end_stream(SocketStream& stream, int error) = 0;
  // To be called whenever a socket is kept for what is left: it sees to it that drop_left() is called in time.
  void drop_left_later();
  // Closes the sockets that have been kept since `then` or longer. True: there are younger ones.
  virtual bool drop_left(TimePoint then) = 0;
  // Must be called by the loop's destructor: the acceptors watch through it.
  void drop_listeners();

  SocketOptions options_;
  LoopEvents* events_ = nullptr;
  TimePoint now_;
  std::shared_ptr<Mailbox> mailbox_;
  LoopCounters counters_;

  struct Post final : Watch {
    explicit Post(SocketLoop& owner) : loop(owner) {}
    void ready(std::uint32_t) override { loop.read_mail(); }
    SocketLoop& loop;
  };
  Post post_;

 private:
  struct Alarm {
    TimePoint due;
    std::function<void()> action;
  };

  void read_mail();
  void ring_alarms();
  void tick_if_due();

  void decrypt(SocketStream& stream, Bytes bytes);

  int accepted_fd_ = -1;
  const SocketAddress* accepted_peer_ = nullptr;

  TlsContexts tls_contexts_;
  TlsScratch tls_scratch_;  // empty until a stream speaks TLS
  Duration tick_period_{0};  // zero: no ticks
  TimePoint next_tick_;
  std::vector<Alarm> alarms_;  // few, unordered
  Duration left_limit_ = seconds(30);
  bool drops_left_ = false;  // an alarm is set
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::atomic<bool> stopped_{false};
};

}  // namespace pgweir
