// A worker between streams that are nothing but memory and take everything: what is measured or
// counted here is the worker's own. Messages are said to it by hand.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/settings.h"
#include "proxy/core/log.h"
#include "proxy/session/worker.h"
#include "tests/support/sim_wire.h"

namespace pgweir::sim {

struct FlatLoop final : Loop, Connector {
  TimePoint now() const override { return time; }
  WallTime wall_now() const override { return {}; }
  std::unique_ptr<Stream> adopt(std::unique_ptr<Detached>, Token token) override;
  void wake() override {}
  void tick_every(Duration) override {}
  void alarm_in(Duration) override {}
  void connect(const ServerAddress&, Token token) override { wanted.push_back(token); }
  void abandon(Token) override {}

  TimePoint time{seconds(1000)};
  std::vector<Token> clients;  // in the order they were adopted
  std::vector<Token> wanted;   // servers that are being connected to
  Token written;               // who was sent something last
  std::string* said = nullptr;  // where not null, what servers are sent is added here
};

struct FlatStream final : Stream {
  FlatStream(FlatLoop& owner, Token name) : loop(owner), token(name) {}
  IoResult try_write(std::span<const iovec> parts) override {
    std::size_t total = 0;
    for (const iovec& part : parts) total += part.iov_len;
    loop.written = token;
    if (loop.said && token.kind == Token::Kind::server)
      for (const iovec& part : parts)
        loop.said->append(static_cast<const char*>(part.iov_base), part.iov_len);
    return {IoResult::Status::ok, total, 0};
  }
  void pause_reading() override {}
  void resume_reading() override {}
  std::unique_ptr<Detached> detach() override { return nullptr; }
  Endpoint local() const override { return {}; }
  Endpoint remote() const override { return {}; }

  FlatLoop& loop;
  Token token;
};

inline std::unique_ptr<Stream> FlatLoop::adopt(std::unique_ptr<Detached>, Token token) {
  clients.push_back(token);
  return std::make_unique<FlatStream>(*this, token);
}

struct FlatFleet final : Fleet {
  unsigned size() const override { return 1; }
  void post(unsigned, Task) override {}
  unsigned place_for_client(std::string_view, std::string_view, int) override { return 0; }
  std::uint64_t next_id() override { return ++last; }
  void on_tick(Worker&) override {}
  std::uint64_t random_secret() override { return ++last; }
  std::uint64_t last = 0;
};

// `clients` clients that are logged in, taking turns at `pools` databases db0, db1, ...; transaction
// mode, everything that is on by default. Servers are opened as clients ask for them.
class FlatWorker {
 public:
  using Change = std::function<void(Config&)>;
  explicit FlatWorker(unsigned clients = 1, unsigned pools = 1, const Change& change = {})
      : worker(0, Commons{ledger_, fleet_, credentials_, tracked_, nullptr, ~0u},
               std::make_shared<const Config>(config_with(pools, change)), loop, loop, 1) {
    log::Targets nowhere;
    nowhere.to_stderr = false;
    (void)log::open(nowhere);
    for (unsigned i = 0; i < clients; ++i) {
      worker.on_accepted(std::make_unique<NoSocket>());
      worker.on_turn_end();
      say(loop.clients.back(),
          startup({{"user", "u1"}, {"database", "db" + std::to_string(i % pools)}}));
      open_servers();
    }
  }

  void say(Token who, std::string_view bytes) {
    worker.on_bytes(who, as_bytes(bytes));
    worker.on_turn_end();
  }
  // A client's request, and the answer of the server that it went to.
  void exchange(std::size_t client, std::string_view request, std::string_view reply) {
    loop.time += microseconds(10);
    say(loop.clients[client], request);
    if (!loop.wanted.empty()) open_servers();
    loop.time += microseconds(10);
    say(loop.written, reply);
  }

  // As exchange, where it is not known beforehand what the server will be asked: nothing or a Parse
  // and a Sync.
  void prepare(std::size_t client, std::string_view request) {
    std::string said;
    loop.said = &said;
    say(loop.clients[client], request);
    if (!loop.wanted.empty()) open_servers();
    loop.said = nullptr;
    std::string reply;
    for (std::size_t at = 0; at + 5 <= said.size(); at += 1 + read_be32(said.substr(at + 1))) {
      if (said[at] == 'P') reply += message('1', "");
      if (said[at] == 'S') reply += ready('I');
    }
    if (!reply.empty()) say(loop.written, reply);
  }

  FlatLoop loop;

 private:
  struct NoSocket final : Detached {};

  static Config config_with(unsigned pools, const Change& change) {
    Config config;
    config.globals = default_globals();
    config.globals.auth_type = AuthType::trust;
    config.globals.server_tls_sslmode = SslMode::disable;
    config.globals.pool_mode = PoolMode::transaction;
    config.globals.max_client_conn = 1'000'000;
    config.globals.server_check_query = "";
    config.globals.session_audit_interval = {};
    config.globals.log_connections = config.globals.log_disconnections = false;
    config.userlist["u1"] = "secret";
    for (unsigned i = 0; i < pools; ++i) {
      DatabaseConfig entry;
      entry.name = "db" + std::to_string(i);
      entry.hosts = {"10.1.1.1"};
      config.databases[entry.name] = std::make_shared<DatabaseConfig>(entry);
    }
    if (change) change(config);
    split_lists(config);
    return config;
  }

  void open_servers() {
    for (const Token server : std::exchange(loop.wanted, {})) {
      worker.on_connected(server, std::make_unique<FlatStream>(loop, server));
      worker.on_turn_end();
      say(server, message('R', be32(0)) + parameter("TimeZone", "UTC") +
                      message('K', be32(1) + be32(2)) + ready('I'));
    }
  }

  FlatFleet fleet_;
  Ledger ledger_{1};
  Credentials credentials_{"secret"};
  policy::TrackedParameters tracked_{""};

 public:
  Worker worker;  // last: it goes first
};

// What clients say and servers answer in the three ways to run `select 1`.
struct FlatQuery {
  std::string setup;  // said once by each client; empty: nothing
  std::string request, reply;

  static std::string row() {
    return row_description() + data_row("1") + complete("SELECT 1") + ready('I');
  }
  static FlatQuery simple() { return {"", query("select 1"), row()}; }
  static FlatQuery extended() {
    return {"",
            parse("", "select 1") + bind_message("", "") + describe('P', "") + execute("") +
                sync_message(),
            message('1', "") + message('2', "") + row()};
  }
  static FlatQuery prepared() {
    return {parse("s1", "select 1") + sync_message(),
            bind_message("", "s1") + describe('P', "") + execute("") + sync_message(),
            message('2', "") + row()};
  }
};

}  // namespace pgweir::sim
