// A PostgreSQL server of the simulation: logins, backends, cancel requests, restarts.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "protocol/auth/scram_server.h"
#include "tests/support/sim_loop.h"
#include "tests/support/sim_session.h"

namespace pgweir::sim {

class SimPostgres;

// One process of the server's, or the connection that brings a cancel request.
class SimBackend final : public Peer, public std::enable_shared_from_this<SimBackend> {
 public:
  SimBackend(SimPostgres& server, std::shared_ptr<Connection> connection, std::uint32_t pid);
  void on_data(Bytes bytes) override;
  void on_closed() override;

  const SimSession& session() const { return *session_; }
  bool logged_in() const { return stage_ == Stage::ready; }
  bool gone() const { return stage_ == Stage::gone; }
  // Logged in, with nothing to do, nothing open and nothing read yet to be answered.
  bool at_rest() const { return logged_in() && session_->at_rest() && input_.empty(); }
  const std::string& unread() const { return input_; }  // the beginning of a message
  std::uint32_t pid() const { return pid_; }
  Connection& connection() { return *connection_; }
  const std::string& database() const { return database_; }
  const std::string& user() const { return user_; }

  // The signal of a cancel request.
  void interrupt();
  void say(const std::string& bytes) {
    if (!gone()) connection_->send(as_bytes(std::exchange(unsent_, {}) + bytes));
  }
  // Kept until something makes PostgreSQL send: see the definition.
  void say_in_time(const std::string& bytes, char request);
  // FATAL, and the end.
  void terminate(const std::string& code, const std::string& text);
  void crash();
  std::vector<std::string> log;  // the statements that clients and the pooler sent

 private:
  friend class SimPostgres;
  enum class Stage { startup, password, sasl_first, sasl_final, ready, gone };
  void take_input();
  bool take_startup();
  void on_startup(std::string_view packet);
  void on_cancel_packet(std::string_view packet);
  void on_password_message(std::string_view whole);
  void welcome();
  void refuse(const std::string& code, const std::string& text);
  void finish_later();

  SimPostgres& server_;
  std::shared_ptr<Connection> connection_;
  const std::uint32_t pid_;
  const std::string key_;
  Stage stage_ = Stage::startup;
  std::string input_, unsent_;
  std::string database_, user_, salt_;
  ParameterMap wanted_;
  std::unique_ptr<ScramServer> scram_;
  std::unique_ptr<SimSession> session_;
  std::uint64_t sleep_serial_ = 0;
};

class SimPostgres {
 public:
  enum class Auth { trust, md5, scram };
  explicit SimPostgres(World& of) : world(of) {}

  std::shared_ptr<Connection> accept(Token::Kind kind);
  // Everybody is thrown out, politely or not.
  void throw_out(bool politely);
  // Cheap: what backends noticed that must not be.
  const std::string& breach() const { return breach_; }
  const std::vector<std::shared_ptr<SimBackend>>& backends() const { return backends_; }
  std::size_t connections() const;  // logged in

  World& world;
  Auth auth = Auth::trust;
  std::string password = "secret";
  std::string version = "15.6";
  std::string missing_database;  // nobody can log in to it
  std::string refusal;           // SQLSTATE and text of all logins; empty: none
  bool down = false;             // nothing listens
  Duration sleep_max = milliseconds(10);
  bool endless_sleep = false;  // SLEEP ends by cancel only
  Duration cancel_delay_max = milliseconds(3);
  unsigned notices = 0;  // percent of messages followed by a notice of nobody's
  unsigned fatals = 0;   // per mille of messages answered by the end
  unsigned schema = 0;         // how often anybody has said ALTER
  std::size_t cancels_seen = 0, logins_seen = 0;

 private:
  friend class SimBackend;
  std::vector<std::shared_ptr<SimBackend>> backends_;
  std::uint32_t last_pid_ = 1000;
  std::uint64_t last_connection_ = 0;
  std::string breach_;
};

}  // namespace pgweir::sim
