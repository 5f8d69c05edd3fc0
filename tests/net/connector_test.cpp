#include "proxy/net/connector.h"

#include <doctest/doctest.h>
#include <spdlog/fmt/fmt.h>

#include <atomic>
#include <thread>

#include "proxy/net/listener.h"
#include "tests/net/loop_fixture.h"
#include "tests/net/temp_dir.h"

using namespace pgweir;
using namespace pgweir::test;

namespace {

struct ConnectorFixture : LoopFixture {
  using LoopFixture::LoopFixture;
  Resolver resolver;
  TempDir dir;
  SocketConnector connector{loop, resolver, dir.path};

  bool answered() const { return seen.connected.size() + seen.refused.size() > 0; }
};

ListenResult listen_on(const std::string& address, const std::string& dir = {},
                       std::uint16_t port = 0) {
  ListenSettings settings;
  if (!address.empty()) settings.listen_addr = {address};
  settings.listen_port = port;
  settings.unix_socket_dir = dir;
  settings.tcp_defer_accept = 0;
  return open_listeners(settings);
}

std::uint16_t port_of(const ListenResult& open) {
  return local_endpoint(open.listeners[0].fd()).port;
}

}  // namespace

TEST_CASE_TEMPLATE("a numeric address connects, on a later turn, to a stream that bears the token",
                   On, OnEpoll, OnUring) {
  ConnectorFixture f(On::kind());
  const ListenResult open = listen_on("127.0.0.1");
  f.connector.connect({"127.0.0.1", port_of(open)}, server(4));
  CHECK_FALSE(f.answered());
  REQUIRE(f.until([&] { return f.answered(); }));
  REQUIRE(f.seen.connected.size() == 1);
  CHECK(f.seen.connected[0].first == server(4));
  Stream& stream = *f.seen.connected[0].second;
  CHECK(stream.remote().port == port_of(open));
  const Fd peer(accept(open.listeners[0].fd(), nullptr, nullptr));
  send_all(peer, "R");
  CHECK(f.until([&] { return f.seen.received == "R"; }));
  CHECK(write(stream, "ok").wrote == 2);
}

TEST_CASE_TEMPLATE("a name connects", On, OnEpoll, OnUring) {
  ConnectorFixture f(On::kind());
  const ListenResult open = listen_on("127.0.0.1");
  f.connector.connect({"localhost", port_of(open)}, server(1));
  REQUIRE(f.until([&] { return f.answered(); }));
  REQUIRE(f.seen.connected.size() == 1);
  CHECK(f.seen.connected[0].second->remote().address == "127.0.0.1");
}

TEST_CASE_TEMPLATE("a refused connect is 'connect failed'", On, OnEpoll, OnUring) {
  ConnectorFixture f(On::kind());
  std::uint16_t port = 0;
  port = port_of(listen_on("127.0.0.1"));  // free again
  std::string host;
  SUBCASE("numeric") {
    host = "127.0.0.1";
  }
  SUBCASE("all addresses of a name") {
    host = "localhost";
  }
  SUBCASE("no unix socket there") {
    host = "";
  }
  SUBCASE("a path too long") {
    host = "/" + std::string(200, 'x');
  }
  f.connector.connect({host, port}, server(2));
  CHECK_FALSE(f.answered());
  REQUIRE(f.until([&] { return f.answered(); }));
  REQUIRE(f.seen.refused.size() == 1);
  CHECK(f.seen.refused[0] == std::pair{server(2), std::string("connect failed")});
}

TEST_CASE_TEMPLATE("a name that does not exist is a failed DNS lookup, and is remembered as such",
                   On, OnEpoll, OnUring) {
  ConnectorFixture f(On::kind());
  f.connector.connect({"no-such-host.invalid", 5432}, server(1));
  REQUIRE(f.until([&] { return f.answered(); }, seconds(30)));
  REQUIRE(f.seen.refused.size() == 1);
  CHECK(f.seen.refused[0].second == "server DNS lookup failed");
  REQUIRE(f.resolver.state().hosts.size() == 1);
  CHECK(f.resolver.state().hosts[0].name == "no-such-host.invalid");
  CHECK(f.resolver.state().hosts[0].addresses.empty());
  CHECK(f.resolver.state().hosts[0].ttl > seconds(10));
}

TEST_CASE_TEMPLATE("unix sockets are met by directory, by default directory and by abstract name",
                   On, OnEpoll, OnUring) {
  ConnectorFixture f(On::kind());
  const TempDir elsewhere;
  std::string host, dir;
  SUBCASE("default") {
    dir = f.dir.path;
  }
  SUBCASE("directory") {
    host = dir = elsewhere.path;
  }
  SUBCASE("abstract") {
    host = dir = fmt::format("@pgweir-connect-{}", getpid());
  }
  const ListenResult open = listen_on("", dir, 5544);
  REQUIRE(open.error.empty());
  f.connector.connect({host, 5544}, server(1));
  REQUIRE(f.until([&] { return f.answered(); }));
  REQUIRE(f.seen.connected.size() == 1);
  const Endpoint remote = f.seen.connected[0].second->remote();
  CHECK(remote.address == dir + "/.s.PGSQL.5544");
  CHECK(remote.peer_pid == static_cast<std::uint32_t>(getpid()));
}

TEST_CASE_TEMPLATE("a full backlog of a unix socket is waited for", On, OnEpoll, OnUring) {
  ConnectorFixture f(On::kind());
  ListenSettings settings;
  settings.unix_socket_dir = f.dir.path;
  settings.backlog = 0;
  const ListenResult open = open_listeners(settings);
  for (std::uint32_t number = 0; number < 4; ++number) {
    f.connector.connect({"", 6432}, server(number));
  }
  const TimePoint end = monotonic_now() + milliseconds(100);
  f.until([&] { return monotonic_now() > end; });
  CHECK(f.seen.refused.empty());
  REQUIRE(f.seen.connected.size() < 4);
  CHECK(f.until([&] {
    Fd(accept4(open.listeners[0].fd(), nullptr, nullptr, SOCK_NONBLOCK)).reset();
    return f.seen.connected.size() == 4;
  }));
}

TEST_CASE_TEMPLATE("an abandoned connect gets no answer", On, OnEpoll, OnUring) {
  ConnectorFixture f(On::kind());
  const ListenResult open = listen_on("127.0.0.1");
  std::string host;
  SUBCASE("numeric") {
    host = "127.0.0.1";
  }
  SUBCASE("name") {
    host = "localhost";
  }
  f.connector.connect({host, port_of(open)}, server(1));
  SUBCASE("at once") {}
  SUBCASE("after its first turn") {
    f.loop.turn(milliseconds(1));
  }
  const bool came_first = f.answered();
  f.connector.abandon(server(1));
  const TimePoint end = monotonic_now() + milliseconds(60);
  f.until([&] { return monotonic_now() > end; });
  CHECK(f.answered() == came_first);
}

TEST_CASE_TEMPLATE("a resolver's answer to a loop that has ended is harmless", On, OnEpoll,
                   OnUring) {
  Resolver resolver;
  {
    LoopFixture f(On::kind());
    SocketConnector connector(f.loop, resolver, "");
    connector.connect({"localhost", 1}, server(1));
  }
  std::atomic<bool> answered{false};
  resolver.resolve("localhost", [&](DnsAnswer answer) { answered = !answer.addresses.empty(); });
  for (int count = 0; count < 500 && !answered; ++count) {
    std::this_thread::sleep_for(milliseconds(10));
  }
  CHECK(answered);
}
