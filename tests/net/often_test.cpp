// Who sends often is known to an io_uring by a number, and the ring keeps open what it knows: the peer must see the end of the
// connection all the same, however it comes. Each case sends more often than it takes to get known.
#include <poll.h>

#include <filesystem>
#include <fstream>

#include "tests/net/loop_fixture.h"

using namespace pgweir;
using namespace pgweir::test;

namespace {

constexpr int often = 200;

std::string send_often(LoopFixture& f, Stream& stream) {
  std::string all;
  for (int number = 0; number < often; ++number) {
    const std::string piece = std::to_string(number) + ",";
    CHECK(write(stream, piece).wrote == piece.size());
    all += piece;
    f.loop.turn(milliseconds(0));
  }
  return all;
}

// How many sockets the io_urings of this process know: the kernel lists them, older ones the empty places as well.
int known_sockets() {
  int known = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry, gone) != "anon_inode:[io_uring]") continue;
    std::ifstream info("/proc/self/fdinfo/" + entry.path().filename().string());
    bool listed = false;
    for (std::string line; std::getline(info, line);) {
      if (line.starts_with("UserBufs")) listed = false;
      known += listed && line.find("<none>") == line.npos;
      if (line.starts_with("UserFiles")) listed = true;
    }
  }
  return known;
}

// So that the kernel has said its last word on what has ended.
void turn_often(LoopFixture& f) {
  for (int turn = 0; turn < 5; ++turn) f.loop.turn(milliseconds(5));
}

// The end has come, and nothing else; nobody turns a loop meanwhile.
bool has_ended(const Fd& socket) {
  pollfd readable{socket.get(), POLLIN, 0};
  char byte;
  return poll(&readable, 1, 5000) == 1 && ::recv(socket.get(), &byte, 1, MSG_DONTWAIT) == 0;
}

}  // namespace

TEST_CASE_TEMPLATE("what is sent often arrives in order", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = tcp_pair();
  const auto stream = adopt(f.loop, std::move(pair.ours), client(1), true);
  const std::string sent = send_often(f, *stream);
  CHECK(drain(pair.theirs) == sent);
  CHECK(known_sockets() == (On::kind() == LoopKind::io_uring ? 1 : 0));
}

TEST_CASE_TEMPLATE("the peer of a stream that has sent often sees its end", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  SocketPair pair = tcp_pair();
  auto stream = adopt(f.loop, std::move(pair.ours), client(1), true);
  send_often(f, *stream);
  drain(pair.theirs);
  SUBCASE("when it ends") {
    stream.reset();
    turn_often(f);
  }
  SUBCASE("when it ends with something still to be sent") {
    write(*stream, "!");
    stream.reset();
    turn_often(f);
    CHECK(drain(pair.theirs) == "!");
  }
  SUBCASE("when it has ended itself first") {
    ::shutdown(pair.theirs.get(), SHUT_WR);
    CHECK(f.until([&] { return !f.seen.closed.empty(); }));
    stream.reset();
    turn_often(f);
  }
  SUBCASE("when it ends after the last turn of its loop") {
    f.loop.send_what_is_queued();
    stream.reset();
    f.owned.reset();
  }
  SUBCASE("when it has gone to another loop and ends there") {
    LoopFixture other(On::kind());
    auto moved = other.loop.adopt(stream->detach(), client(1));
    const std::string sent = send_often(other, *moved);
    CHECK(drain(pair.theirs) == sent);
    moved.reset();
    turn_often(other);
  }
  SUBCASE("when it has gone from the loop and ends without one") {
    stream->detach().reset();
  }
  CHECK(has_ended(pair.theirs));
  CHECK(known_sockets() == 0);
}

TEST_CASE_TEMPLATE("streams that send often take each other's place, and none sends to the other's peer", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  for (std::uint32_t round = 0; round < 3; ++round) {
    SocketPair one = tcp_pair(), two = tcp_pair();
    auto first = adopt(f.loop, std::move(one.ours), client(2 * round), true);
    auto second = adopt(f.loop, std::move(two.ours), client(2 * round + 1), true);
    const std::string to_one = send_often(f, *first);
    write(*second, "two");
    f.settle();
    CHECK(drain(one.theirs) == to_one);
    CHECK(drain(two.theirs) == "two");
    first.reset();
    turn_often(f);
    CHECK(send_often(f, *second) == to_one);
    CHECK(drain(two.theirs) == to_one);
  }
}
