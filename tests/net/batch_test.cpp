// Many streams at once: all are heard, and what is written in a batch of events may leave at its end as if it had left at once.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <thread>

#include "tests/net/loop_fixture.h"

using namespace pgweir;
using namespace pgweir::test;

namespace {

// Streams 1 and 2 have bytes in one batch; what happens, happens in the first one's event.
template <typename F>
void in_a_batch(LoopFixture& f, F&& happens) {
  SocketPair a = socket_pair(), b = socket_pair();
  const auto first = adopt(f.loop, std::move(a.ours), client(1));
  const auto second = adopt(f.loop, std::move(b.ours), client(2));
  bool done = false;
  f.seen.when_bytes = [&](Token, Bytes) {
    if (!std::exchange(done, true)) happens();
  };
  send_all(a.theirs, "x");
  send_all(b.theirs, "x");
  f.settle();
  f.seen.when_bytes = nullptr;
}

// The clients 0 to `count` - 1.
struct Crowd {
  Crowd(LoopFixture& f, std::uint32_t count) {
    for (std::uint32_t number = 0; number < count; ++number) {
      pairs.push_back(socket_pair());
      streams.push_back(adopt(f.loop, std::move(pairs.back().ours), client(number)));
    }
  }
  std::vector<SocketPair> pairs;
  std::vector<std::unique_ptr<Stream>> streams;
};

void fill(const Fd& socket) {
  const std::string filling(1 << 16, '.');
  while (::send(socket.get(), filling.data(), filling.size(), MSG_DONTWAIT) > 0) {
  }
}

std::string read_to_end(LoopFixture& f, const Fd& socket) {
  std::string got;
  CHECK(f.until([&] {
    char bytes[1 << 16];
    const ssize_t size = ::recv(socket.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    if (size > 0) got.append(bytes, static_cast<std::size_t>(size));
    return size == 0 || got.ends_with("!");
  }));
  return got;
}

}  // namespace

TEST_CASE_TEMPLATE("more streams with bytes at once than there are receive buffers are all heard",
                   On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  std::vector<SocketPair> pairs;
  std::vector<std::unique_ptr<Stream>> streams;
  for (std::uint32_t number = 0; number < 200; ++number) {
    pairs.push_back(socket_pair());
    streams.push_back(adopt(f.loop, std::move(pairs.back().ours), client(number)));
    send_all(pairs.back().theirs, "first");
  }
  CHECK(f.until([&] { return f.seen.received.size() == 200 * 5; }));
  for (const SocketPair& pair : pairs) send_all(pair.theirs, "again");
  CHECK(f.until([&] { return f.seen.received.size() == 200 * 10; }));
}

TEST_CASE_TEMPLATE("as many streams as a busy pool has may have bytes at once, and none has to be listened to anew",
                   On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  Crowd crowd(f, 60);
  f.settle();
  const std::uint64_t before = f.loop.counters().changes;
  for (int round = 1; round <= 5; ++round) {
    for (const SocketPair& pair : crowd.pairs) send_all(pair.theirs, "x");
    CHECK(f.until([&] { return f.seen.received.size() == 60u * static_cast<unsigned>(round); }));
  }
  CHECK(f.loop.counters().changes == before);
}

TEST_CASE_TEMPLATE("what is written to one stream in several small pieces of a batch arrives in order", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = socket_pair();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(3));
  in_a_batch(f, [&] {
    for (const std::string& piece : {std::string("one,"), std::string("two,"), numbered(5000), std::string("three!")})
      CHECK(write(*stream, piece).wrote == piece.size());
  });
  CHECK(drain(pair.theirs) == "one,two," + numbered(5000) + "three!");
}

TEST_CASE("io_uring: whose bytes come next in a batch is announced") {
  if (OnUring::kind() != LoopKind::io_uring) return;
  LoopFixture f(LoopKind::io_uring);
  in_a_batch(f, [&] { CHECK(f.seen.announced == std::vector{client(2)}); });
  CHECK(f.seen.announced == std::vector{client(2)});
}

TEST_CASE("epoll: what a batch has written to servers leaves before the rest, so that they begin to work") {
  LoopFixture f(OnEpoll::kind());
  SocketPair pair = socket_pair();  // shared, so that its other end sees who came first
  Fd shared(::dup(pair.ours.get()));
  const auto to_client = adopt(f.loop, std::move(shared), client(3));
  const auto to_server = adopt(f.loop, std::move(pair.ours), {Token::Kind::server, 4, 1});
  in_a_batch(f, [&] {
    write(*to_client, "second");
    write(*to_server, "first,");
  });
  CHECK(drain(pair.theirs) == "first,second");
}

TEST_CASE_TEMPLATE("what a batch has written to a full socket arrives before what is written later", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = socket_pair();
  fill(pair.ours);
  auto stream = adopt(f.loop, std::move(pair.ours), client(3));
  std::size_t taken = 0;
  in_a_batch(f, [&] { taken = write(*stream, "first,").wrote; });
  SUBCASE("by the same stream") {
    CHECK(write(*stream, "too early").wrote == 0);
    drain(pair.theirs);
    CHECK(f.until([&] { return f.seen.writables == 1; }));
    CHECK(write(*stream, "second!").wrote == 7);
    f.settle();
    CHECK(read_to_end(f, pair.theirs) == std::string("first,").substr(0, taken) + "second!");
  }
  SUBCASE("by a stream of another loop, to which the socket has gone") {
    LoopFixture other(On::kind());
    const auto moved = other.loop.adopt(stream->detach(), client(3));
    const std::string before = drain(pair.theirs);
    CHECK(before.find("first") == std::string::npos);
    CHECK(other.until([&] { return write(*moved, "second!").wrote == 7; }));
    other.settle();
    CHECK(read_to_end(other, pair.theirs) == std::string("first,").substr(0, taken) + "second!");
  }
  SUBCASE("or at last, when the stream has ended at once") {
    stream.reset();
    f.settle();
    const std::string got = read_to_end(f, pair.theirs);
    CHECK(got.substr(got.find_last_of('.') + 1) == std::string("first,").substr(0, taken));
  }
}

TEST_CASE_TEMPLATE("a socket stays open for what a stream that is gone has left, but not for ever", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  f.loop.keep_left_for(milliseconds(20));
  std::vector<Fd> peers;
  for (std::uint32_t number = 3; number < 6; ++number) {
    SocketPair pair = socket_pair();
    fill(pair.ours);
    auto stream = adopt(f.loop, std::move(pair.ours), client(number));
    peers.push_back(std::move(pair.theirs));
    in_a_batch(f, [&] {
      CHECK(write(*stream, "never read").wrote > 0);
      stream.reset();
    });
  }
  const auto hung_up = [](const Fd& peer) {
    pollfd asked{peer.get(), 0, 0};
    return ::poll(&asked, 1, 0) == 1 && (asked.revents & POLLHUP);
  };
  CHECK(f.until([&] { return std::ranges::all_of(peers, hung_up); }));
}

TEST_CASE_TEMPLATE("what a batch has written to a peer that is gone is no error but the stream's own", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = socket_pair();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(3));
  in_a_batch(f, [&] {
    pair.theirs.reset();
    write(*stream, "to nobody");
  });
  CHECK(f.until([&] { return !f.seen.closed.empty(); }));
  CHECK(f.seen.closed[0].first == client(3));
  CHECK(write(*stream, "more").status == IoResult::Status::failed);
}

TEST_CASE("what was sent is nothing to wake up for on io_uring: the next turn lasts until somebody answers") {
  LoopFixture f(OnUring::kind());
  if (OnUring::kind() != LoopKind::io_uring) return;
  SocketPair pair = socket_pair();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(1));
  f.settle();
  f.seen.when_bytes = [&](Token, Bytes) { (void)write(*stream, "answer"); };
  send_all(pair.theirs, "question");
  f.loop.turn(seconds(5));
  REQUIRE(f.seen.received == "question");
  f.seen.when_bytes = nullptr;
  std::thread peer([&] {
    pollfd waits{pair.theirs.get(), POLLIN, 0};
    (void)::poll(&waits, 1, 5000);
    std::this_thread::sleep_for(milliseconds(20));
    send_all(pair.theirs, ", next");
  });
  f.loop.turn(seconds(5));
  peer.join();
  CHECK(f.seen.received == "question, next");
}

// In both the loop is called as often as it needs to be, and would sleep for longer than the peer waits.
TEST_CASE_TEMPLATE("a stream's end follows its last words at once, though nobody says anything else", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = socket_pair(), other = socket_pair();
  auto stream = adopt(f.loop, std::move(pair.ours), client(1));
  const auto bystander = adopt(f.loop, std::move(other.ours), client(2));
  f.settle();
  SUBCASE("that is being read") {}
  SUBCASE("that is not read just then") {
    stream->pause_reading();
    send_all(pair.theirs, "unheard");
    f.settle();
  }
  f.seen.when_bytes = [&](Token, Bytes) {
    if (!stream) return;
    (void)write(*stream, "last words");
    stream.reset();
  };
  bool ended = false;
  std::thread peer([&] {
    send_all(other.theirs, "end it");
    pollfd waits{pair.theirs.get(), POLLRDHUP, 0};
    ended = ::poll(&waits, 1, 3000) == 1;
    send_all(other.theirs, "over");
  });
  while (!f.seen.received.ends_with("over")) f.loop.turn(seconds(20));
  peer.join();
  CHECK(ended);
  CHECK(drain(pair.theirs) == "last words");
}

TEST_CASE_TEMPLATE("what a socket has no room for follows as soon as it has, though nobody says anything else", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = socket_pair(), other = socket_pair();
  const Fd ours(dup(pair.ours.get()));
  const auto stream = adopt(f.loop, std::move(pair.ours), client(1));
  const auto bystander = adopt(f.loop, std::move(other.ours), client(2));
  f.settle();
  f.seen.when_bytes = [&](Token token, Bytes) {
    if (token == client(2)) return;
    fill(ours);
    // epoll takes none of it, and says when it would.
    if (write(*stream, "!").status != IoResult::Status::ok) f.seen.when_writable = [&](Token) { (void)write(*stream, "!"); };
  };
  bool came = false;
  std::thread peer([&] {
    send_all(pair.theirs, "go");
    std::this_thread::sleep_for(milliseconds(50));
    pollfd waits{pair.theirs.get(), POLLIN, 0};
    while (!came && ::poll(&waits, 1, 3000) == 1) came = drain(pair.theirs).ends_with("!");
    send_all(other.theirs, "over");
  });
  while (!f.seen.received.ends_with("over")) f.loop.turn(seconds(20));
  peer.join();
  CHECK(came);
}

TEST_CASE_TEMPLATE("a busy worker lets others run before it waits, on io_uring, and all is said", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  Crowd crowd(f, 20);
  f.settle();
  f.seen.when_bytes = [&](Token token, Bytes bytes) { (void)write(*crowd.streams[token.index], as_text(bytes)); };
  for (int round = 0; round < 200; ++round) {
    for (const SocketPair& pair : crowd.pairs) send_all(pair.theirs, "x");
    for (const SocketPair& pair : crowd.pairs) {
      std::string heard;
      REQUIRE(f.until([&] { return !(heard = drain(pair.theirs)).empty(); }));
      CHECK(heard == "x");
    }
  }
  CHECK((f.loop.counters().yields > 0) == (On::kind() == LoopKind::io_uring));
}

// Little room, so that some of the small ones are taken in part.
TEST_CASE_TEMPLATE("small messages into a narrow socket arrive whole and in order", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = tcp_pair(), other = socket_pair();
  const int least = 1;
  (void)setsockopt(pair.ours.get(), SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
  (void)setsockopt(pair.theirs.get(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
  const auto stream = adopt(f.loop, std::move(pair.ours), client(1), true);
  const auto bystander = adopt(f.loop, std::move(other.ours), client(2));
  f.settle();
  std::string said, owed, heard;
  const auto say = [&] {
    const IoResult result = write(*stream, owed);
    if (result.status == IoResult::Status::ok) owed.erase(0, result.wrote);
  };
  bool blocked = false;
  f.seen.when_bytes = [&](Token, Bytes) {
    if (blocked) return;
    for (int i = 0; i < 3; ++i) owed += std::to_string(said.size() + owed.size()) + std::string(300 + said.size() % 37, '.');
    said += owed;
    say();
    blocked = !owed.empty();
  };
  f.seen.when_writable = [&](Token) {
    say();
    blocked = !owed.empty();
  };
  for (int round = 0; round < 2000; ++round) {
    send_all(other.theirs, "x");
    f.loop.turn(milliseconds(round % 50 == 0 ? 1 : 0));
    if (round % 7 == 0) heard += drain(pair.theirs);
  }
  CHECK(f.until([&] {
    heard += drain(pair.theirs);
    return heard.size() == said.size();
  }));
  CHECK(heard == said);
  CHECK(f.loop.counters().short_writes > 0);
}
