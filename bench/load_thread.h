// One thread of the generator: an epoll set, its share of the clients, their timers.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <queue>
#include <random>
#include <vector>

#include "bench/clock.h"
#include "bench/connection.h"
#include "bench/load.h"

namespace pgweir::bench {

// How the threads of a measurement and their starter meet. Times are nanoseconds of the monotonic
// clock.
struct Gate {
  std::atomic<unsigned> threads_ready{0};  // all their clients are logged in
  std::atomic<unsigned> clients_ready{0};
  std::atomic<std::int64_t> go{0};         // 0: not yet; set last, when `from` and `until` are set
  std::atomic<std::int64_t> from{0};       // the window
  std::atomic<std::int64_t> until{0};
  // The target's processes have been looked at; only now may clients leave, for with PostgreSQL its
  // processes leave with them.
  std::atomic<bool> sampled{false};
  std::atomic<bool> abandoned{false};
};

// One client and its place in the program.
struct Client {
  enum class State : std::uint8_t {
    connecting,    // until logged in
    setting_up,    // has said Program::setup
    resting,       // has nothing to do
    starting,      // a timer staggers the clients' first transactions
    waiting,       // for ReadyForQuery
    rolling_back,  // waiting as well, for the end of a transaction that failed
    thinking,      // a timer will end it
    backing_off,   // has lost its connection; a timer will open a new one
  };

  Connection connection{this};
  const Target* target = nullptr;
  State state = State::connecting;
  bool crowd = false;    // one of LoadPlan::idle
  bool counted = false;  // has been ready once
  bool failed = false;   // the transaction under way had an ErrorResponse
  unsigned timer = 0;    // the number of its timer; older ones are void
  std::size_t step = 0;
  unsigned readies_owed = 0;
  Duration thought{};  // inside the transaction under way
  // When each transaction under way was to start; more than one with pipelines only.
  std::vector<TimePoint> started;
};

// Runs on a thread of its own between construction and join; `tally` and `cpu` are read afterwards.
class LoadThread {
 public:
  // Takes number `index` of plan.threads shares. Both must outlive it.
  LoadThread(const LoadPlan& plan, Gate& gate, unsigned index);
  void run();

  Tally tally;

 private:
  struct Timer {
    TimePoint at;
    Client* client;
    unsigned number;
    bool operator<(const Timer& other) const { return at > other.at; }
  };

  // The loop (load_thread.cpp).
  void turn();
  int wait_for_events(TimePoint until);
  TimePoint next_deadline() const;
  void fire_timers();
  void connect_more();
  void begin_load();
  void admit_arrivals();
  bool over() const;
  void note_window();
  void count_unfinished();
  void report_ready();

  // A client's turns (load_client.cpp).
  void settle(Client& client);
  void open(Client& client);
  void on_lost(Client& client);
  void on_logged_in(Client& client);
  void on_usable(Client& client);
  void on_ready(Client& client, const Arrived::Ready& ready);
  void on_pipeline_ready(Client& client);
  void on_timer(Client& client);
  void next_transaction(Client& client);
  void fill_pipeline(Client& client);
  void begin(Client& client, TimePoint intended);
  void perform(Client& client);
  void statement_over(Client& client);
  void finish(Client& client);
  void record(Client& client, bool failed);
  void set_timer(Client& client, Duration after);

  bool inside(TimePoint at) const { return at >= from_ && at < until_; }
  bool running() const { return going_ && now_ < until_; }
  bool open_loop() const { return plan_.rate > 0; }

  const LoadPlan& plan_;
  const Program& program_;
  Gate& gate_;
  Fd epoll_;
  Buffer scratch_;
  Buffer batch_;  // what fills up a pipeline
  Arrived arrived_;
  ScramKeyCache scram_keys_;
  std::minstd_rand random_;
  std::vector<Target> pools_;  // plan_.target under the names of its pools
  std::vector<std::unique_ptr<Client>> clients_;
  std::priority_queue<Timer> timers_;

  TimePoint now_{};
  TimePoint from_{}, until_{};
  bool going_ = false;  // the load has begun
  bool window_begun_ = false, window_ended_ = false;
  Duration cpu_at_from_{};
  std::size_t opened_ = 0;      // clients_[0..opened_) have been told to connect
  std::size_t connecting_ = 0;  // of those, how many are not ready yet
  std::size_t ready_ = 0;
  std::size_t under_way_ = 0;       // transactions
  std::size_t last_statement_ = 0;  // the step whose reply ends a transaction

  // Open loop.
  TimePoint next_arrival_{};
  Duration interval_{};
  std::deque<TimePoint> backlog_;  // arrivals that found no client at rest
  std::deque<Client*> at_rest_;
};

}  // namespace pgweir::bench
