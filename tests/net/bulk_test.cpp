// Streams of which much comes at once, and that are paused meanwhile.
#include <doctest/doctest.h>

#include "tests/net/loop_fixture.h"

using namespace pgweir;
using namespace pgweir::test;

TEST_CASE_TEMPLATE("of what comes in bulk a paused stream leaves in the socket what it has not reported, and hears it later",
                   On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = tcp_pair();
  auto stream = adopt(f.loop, std::move(pair.ours), client(1), true);
  const std::string text = numbered(1'000'000);
  std::size_t sent = 0;
  const auto push = [&] {
    const ssize_t count = ::send(pair.theirs.get(), text.data() + sent, text.size() - sent, MSG_DONTWAIT);
    if (count > 0) sent += static_cast<std::size_t>(count);
  };
  CHECK(f.until([&] {
    push();
    return f.seen.received.size() > 600'000;
  }));
  stream->pause_reading();
  f.settle();
  push();
  f.settle();
  const std::uint64_t changes = f.loop.counters().changes;
  for (int turns = 0; turns < 3; ++turns) f.loop.turn(milliseconds(2));
  CHECK(f.loop.counters().changes == changes);  // nobody asks again for what nobody wants
  const std::size_t heard = f.seen.received.size();
  REQUIRE(sent > heard);
  SUBCASE("resumed") {
    stream->resume_reading();
  }
  SUBCASE("resumed, paused and resumed") {
    stream->resume_reading();
    stream->pause_reading();
    f.settle();
    CHECK(f.seen.received.size() == heard);
    stream->resume_reading();
  }
  SUBCASE("taken to another loop, which finds everything in the socket") {
    const std::unique_ptr<Detached> socket = stream->detach();
    CHECK(dynamic_cast<DetachedSocket&>(*socket).unread.empty());
    stream = f.loop.adopt(std::make_unique<DetachedSocket>(std::move(dynamic_cast<DetachedSocket&>(*socket))), client(2));
  }
  SUBCASE("the peer has gone") {
    pair.theirs.reset();
    f.settle();
    CHECK(f.seen.closed.empty());
    stream->resume_reading();
    CHECK(f.until([&] { return !f.seen.closed.empty(); }));
    CHECK((f.seen.received == text.substr(0, sent)));
    return;
  }
  CHECK(f.until([&] {
    push();
    return f.seen.received.size() == text.size();
  }));
  CHECK((f.seen.received == text));
}

TEST_CASE_TEMPLATE("a stream that has had bulk goes back to what short messages cost", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = tcp_pair();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(1), true);
  send_all(pair.theirs, numbered(500'000));
  f.settle();
  const auto hear_one = [&] {
    f.seen.received.clear();
    send_all(pair.theirs, "short");
    CHECK(f.until([&] { return f.seen.received == "short"; }));
  };
  for (int count = 0; count < 20; ++count) hear_one();
  f.settle();
  const std::uint64_t changes = f.loop.counters().changes;
  hear_one();
  f.settle();
  CHECK(f.loop.counters().changes == changes);
}
