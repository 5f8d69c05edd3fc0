#include "proxy/net/parcel_channel.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

using namespace pgweir;

namespace {

struct Ends {
  Ends() {
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    one = std::make_unique<ParcelChannel>(Fd(fds[0]));
    two = std::make_unique<ParcelChannel>(Fd(fds[1]));
  }
  std::unique_ptr<ParcelChannel> one, two;
};

}  // namespace

TEST_CASE("parcels keep their order, their bodies and their own descriptors") {
  Ends ends;
  constexpr int count = 50;
  std::thread sender([&] {
    for (int i = 0; i < count; ++i) {
      int pipe_fds[2];
      REQUIRE(pipe(pipe_fds) == 0);
      const Fd reading(pipe_fds[0]), writing(pipe_fds[1]);
      const char name = static_cast<char>('A' + i % 26);
      REQUIRE(write(writing.get(), &name, 1) == 1);
      const int given[] = {reading.get(), writing.get()};
      const std::size_t fds = static_cast<std::size_t>(i % 3);
      REQUIRE(ends.one->send(name, std::string(static_cast<std::size_t>(i) * 5000, name), std::span(given).first(fds)));
    }
  });
  for (int i = 0; i < count; ++i) {
    const auto parcel = ends.two->receive();
    REQUIRE(parcel);
    CHECK(parcel->kind == 'A' + i % 26);
    CHECK(parcel->body == std::string(static_cast<std::size_t>(i) * 5000, parcel->kind));
    REQUIRE(parcel->fds.size() == static_cast<std::size_t>(i % 3));
    char name = 0;
    if (!parcel->fds.empty()) {
      CHECK(read(parcel->fds[0].get(), &name, 1) == 1);
      CHECK(name == parcel->kind);
    }
  }
  sender.join();
}

TEST_CASE("an end that is gone is told to both who send and who wait") {
  Ends ends;
  std::thread waiting([&] { CHECK(!ends.two->receive()); });
  ends.two->shut_down();
  waiting.join();
  ends.two.reset();
  CHECK(!ends.one->receive());
  CHECK(!ends.one->send('x', "y"));
}
