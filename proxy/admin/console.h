// The admin console: database `pgbouncer`, simple queries only, one command per query.
//
//   console.cpp            messages, order of answers, SHOW, SET
//   console_commands.cpp   the table of commands, and those that change something
//   console_waits.cpp      PAUSE and WAIT_CLOSE, which answer late
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "proxy/admin/console_grammar.h"
#include "proxy/admin/process_port.h"
#include "proxy/admin/shows.h"
#include "proxy/admin/stats_report.h"
#include "proxy/session/worker.h"

namespace pgweir {

// One for all workers, owned by the process, outlives them. Each function runs on the thread of the
// worker it is given and touches that worker's Desk only.
class Console final : public ConsolePort {
 public:
  explicit Console(ProcessPort& process) : process_(process) {}

  // --- ConsolePort
  void on_message(Worker& worker, ClientSession& client, char tag, Bytes body) override;
  void on_gone(Worker& worker, ClientSession& client) override;
  void on_cancel(Worker& worker, ClientSession& client) override;
  // Looks again at what PAUSE and WAIT_CLOSE wait for; on worker 0 sees to the stats_period, too.
  void on_tick(Worker& worker) override;

  // What a client hears of its command.
  struct Answer {
    enum class Kind : std::uint8_t {
      done,     // CommandComplete with `text` as its tag
      refused,  // ERROR with `text`
      later,    // it waits; begin_wait() has been called
      silent,   // nothing more: it has had its answer, or the process ends
    };
    Kind kind = Kind::done;
    std::string text;
    const char* sqlstate = "08P01";
  };

  // What a command is given.
  struct Order {
    Worker& worker;
    ClientSession& client;
    const ConsoleCommand& command;
    const std::string& database() const;  // its argument; empty: none was given
  };

  enum class Who : std::uint8_t { admin, stats };
  enum class Argument : std::uint8_t { none, optional };
  struct Verb {
    std::string_view name;  // in lower case
    Who who;                // who may; stats: admins as well
    Argument argument;
    std::string_view usage;  // for SHOW HELP; empty: it is not listed
    Answer (Console::*run)(Order& order);
  };
  // All of them; nothing that is not a row here is ever run.
  static std::span<const Verb> verbs();

 private:
  struct Message {
    char tag;
    Buffer body;
  };
  enum class WaitFor : std::uint8_t { pause, close, suspend };
  struct Wait {
    Token client;
    std::uint64_t number;  // ConsoleState::waiting_for
    WaitFor what;
    std::string database;  // empty: all
    bool asking = false;   // the workers have been asked and not yet answered
  };
  // One worker's share, used on its thread.
  struct Desk {
    std::uint64_t last_number = 0;
    std::vector<Wait> waits;
    std::map<std::uint32_t, std::deque<Message>> backlog;  // by client index: came while it waits
  };
  // How one worker stands to a wait.
  struct Vote {
    bool over = false;    // nothing to wait for here
    bool undone = false;  // the database is no longer paused
  };

  Desk& desk(const Worker& worker) { return desks_[worker.number()]; }

  // --- console.cpp
  void take_message(Worker& worker, ClientSession& client, char tag, Bytes body);
  void keep_message(Worker& worker, ClientSession& client, char tag, Bytes body);
  Answer take_query(Worker& worker, ClientSession& client, std::string_view text);
  void answer(Worker& worker, ClientSession& client, const Answer& answer);
  // The client's command waits from now on; its number.
  std::uint64_t begin_wait(Worker& worker, ClientSession& client);
  // The client, if it still waits for that command.
  ClientSession* waiting(Worker& worker, Token client, std::uint64_t number);
  // It waits no longer: `words` are its answer; what it said meanwhile has its turn.
  void end_wait(Worker& worker, ClientSession& client, const Buffer& words);
  void end_wait(Worker& worker, ClientSession& client, const Answer& answer);
  Answer show(Order& order);
  Answer show_help(Order& order);
  ShowContext context_for(Worker& worker, const std::vector<WorkerFacts>& facts) const;

  // --- console_commands.cpp
  Answer everywhere(Order& order, Task task, std::string tag);
  void confirm(Worker& worker, Token client, std::uint64_t number, Task task, std::string tag);
  Answer set(Order& order);
  Answer reset(Order& order);
  Answer reload(Order& order);
  Answer pause(Order& order);
  Answer resume(Order& order);
  Answer suspend(Order& order);
  void end_suspension(Worker& worker);
  Answer disable(Order& order);
  Answer enable(Order& order);
  Answer reconnect(Order& order);
  Answer wait_close(Order& order);
  Answer kill(Order& order);
  Answer kill_client(Order& order);
  Answer shutdown(Order& order);
  Answer takeover(Order& order);

  // --- console_waits.cpp
  Answer wait_for(Order& order, WaitFor what);
  void look_again(Worker& worker);
  void ask(Worker& worker, Wait& wait);
  void settle(Worker& worker, Token client, std::uint64_t number, const std::vector<Vote>& votes);

  ProcessPort& process_;
  StatsReporter stats_;
  std::array<Desk, workers_max> desks_;
  std::atomic<std::uint64_t> suspender_{0};   // id of the client that suspended; when it goes, things go on
};

}  // namespace pgweir
