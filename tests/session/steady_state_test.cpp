// What a query costs in memory: nothing once everything is warm.
#include <cstdlib>
#include <new>

#include "tests/session/session_fixture.h"

using namespace pgweir;
using namespace pgweir::sim;

namespace {

bool counting = false;
std::size_t allocations = 0;

// A loop and streams that allocate nothing, so that what is counted is the worker's.
struct FlatStream final : Stream {
  IoResult try_write(std::span<const iovec> parts) override {
    std::size_t total = 0;
    for (const iovec& part : parts) total += part.iov_len;
    return {IoResult::Status::ok, total, 0};
  }
  void pause_reading() override {}
  void resume_reading() override {}
  std::unique_ptr<Detached> detach() override { return nullptr; }
  Endpoint local() const override { return {}; }
  Endpoint remote() const override { return {}; }
};

struct FlatLoop final : Loop, Connector {
  TimePoint now() const override { return time; }
  WallTime wall_now() const override { return {}; }
  std::unique_ptr<Stream> adopt(std::unique_ptr<Detached>, Token token) override {
    client = token;
    return std::make_unique<FlatStream>();
  }
  void wake() override {}
  void tick_every(Duration) override {}
  void connect(const ServerAddress&, Token token) override { server = token; }
  void abandon(Token) override {}
  TimePoint time{seconds(1000)};
  Token client, server;
};

struct FlatFleet final : Fleet {
  unsigned size() const override { return 1; }
  void post(unsigned, Task) override {}
  unsigned place_for_client(std::string_view, std::string_view, int) override { return 0; }
  std::uint64_t next_id() override { return ++last; }
  void on_tick(Worker&) override {}
  std::uint64_t random_secret() override { return ++last; }
  std::uint64_t last = 0;
};

struct NoSocket final : Detached {};

// One client and one server, logged in.
struct Flat {
  FlatLoop loop;
  FlatFleet fleet;
  Ledger ledger{1};
  Credentials credentials{"secret"};
  policy::TrackedParameters tracked{""};
  Worker worker{0,
                Commons{ledger, fleet, credentials, tracked, nullptr, ~0u},
                std::make_shared<const Config>(SimHouse::plain_config()),
                loop,
                loop,
                1};

  Flat() {
    worker.on_accepted(std::make_unique<NoSocket>());
    worker.on_turn_end();
    say(loop.client, startup({{"user", "u1"}, {"database", "db"}}));
    worker.on_connected(loop.server, std::make_unique<FlatStream>());
    worker.on_turn_end();
    say(loop.server, message('R', be32(0)) + parameter("TimeZone", "UTC") +
                         message('K', be32(1) + be32(2)) + ready('I'));
  }
  void say(Token who, std::string_view bytes) {
    worker.on_bytes(who, as_bytes(bytes));
    worker.on_turn_end();
  }
  std::size_t allocations_of(const std::string& request, const std::string& reply, int times) {
    for (int i = 0; i < 50; ++i) {
      say(loop.client, request);
      say(loop.server, reply);
    }
    allocations = 0;
    counting = true;
    for (int i = 0; i < times; ++i) {
      say(loop.client, request);
      say(loop.server, reply);
    }
    counting = false;
    return allocations;
  }
};

}  // namespace

// The compiler sees through one of the pair and not the other, and takes malloc's memory for new's.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

void* operator new(std::size_t size) {
  if (counting) ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

TEST_CASE("a simple query allocates nothing in steady state") {
  Flat flat;
  CHECK(flat.allocations_of(query("select 1"),
                            row_description() + data_row("1") + complete("SELECT 1") + ready('I'),
                            1000) == 0);
  CHECK(flat.worker.servers().size() == 1);
}

TEST_CASE("an extended query allocates nothing in steady state") {
  Flat flat;
  CHECK(flat.allocations_of(batch("select 1"),
                            message('1', "") + message('2', "") + row_description() +
                                data_row("1") + complete("SELECT 1") + ready('I'),
                            1000) == 0);
}

TEST_CASE("an idle client fits in one KiB") {
  CHECK(sizeof(ClientSession) + sizeof(SimStream) <= 1024);
  MESSAGE("sizeof(ClientSession) = ", sizeof(ClientSession),
          ", sizeof(ServerConnection) = ", sizeof(ServerConnection));
}
