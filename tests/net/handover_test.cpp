#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "tests/net/loop_fixture.h"

using namespace pgweir;
using namespace pgweir::test;

namespace {

// A worker of one stream: echoes it, and after each few deliveries gives it to the other one.
struct Hop : Recorder {
  std::unique_ptr<SocketLoop> owned;
  SocketLoop& loop = *owned;
  Hop* other = nullptr;
  std::unique_ptr<Stream> stream;
  std::unique_ptr<Detached> leaving;
  int handed_over = 0;
  std::string outbox;

  explicit Hop(LoopKind kind) : owned(make_loop(kind)) { loop.report_to(*this); }

  void on_bytes(Token, Bytes bytes) override {
    outbox += as_text(bytes);
    flush();
  }
  void on_writable(Token) override { flush(); }
  void flush() {
    outbox.erase(0, write(*stream, outbox).wrote);
    if (outbox.empty() && ++deliveries % 3 == 0) leaving = stream->detach();
  }
  void on_turn_end() override {
    if (!leaving) return;
    stream.reset();
    ++handed_over;
    other->loop.mailbox()->post([to = other, socket = leaving.release()] {
      to->stream = to->loop.adopt(std::unique_ptr<Detached>(socket), client(1));
    });
  }
};

}  // namespace

TEST_CASE_TEMPLATE("a stream that hops between two loops in two threads loses no byte", On, OnEpoll,
                   OnUring) {
  SocketPair pair = tcp_pair();
  Hop here(On::kind()), there(On::kind());
  here.other = &there;
  there.other = &here;
  here.stream = adopt(here.loop, std::move(pair.ours), client(1), true);
  std::thread first([&] { here.loop.run(); }), second([&] { there.loop.run(); });

  const std::string text = numbered(3'000'000);
  std::size_t sent = 0;
  std::string echoed;
  const TimePoint end = monotonic_now() + seconds(20);
  while (echoed.size() < text.size() && monotonic_now() < end) {
    const std::size_t piece = std::min<std::size_t>(text.size() - sent, 5000);
    const ssize_t took = send(pair.theirs.get(), text.data() + sent, piece, MSG_NOSIGNAL);
    if (took > 0) sent += static_cast<std::size_t>(took);
    echoed += drain(pair.theirs);
  }
  here.loop.stop();
  there.loop.stop();
  first.join();
  second.join();
  CHECK(echoed == text);
  CHECK(here.handed_over > 10);
  CHECK(there.handed_over > 10);
}
