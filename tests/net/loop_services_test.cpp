#include <doctest/doctest.h>

#include <thread>

#include "tests/net/loop_fixture.h"

using namespace pgweir;
using namespace pgweir::test;

TEST_CASE_TEMPLATE("many wakes before the loop looks are one on_wake", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  std::thread other([&] {
    for (int count = 0; count < 1000; ++count) f.loop.wake();
  });
  other.join();
  f.settle();
  CHECK(f.seen.wakes == 1);
  f.loop.wake();
  f.settle();
  CHECK(f.seen.wakes == 2);
}

TEST_CASE_TEMPLATE("a wake during the wait ends it", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  std::thread other([&] {
    std::this_thread::sleep_for(milliseconds(20));
    f.loop.wake();
  });
  const TimePoint start = monotonic_now();
  for (int turns = 0; f.seen.wakes == 0 && turns < 4; ++turns) f.loop.turn(seconds(30));
  other.join();
  CHECK(f.seen.wakes == 1);
  CHECK(monotonic_now() - start < seconds(20));
}

TEST_CASE_TEMPLATE("letters from several threads all arrive, each sender's in order", On, OnEpoll,
                   OnUring) {
  LoopFixture f(On::kind());
  std::vector<int> last(3, -1);
  bool in_order = true;
  std::vector<std::thread> senders;
  for (std::size_t who = 0; who < 3; ++who) {
    senders.emplace_back([&, who] {
      for (int number = 0; number < 500; ++number) {
        f.loop.mailbox()->post([&, who, number] {
          in_order = in_order && last[who] + 1 == number;
          last[who] = number;
        });
      }
    });
  }
  CHECK(f.until([&] { return last == std::vector<int>{499, 499, 499}; }));
  for (auto& sender : senders) sender.join();
  CHECK(in_order);
}

TEST_CASE_TEMPLATE("ticks come at their period, idle and under load", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = socket_pair();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(1));
  SUBCASE("idle") {}
  SUBCASE("under load") {
    f.seen.when_bytes = [&](Token, Bytes) { send_all(pair.theirs, "again"); };
    send_all(pair.theirs, "again");
  }
  f.loop.tick_every(milliseconds(20));
  const TimePoint start = monotonic_now();
  CHECK(f.until([&] { return f.seen.ticks == 5; }));
  const Duration took = monotonic_now() - start;
  CHECK(took >= milliseconds(99));
  CHECK(took < seconds(4));
}

TEST_CASE_TEMPLATE("an alarm rings once, not early, and before a longer wait is over", On, OnEpoll,
                   OnUring) {
  LoopFixture f(On::kind());
  int rang = 0;
  const TimePoint start = f.loop.now();
  f.loop.run_after(milliseconds(30), [&] { ++rang; });
  CHECK(f.until([&] { return rang == 1; }));
  CHECK(f.loop.now() - start >= milliseconds(30));
  f.settle();
  CHECK(rang == 1);
}

TEST_CASE_TEMPLATE("each alarm of the worker's comes once, soon after its time", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  const TimePoint start = f.loop.now();
  f.loop.alarm_in(milliseconds(10));
  f.loop.alarm_in(milliseconds(30));
  CHECK(f.until([&] { return f.seen.alarms == 1; }));
  CHECK(f.loop.now() - start >= milliseconds(10));
  CHECK(f.until([&] { return f.seen.alarms == 2; }));
  CHECK(f.loop.now() - start >= milliseconds(30));
  f.settle();
  CHECK(f.seen.alarms == 2);
}

TEST_CASE_TEMPLATE("run ends on stop from another thread, and at once when stopped before", On,
                   OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  std::thread other([&] {
    std::this_thread::sleep_for(milliseconds(10));
    f.loop.stop();
  });
  f.loop.run();
  other.join();
  f.loop.run();
  CHECK(f.seen.closed.empty());
}
