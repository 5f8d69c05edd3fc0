// Clients of the simulation: one that a test leads by the hand, and one that makes up its own
// program and knows what PostgreSQL would have answered.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "protocol/auth/scram_client.h"
#include "tests/support/sim_house.h"
#include "tests/support/sim_session.h"

namespace pgweir::sim {

struct Identity {
  std::string user = "u1";
  std::string database = "db";
  std::string password = "secret";
  std::vector<std::pair<std::string, std::string>> parameters;  // more of the StartupMessage
};

// Says what it is told to, and remembers what it hears.
class ScriptedClient : public Peer {
 public:
  // Connects at once; logs in by itself unless `silent`.
  ScriptedClient(SimHouse& house, Identity identity, bool silent = false);
  ~ScriptedClient() override;
  void on_data(Bytes bytes) override;
  void on_closed() override { closed_ = true; }

  void send(const std::string& bytes) { connection_->send(as_bytes(bytes)); }
  void hang_up() { connection_->close(); }
  void reset() { connection_->reset(); }
  Connection& connection() { return *connection_; }

  // Lets the world run until there is a ReadyForQuery more than were taken so far; false: it did
  // not come.
  bool wait_ready(Duration limit = seconds(5));
  bool wait_closed(Duration limit = seconds(5));
  bool closed() const { return closed_; }
  bool logged_in() const { return logged_in_; }
  // The messages received since the last call, without those of the login.
  std::vector<std::string> take();
  // Their tags in one word: "TDCZ".
  std::string take_tags();
  // The text of the first ErrorResponse since the last take; it stays there.
  std::string error_text() const;
  std::string error_code() const;
  // Query, answered: the tags.
  std::string ask(const std::string& sql);
  std::uint32_t pid() const { return pid_; }
  const std::string& key() const { return key_; }
  const ParameterMap& parameters() const { return parameters_; }
  std::string login_tags;

 private:
  void on_login_message(const std::string& whole);
  SimHouse& house_;
  Identity identity_;
  std::shared_ptr<Connection> connection_;
  std::string inbox_;
  std::vector<std::string> messages_;
  bool closed_ = false, logged_in_ = false, silent_;
  std::size_t readies_ = 0, readies_taken_ = 0;
  std::uint32_t pid_ = 0;
  std::string key_;
  ParameterMap parameters_;
  std::unique_ptr<ScramClient> scram_;
};

// Brings one cancel request.
class Canceler final : public Peer {
 public:
  Canceler(SimHouse& house, std::uint32_t pid, const std::string& key);
  ~Canceler() override;
  void on_data(Bytes) override {}
  void on_closed() override { over_ = true; }
  bool over() const { return over_; }
  void reset() { connection_->reset(); }

 private:
  std::shared_ptr<Connection> connection_;
  bool over_ = false;
};

struct Habits {
  PoolMode mode = PoolMode::transaction;
  int units = 6;        // how many requests
  unsigned vanish = 0;  // percent of requests in the middle of which it goes
  unsigned cancel = 0;  // percent of requests it tries to cancel
  unsigned slow = 0;    // percent of requests whose answer it is slow to read
  bool names = false;   // it prepares statements under names that last
  bool fatals = false;  // the pooler or the server may throw it out
  std::size_t row_bytes_max = 2000;
};

// Its program comes from the world's chance; every byte it receives is compared with what a session
// of its own says.
class RandomClient final : public Peer {
 public:
  RandomClient(SimHouse& house, SimChecks& checks, int number, Identity identity, Habits habits);
  ~RandomClient() override;
  void on_data(Bytes bytes) override;
  void on_closed() override;

  bool over() const { return over_; }
  const std::string& fatal() const { return fatal_; }
  int answered() const { return answered_; }
  std::string state() const;

 private:
  void start();
  void on_login(const std::string& whole);
  void on_reply(const std::string& whole);
  void expect_reply_to(const std::string& whole);
  void end(const std::string& why);
  void wrong(const std::string& what);
  void settle();
  void next_unit();
  void send_unit(const std::vector<std::string>& unit);
  std::vector<std::string> make_unit();
  std::vector<std::string> make_extended();
  std::vector<std::string> make_prepared();
  std::string about_statements();
  std::vector<std::string> make_copy();
  std::string statement(bool may_fail);
  std::string tag();
  void take_output(std::string& out);
  void send_cancel();

  SimHouse& house_;
  SimChecks& checks_;
  const int number_;
  Identity identity_;
  Habits habits_;
  std::shared_ptr<Connection> connection_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  SimSession direct_;  // what PostgreSQL would have said
  std::string inbox_;
  std::deque<std::string> sent_;  // not yet shown to `direct_`
  std::deque<std::string> expected_;
  std::vector<std::string> continuation_;  // the rest of a batch that was flushed half way
  std::vector<std::unique_ptr<Canceler>> cancelers_;
  std::unique_ptr<ScramClient> scram_;
  bool running_ = false, over_ = false, cancel_sent_ = false, waiting_ = false;
  bool named_ = false;  // it has prepared a statement under a name
  bool half_closed_ = false;  // it says nothing more, and goes on reading
  int next_statement_ = 0, units_done_ = 0, answered_ = 0;
  std::uint32_t pid_ = 0;
  std::string key_, fatal_;
};

}  // namespace pgweir::sim
