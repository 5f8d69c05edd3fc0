#include "proxy/net/socket_loop.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <thread>

#include "tests/net/loop_fixture.h"

using namespace pgweir;
using namespace pgweir::test;

TEST_CASE_TEMPLATE("bytes arrive whole and in order, one report per receive", On, OnEpoll,
                   OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = tcp_pair();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(7), true);
  const std::string text = numbered(200'000);
  std::thread sender([&] {
    fcntl(pair.theirs.get(), F_SETFL, 0);
    send_all(pair.theirs, text);
  });
  CHECK(f.until([&] { return f.seen.received.size() >= text.size(); }));
  sender.join();
  CHECK(f.seen.received == text);
  CHECK(f.loop.counters().receives == static_cast<std::uint64_t>(f.seen.deliveries));
  CHECK(f.seen.turn_ends == f.seen.deliveries);
}

TEST_CASE_TEMPLATE(
    "a short transaction costs two receives, two sends and no change of what is watched", On,
    OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair c = socket_pair(), s = socket_pair();
  const auto to_client = adopt(f.loop, std::move(c.ours), client(1));
  const auto to_server = adopt(f.loop, std::move(s.ours), server(1));
  f.seen.when_bytes = [&](Token token, Bytes bytes) {
    write(token == client(1) ? *to_server : *to_client, as_text(bytes));
  };
  f.settle();
  const LoopCounters before = f.loop.counters();
  send_all(c.theirs, "query");
  f.settle();
  REQUIRE(drain(s.theirs) == "query");
  send_all(s.theirs, "reply");
  f.settle();
  REQUIRE(drain(c.theirs) == "reply");
  CHECK(f.loop.counters().receives - before.receives == 2);
  CHECK(f.loop.counters().sends - before.sends == 2);
  CHECK(f.loop.counters().changes == before.changes);
}

TEST_CASE_TEMPLATE("a short write is followed by one on_writable, and by none after that", On,
                   OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = socket_pair();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(1));
  const std::string text = numbered(4'000'000);
  const IoResult first = write(*stream, text);
  CHECK(first.status == IoResult::Status::ok);
  REQUIRE(first.wrote < text.size());
  const IoResult second = write(*stream, std::string_view(text).substr(first.wrote));
  CHECK(second.status == IoResult::Status::would_block);
  f.loop.turn(milliseconds(0));
  CHECK(f.seen.writables == 0);
  CHECK(drain(pair.theirs) == text.substr(0, first.wrote));
  f.settle();
  CHECK(f.seen.writables == 1);
  f.settle();
  CHECK(f.seen.writables == 1);
}

TEST_CASE_TEMPLATE("an outbox of several parts drains through on_writable without a loss", On,
                   OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = tcp_pair();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(1), true);
  const std::string text = numbered(8'000'000);
  std::size_t sent = 0;
  const auto push = [&] {
    for (;;) {
      const std::size_t half = (text.size() - sent) / 2;
      iovec parts[2] = {{const_cast<char*>(text.data() + sent), half},
                        {const_cast<char*>(text.data() + sent + half), text.size() - sent - half}};
      const IoResult result = stream->try_write(parts);
      sent += result.wrote;
      if (sent == text.size() || result.status != IoResult::Status::ok) return;
    }
  };
  f.seen.when_writable = [&](Token) { push(); };
  push();
  std::string arrived;
  CHECK(f.until([&] {
    arrived += drain(pair.theirs);
    return arrived.size() == text.size();
  }));
  CHECK(arrived == text);
}

TEST_CASE_TEMPLATE("a paused stream reports no bytes and loses none", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = socket_pair();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(1));
  stream->pause_reading();
  send_all(pair.theirs, "held");
  f.settle();
  CHECK(f.seen.received.empty());
  stream->resume_reading();
  f.settle();
  CHECK(f.seen.received == "held");
}

TEST_CASE_TEMPLATE("bytes that came while paused travel with the stream to its next loop", On,
                   OnEpoll, OnUring) {
  LoopFixture f(On::kind()), next(On::kind());
  SocketPair pair = tcp_pair();
  auto stream = adopt(f.loop, std::move(pair.ours), client(1), true);
  f.settle();
  stream->pause_reading();
  send_all(pair.theirs, "held, ");
  f.settle();
  send_all(pair.theirs, "late, ");
  std::unique_ptr<Detached> socket = stream->detach();
  stream.reset();
  f.settle();
  stream = next.loop.adopt(std::move(socket), client(2));
  send_all(pair.theirs, "new");
  CHECK(next.until([&] { return next.seen.received.size() >= 15; }));
  CHECK(next.seen.received == "held, late, new");
  CHECK(f.seen.received.empty());
}

TEST_CASE_TEMPLATE("a session that pauses at every report loses and reorders nothing", On, OnEpoll,
                   OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = tcp_pair();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(1), true);
  const std::string text = numbered(5'000'000);
  bool paused = false;
  f.seen.when_bytes = [&](Token, Bytes) {
    CHECK_FALSE(paused);
    paused = true;
    stream->pause_reading();
  };
  std::thread sender([&] {
    fcntl(pair.theirs.get(), F_SETFL, 0);
    send_all(pair.theirs, text);
    pair.theirs.reset();
  });
  CHECK(f.until([&] {
    if (paused) {
      paused = false;
      stream->resume_reading();
    }
    return !f.seen.closed.empty();
  }));
  sender.join();
  CHECK((f.seen.received == text));
}

TEST_CASE_TEMPLATE("pausing and resuming without traffic costs no system call", On, OnEpoll,
                   OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = socket_pair();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(1));
  f.settle();
  const std::uint64_t before = f.loop.counters().changes;
  for (int round = 0; round < 10; ++round) {
    stream->pause_reading();
    f.loop.turn(milliseconds(0));
    stream->resume_reading();
    f.loop.turn(milliseconds(0));
  }
  CHECK(f.loop.counters().changes == before);
}

TEST_CASE_TEMPLATE("the loop sleeps while a paused stream has unread bytes or a peer that hung up",
                   On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = socket_pair();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(1));
  stream->pause_reading();
  send_all(pair.theirs, "last words");
  SUBCASE("unread bytes") {}
  SUBCASE("unread bytes and hang-up") {
    pair.theirs.reset();
  }
  for (int turns = 0; turns < 3; ++turns) f.loop.turn(milliseconds(0));
  // The kernel still signals the end of io_urings that earlier cases have closed, which cuts waits short, on epoll too.
  // Who spins does so in every period; who sleeps does so at least in one.
  std::uint64_t fewest = ~std::uint64_t{0};
  for (int period = 0; period < 5; ++period) {
    const std::uint64_t waits = f.loop.counters().waits;
    for (const TimePoint end = monotonic_now() + milliseconds(30); monotonic_now() < end;) {
      f.loop.turn(milliseconds(30));
    }
    fewest = std::min(fewest, f.loop.counters().waits - waits);
  }
  CHECK(fewest <= 4);
  CHECK(f.seen.closed.empty());
}

TEST_CASE_TEMPLATE("the last words of a peer that hung up while we paused are still heard", On,
                   OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair;
  SUBCASE("unix") {
    pair = socket_pair();
  }
  SUBCASE("tcp") {
    pair = tcp_pair();
  }
  const auto stream = adopt(f.loop, std::move(pair.ours), server(1));
  stream->pause_reading();
  send_all(pair.theirs, "FATAL");
  pair.theirs.reset();
  f.settle();
  CHECK(f.seen.received.empty());
  stream->resume_reading();
  CHECK(f.until([&] { return !f.seen.closed.empty(); }));
  CHECK(f.seen.received == "FATAL");
  CHECK(f.seen.closed.size() == 1);
}

TEST_CASE_TEMPLATE("a paused stream with nothing unread reports a full hang-up", On, OnEpoll,
                   OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = socket_pair();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(1));
  stream->pause_reading();
  pair.theirs.reset();
  CHECK(f.until([&] { return f.seen.closed.size() == 1; }));
}

TEST_CASE_TEMPLATE("a half close is an orderly end, reported once, and our writes still go out", On,
                   OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = tcp_pair();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(3), true);
  send_all(pair.theirs, "bye");
  shutdown(pair.theirs.get(), SHUT_WR);
  CHECK(f.until([&] { return !f.seen.closed.empty(); }));
  f.settle();
  CHECK(f.seen.received == "bye");
  REQUIRE(f.seen.closed.size() == 1);
  CHECK(f.seen.closed[0] == std::pair{client(3), 0});
  CHECK(write(*stream, "answer").status == IoResult::Status::ok);
  f.settle();
  CHECK(drain(pair.theirs) == "answer");
}

TEST_CASE_TEMPLATE("a reset is reported with its errno", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = tcp_pair();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(1), true);
  const linger hard{1, 0};
  setsockopt(pair.theirs.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  pair.theirs.reset();
  CHECK(f.until([&] { return !f.seen.closed.empty(); }));
  CHECK(f.seen.closed[0].second == ECONNRESET);
  CHECK(write(*stream, "x").status == IoResult::Status::failed);
}

TEST_CASE_TEMPLATE("a stream destroyed by an earlier event of the same batch gets no event", On,
                   OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair a = socket_pair(), b = socket_pair();
  auto first = adopt(f.loop, std::move(a.ours), client(1));
  auto second = adopt(f.loop, std::move(b.ours), client(2));
  f.seen.when_bytes = [&](Token token, Bytes) { (token == client(1) ? second : first).reset(); };
  send_all(a.theirs, "x");
  send_all(b.theirs, "x");
  f.settle();
  CHECK(f.seen.deliveries == 1);
}

TEST_CASE_TEMPLATE("a stream may be destroyed inside its own events", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = socket_pair();
  auto stream = adopt(f.loop, std::move(pair.ours), client(1));
  SUBCASE("on_bytes") {
    f.seen.when_bytes = [&](Token, Bytes) { stream.reset(); };
    send_all(pair.theirs, "x");
  }
  SUBCASE("on_closed") {
    f.seen.when_closed = [&](Token) { stream.reset(); };
    pair.theirs.reset();
  }
  SUBCASE("on_writable, with bytes to read") {
    f.seen.when_writable = [&](Token) { stream.reset(); };
    write(*stream, numbered(4'000'000));
    drain(pair.theirs);
    send_all(pair.theirs, "x");
  }
  CHECK(f.until([&] { return !stream; }));
  f.settle();
}

TEST_CASE_TEMPLATE(
    "a write to a peer that hung up with our outbox full fails instead of waiting for ever", On,
    OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = socket_pair();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(1));
  write(*stream, numbered(4'000'000));
  stream->pause_reading();
  send_all(pair.theirs, "unread");
  f.settle();
  IoResult last;
  f.seen.when_writable = [&](Token) { last = write(*stream, "more"); };
  pair.theirs.reset();
  CHECK(f.until([&] { return f.seen.writables == 1; }));
  // One that leaves with the next wait is heard of by the one behind it.
  if (last.status == IoResult::Status::ok) {
    f.settle();
    last = write(*stream, "more");
  }
  CHECK(last.status == IoResult::Status::failed);
}

TEST_CASE_TEMPLATE("what a write has taken arrives, also when its stream ends at once with the socket full", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = socket_pair();
  const std::string filling(1 << 16, '.');
  while (::send(pair.ours.get(), filling.data(), filling.size(), MSG_DONTWAIT) > 0) {
  }
  auto stream = adopt(f.loop, std::move(pair.ours), client(1));
  const IoResult result = write(*stream, "last words");
  stream.reset();
  f.settle();
  std::string got;
  const auto read_on = [&] {
    char bytes[1 << 16];
    const ssize_t size = ::recv(pair.theirs.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    if (size > 0) got.append(bytes, static_cast<std::size_t>(size));
    return size == 0;
  };
  CHECK(f.until(read_on));
  CHECK(got.ends_with(std::string_view("last words").substr(0, result.wrote)));
  CHECK(got.find('l') == (result.wrote > 0 ? got.size() - result.wrote : std::string::npos));
}

TEST_CASE_TEMPLATE("adopting a TCP socket switches Nagle off and applies the settings", On, OnEpoll,
                   OnUring) {
  LoopFixture f(On::kind());
  SocketOptions options;
  options.tcp_keepidle = 77;
  options.tcp_user_timeout = 1234;
  f.loop.set_options(options);
  SocketPair pair = tcp_pair();
  const int fd = pair.ours.get();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(1), true);
  const auto value = [fd](int level, int name) {
    int got = -1;
    socklen_t size = sizeof got;
    getsockopt(fd, level, name, &got, &size);
    return got;
  };
  CHECK(value(IPPROTO_TCP, TCP_NODELAY) == 1);
  CHECK(value(SOL_SOCKET, SO_KEEPALIVE) == 1);
  CHECK(value(IPPROTO_TCP, TCP_KEEPIDLE) == 77);
  CHECK(value(IPPROTO_TCP, TCP_USER_TIMEOUT) == 1234);
}

TEST_CASE_TEMPLATE("a stream whose peer is gone has a remote end without an address", On, OnEpoll,
                   OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = tcp_pair();
  const linger hard{1, 0};
  setsockopt(pair.theirs.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  pair.theirs.reset();
  std::this_thread::sleep_for(milliseconds(5));
  const auto stream = adopt(f.loop, std::move(pair.ours), client(1), true);
  CHECK(stream->remote().family == Endpoint::Family::inet);
  CHECK(stream->remote().address.empty());
  CHECK(stream->local().address == "127.0.0.1");
}
