// The operating system of a simulation: a virtual clock, sockets that misbehave, a connector, and
// mail between workers. Everything happens in one thread, in an order drawn from one seed.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "proxy/session/ports.h"
#include "proxy/session/worker.h"
#include "tests/support/sim_rng.h"

namespace pgweir::sim {

// What may go wrong, in percent of the occasions.
struct Faults {
  unsigned short_read = 0;             // fewer bytes than there are
  unsigned short_write = 0;            // takes only some
  unsigned would_block = 0;            // takes none
  unsigned refuse = 0;                 // a connect fails
  unsigned hang = 0;                   // a connect is never answered
  std::size_t socket_bytes = 1 << 20;  // what one direction of a socket holds
  Duration latency_max = microseconds(200);
  Duration mail_delay_max = microseconds(300);
};

// Time, and what will happen. The world owns the clock and the chance; all else refers to it.
class World {
 public:
  explicit World(std::uint64_t seed) : rng(seed) {}

  Rng rng;
  Faults faults;
  TimePoint now{seconds(1000)};
  std::function<void()> after_event;  // checkers

  void at(TimePoint when, std::function<void()> action);
  void after(Duration delay, std::function<void()> action) { at(now + delay, std::move(action)); }
  // A delay of a packet.
  Duration latency() {
    return Duration(static_cast<std::int64_t>(
        rng.below(static_cast<std::uint64_t>(faults.latency_max.count()) + 1)));
  }
  // Lets the next thing happen. False: nothing will.
  bool step();
  void run_for(Duration time);
  // True when `condition` came true within `limit`.
  bool run_until(const std::function<bool()>& condition, Duration limit = seconds(30));
  std::size_t events() const { return count_; }

  // The last 64 notes, for the report of a failure.
  void note(std::string what);
  std::string notes() const;

 private:
  struct Event {
    TimePoint when;
    std::uint64_t order;
    std::function<void()> action;
    bool operator<(const Event& other) const {
      return when != other.when ? when > other.when : order > other.order;
    }
  };
  std::priority_queue<Event> queue_;
  std::uint64_t order_ = 0;
  std::size_t count_ = 0;
  std::deque<std::string> notes_;
};

class Connection;
class SimLoop;

// The end of a connection that is not pgweir: a client or a PostgreSQL backend.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual void on_data(Bytes bytes) = 0;
  // pgweir has closed the connection, and everything it sent has been read.
  virtual void on_closed() = 0;
};

// One socket pair. Shared by its two ends and by the events under way.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(World& world, std::uint64_t id, std::string name)
      : world_(world), id_(id), name_(std::move(name)) {}

  // --- the peer's side
  void attach(Peer* peer) { peer_ = peer; }
  void send(Bytes bytes);  // without bound: a peer that never waits
  void close();            // orderly, after what was sent
  void reset();            // at once; what is under way is lost
  // A slow peer reads nothing until resumed.
  void pause_peer() { peer_paused_ = true; }
  void resume_peer();
  bool closed_by_pooler() const { return pooler_closed_; }
  std::size_t unread_by_pooler() const { return to_pooler_.size(); }
  std::size_t unread_by_peer() const { return to_peer_.size(); }
  std::uint64_t id() const { return id_; }
  const std::string& name() const { return name_; }
  Peer* peer() const { return peer_; }

  Endpoint::Family family = Endpoint::Family::inet;
  std::uint32_t peer_uid = ~0u;
  std::uint64_t bytes_from_pooler = 0;

 private:
  friend class SimStream;
  friend class SimLoop;
  void schedule_to_pooler();
  void schedule_to_peer();
  void schedule_writable();
  void deliver_to_pooler();
  void deliver_to_peer();
  void deliver_writable();

  World& world_;
  const std::uint64_t id_;
  const std::string name_;
  Peer* peer_ = nullptr;
  std::string to_pooler_, to_peer_;
  bool fin_ = false, reset_ = false, end_reported_ = false;
  bool pooler_closed_ = false;  // its stream is destroyed
  bool peer_told_ = false;
  bool peer_paused_ = false;
  bool pooler_scheduled_ = false, peer_scheduled_ = false, writable_scheduled_ = false;
  SimLoop* loop_ = nullptr;  // where the stream lives now
  Token token_;
  bool reading_paused_ = false;
  bool wants_write_ = false;
};

struct DetachedConnection final : Detached {
  explicit DetachedConnection(std::shared_ptr<Connection> c) : connection(std::move(c)) {}
  ~DetachedConnection() override;
  std::shared_ptr<Connection> connection;
};

class SimStream final : public Stream {
 public:
  explicit SimStream(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  ~SimStream() override;
  IoResult try_write(std::span<const iovec> parts) override;
  void pause_reading() override { connection_->reading_paused_ = true; }
  void resume_reading() override;
  std::unique_ptr<Detached> detach() override;
  Endpoint local() const override;
  Endpoint remote() const override;
  Connection& connection() const { return *connection_; }

 private:
  std::shared_ptr<Connection> connection_;  // null once detached
};

// The loop of one worker. Each report is one turn, as with the real loop, and runs as that worker.
class SimLoop final : public Loop {
 public:
  SimLoop(World& world, unsigned number) : world_(world), number_(number) {}
  void report_to(LoopEvents& events) { events_ = &events; }
  TimePoint now() const override { return world_.now; }
  WallTime wall_now() const override {
    return WallTime{std::chrono::duration_cast<microseconds>(world_.now.time_since_epoch())};
  }
  std::unique_ptr<Stream> adopt(std::unique_ptr<Detached> socket, Token token) override;
  void wake() override;
  void tick_every(Duration period) override;
  void alarm_in(Duration delay) override;
  void stop() { stopped_ = true; }

  unsigned number() const { return number_; }
  // Runs `report` as one turn of this worker.
  void turn(const std::function<void(LoopEvents&)>& report);
  // Whose turn it is; -1: nobody's.
  static int running;

 private:
  friend class SimConnector;
  friend class Connection;
  std::unique_ptr<Stream> enter(std::shared_ptr<Connection> connection, Token token);
  void tick();
  World& world_;
  const unsigned number_;
  LoopEvents* events_ = nullptr;
  Duration period_{};
  bool ticking_ = false;
  bool stopped_ = false;
};

// Connects to whatever `accept` returns; null: refused.
class SimConnector final : public Connector {
 public:
  using Accept = std::function<std::shared_ptr<Connection>(const ServerAddress&, Token::Kind)>;
  SimConnector(World& world, SimLoop& loop, Accept accept)
      : world_(world), loop_(loop), accept_(std::move(accept)) {}
  void connect(const ServerAddress& address, Token token) override;
  void abandon(Token token) override;
  bool reachable = true;  // false: connects hang

 private:
  void answer(const ServerAddress& address, Token token, std::uint64_t serial);
  World& world_;
  SimLoop& loop_;
  Accept accept_;
  struct Attempt {
    Token token;
    std::uint64_t serial;
  };
  std::vector<Attempt> under_way_;
  std::uint64_t last_serial_ = 0;
};

// Several workers in one thread. Mail is late, but keeps its order between two workers.
class SimFleet final : public Fleet {
 public:
  SimFleet(World& world, std::uint64_t seed) : world_(world), secrets_(seed ^ 0x5ec2e7) {}
  void add(Worker& worker, SimLoop& loop) { members_.push_back({&worker, &loop}); }
  unsigned size() const override { return size_; }
  void set_size(unsigned size) { size_ = size; }
  void post(unsigned worker, Task task) override;
  unsigned place_for_client(std::string_view, std::string_view, int) override {
    return static_cast<unsigned>(next_place_++ % size_);
  }
  std::uint64_t next_id() override { return ++last_id_; }
  void on_tick(Worker&) override {}
  std::uint64_t random_secret() override { return secrets_.next(); }
  void stop() { members_.clear(); }
  std::size_t mail_under_way() const { return under_way_; }

 private:
  struct Member {
    Worker* worker;
    SimLoop* loop;
  };
  World& world_;
  Rng secrets_;
  std::vector<Member> members_;
  unsigned size_ = 1;
  std::uint64_t last_id_ = 0, next_place_ = 0;
  std::size_t under_way_ = 0;
  std::map<std::pair<int, unsigned>, TimePoint> last_delivery_;
};

}  // namespace pgweir::sim
