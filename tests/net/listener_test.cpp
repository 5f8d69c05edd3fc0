#include "proxy/net/listener.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "proxy/core/log.h"
#include "tests/net/loop_fixture.h"
#include "tests/net/temp_dir.h"

using namespace pgweir;
using namespace pgweir::test;

namespace {

bool is_on(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, level, name, &value, &size) == 0 && value != 0;
}

ListenSettings local_only() {
  ListenSettings settings;
  settings.listen_addr = {"127.0.0.1"};
  settings.listen_port = 0;
  settings.tcp_defer_accept = 0;
  return settings;
}

ListenSettings unix_only(const std::string& dir, std::uint16_t port = 6432) {
  ListenSettings settings;
  settings.listen_port = port;
  settings.unix_socket_dir = dir;
  return settings;
}

Fd connect_to(const SocketAddress& address) {
  Fd fd(socket(address.family(), SOCK_STREAM, 0));
  return connect(fd.get(), address.raw(), address.length) == 0 ? std::move(fd) : Fd();
}

SocketAddress address_of(const Listener& listener) {
  return *numeric_address("127.0.0.1", local_endpoint(listener.fd()).port);
}

int complaints = 0;

}  // namespace

TEST_CASE_TEMPLATE("an accepted socket has the options, whether its listener has passed them on or not", On, OnEpoll, OnUring) {
  for (const bool passed_on : {true, false}) {
    for (const bool keepalive : {true, false}) {
      ListenSettings settings = local_only();
      settings.tcp_keepalive = passed_on == keepalive;
      const ListenResult open = open_listeners(settings);
      REQUIRE(open.listeners.size() == 1);
      const int off = 0;
      if (!passed_on) setsockopt(open.listeners[0].fd(), IPPROTO_TCP, TCP_NODELAY, &off, sizeof off);
      LoopFixture f(On::kind());
      SocketOptions options;
      options.tcp_keepalive = keepalive;
      f.loop.set_options(options);
      f.loop.add_listener(open.listeners[0].fd(), true);
      const Fd peer = connect_to(address_of(open.listeners[0]));
      REQUIRE(f.until([&] { return f.seen.accepted.size() == 1; }));
      const int fd = static_cast<DetachedSocket&>(*f.seen.accepted[0]).fd.get();
      CHECK(is_on(fd, IPPROTO_TCP, TCP_NODELAY));
      CHECK(is_on(fd, SOL_SOCKET, SO_KEEPALIVE) == keepalive);
    }
  }
}

TEST_CASE_TEMPLATE("what comes of a listener of a SO_REUSEPORT group hears everybody, and has the options whatever it has had", On, OnEpoll, OnUring) {
  ListenSettings settings = local_only();
  settings.so_reuseport = true;
  const ListenResult open = open_listeners(settings);
  REQUIRE(open.listeners.size() == 1);
  // Loopback's packets pass. It stands for a listener of another process, which has closed.
  const int ttl = 64, off = 0;
  REQUIRE(setsockopt(open.listeners[0].fd(), IPPROTO_IP, IP_MINTTL, &ttl, sizeof ttl) == 0);
  LoopFixture f(On::kind());
  f.loop.set_options({});
  f.loop.add_listener(open.listeners[0].fd(), true);
  for (const int option : {TCP_NODELAY, 0}) {
    if (option) setsockopt(open.listeners[0].fd(), IPPROTO_TCP, option, &off, sizeof off);
    else setsockopt(open.listeners[0].fd(), SOL_SOCKET, SO_KEEPALIVE, &off, sizeof off);
    const Fd peer = connect_to(address_of(open.listeners[0]));
    REQUIRE(f.until([&] { return f.seen.accepted.size() == 1; }));
    const int fd = static_cast<DetachedSocket&>(*f.seen.accepted[0]).fd.get();
    CHECK_FALSE(is_on(fd, IPPROTO_IP, IP_MINTTL));
    CHECK(is_on(fd, IPPROTO_TCP, TCP_NODELAY));
    CHECK(is_on(fd, SOL_SOCKET, SO_KEEPALIVE));
    f.seen.accepted.clear();
  }
}

TEST_CASE_TEMPLATE("where a client comes from is known without asking in the turn it comes, also when it has gone", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  const ListenResult open = open_listeners(local_only());
  f.loop.add_listener(open.listeners[0].fd(), true);
  std::unique_ptr<Stream> stream;
  Endpoint seen;
  f.seen.when_accepted = [&](std::unique_ptr<Detached> socket) {
    stream = f.loop.adopt(std::move(socket), client(1));
    seen = stream->remote();
  };
  Fd peer = connect_to(address_of(open.listeners[0]));
  const Endpoint ours = local_endpoint(peer.get());
  const linger reset{1, 0};
  setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  peer = Fd();
  REQUIRE(f.until([&] { return stream != nullptr; }));
  CHECK(seen.address == "127.0.0.1");
  CHECK(seen.port == ours.port);
}

TEST_CASE_TEMPLATE("a client of a TCP listener is accepted, adopted and heard", On, OnEpoll,
                   OnUring) {
  LoopFixture f(On::kind());
  const ListenResult open = open_listeners(local_only());
  REQUIRE(open.error.empty());
  REQUIRE(open.listeners.size() == 1);
  CHECK(open.opened[0] == "listening on " + open.listeners[0].name());
  f.loop.add_listener(open.listeners[0].fd(), open.listeners[0].is_tcp());
  const Fd peer = connect_to(address_of(open.listeners[0]));
  REQUIRE(f.until([&] { return f.seen.accepted.size() == 1; }));
  const auto stream = f.loop.adopt(std::move(f.seen.accepted[0]), client(1));
  send_all(peer, "hello");
  CHECK(f.until([&] { return f.seen.received == "hello"; }));
  CHECK(stream->remote().port == local_endpoint(peer.get()).port);
}

TEST_CASE_TEMPLATE("a removed listener accepts nobody", On, OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  const ListenResult open = open_listeners(local_only());
  f.loop.add_listener(open.listeners[0].fd(), true);
  const Fd peer = connect_to(address_of(open.listeners[0]));
  f.loop.remove_listener(open.listeners[0].fd());
  f.settle();
  CHECK(f.seen.accepted.empty());
}

TEST_CASE("'*' listens on all addresses of both families with one port") {
  ListenSettings settings = local_only();
  settings.listen_addr = {"*"};
  settings.listen_port = local_endpoint(open_listeners(local_only()).listeners[0].fd()).port;
  const ListenResult open = open_listeners(settings);
  REQUIRE(open.error.empty());
  CHECK(open.opened[0] == fmt::format("listening on 0.0.0.0:{}", settings.listen_port));
  const bool has_ipv6 = open.listeners.size() == 2;
  if (has_ipv6) CHECK(open.opened[1] == fmt::format("listening on [::]:{}", settings.listen_port));
  CHECK(has_ipv6 == open.warnings.empty());
}

TEST_CASE("one address that cannot be had is a warning, all of them are an error") {
  const ListenResult first = open_listeners(local_only());
  ListenSettings settings = local_only();
  settings.listen_port = local_endpoint(first.listeners[0].fd()).port;
  ListenResult taken = open_listeners(settings);
  CHECK(taken.error == "failed to listen on any address in listen_addr list");
  REQUIRE(taken.warnings.size() == 1);
  CHECK(taken.warnings[0] ==
        fmt::format("cannot listen on 127.0.0.1:{}: bind(): Address already in use",
                    settings.listen_port));
  settings.listen_addr.push_back("127.0.0.2");
  taken = open_listeners(settings);
  CHECK(taken.error.empty());
  CHECK(taken.listeners.size() == 1);
}

TEST_CASE("without any address there is nowhere to listen on") {
  CHECK(open_listeners({}).error == "nowhere to listen on");
}

TEST_CASE("SO_REUSEPORT lets two processes share an address") {
  ListenSettings settings = local_only();
  settings.so_reuseport = true;
  const ListenResult first = open_listeners(settings);
  settings.listen_port = local_endpoint(first.listeners[0].fd()).port;
  CHECK(open_listeners(settings).error.empty());
}

TEST_CASE_TEMPLATE(
    "a unix socket has its mode, names its peer's process, and its file goes with it", On, OnEpoll,
    OnUring) {
  const TempDir dir;
  const std::string path = dir.path + "/.s.PGSQL.6432";
  {
    LoopFixture f(On::kind());
    ListenSettings settings = unix_only(dir.path);
    settings.unix_socket_mode = 0600;
    const ListenResult open = open_listeners(settings);
    REQUIRE(open.error.empty());
    CHECK(open.opened[0] == "listening on unix:" + path);
    struct stat file {};
    REQUIRE(stat(path.c_str(), &file) == 0);
    CHECK((file.st_mode & 0777) == 0600);
    f.loop.add_listener(open.listeners[0].fd(), false);
    const Fd peer = connect_to(*unix_address(path));
    REQUIRE(f.until([&] { return f.seen.accepted.size() == 1; }));
    const auto stream = f.loop.adopt(std::move(f.seen.accepted[0]), client(1));
    const Endpoint remote = stream->remote();
    CHECK(remote.family == Endpoint::Family::unix_socket);
    CHECK(remote.address == path);
    CHECK(remote.port == 6432);
    CHECK(remote.peer_pid == static_cast<std::uint32_t>(getpid()));
    CHECK(remote.peer_uid == getuid());
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("an abstract unix socket is met under its '@' name") {
  const std::string dir = fmt::format("@pgweir-test-{}", getpid());
  const ListenResult open = open_listeners(unix_only(dir));
  REQUIRE(open.error.empty());
  CHECK(open.opened[0] == "listening on unix:" + dir + "/.s.PGSQL.6432");
  CHECK(connect_to(*unix_address(dir + "/.s.PGSQL.6432")));
  CHECK(open_listeners(unix_only(dir)).error == "unix socket is in use, cannot continue");
}

TEST_CASE("a unix socket that somebody answers is not taken away") {
  const TempDir dir;
  const ListenResult first = open_listeners(unix_only(dir.path));
  CHECK(open_listeners(unix_only(dir.path)).error == "unix socket is in use, cannot continue");
  CHECK(connect_to(*unix_address(dir.path + "/.s.PGSQL.6432")));
}

TEST_CASE("a socket file that a crash left behind is replaced") {
  const TempDir dir;
  const std::string path = dir.path + "/.s.PGSQL.6432";
  const SocketAddress address = *unix_address(path);
  Fd crashed(socket(AF_UNIX, SOCK_STREAM, 0));
  REQUIRE(bind(crashed.get(), address.raw(), address.length) == 0);
  crashed.reset();
  REQUIRE(std::filesystem::exists(path));
  CHECK(open_listeners(unix_only(dir.path)).error.empty());
}

TEST_CASE("the lock file of a living server refuses the port, that of a dead one does not") {
  const TempDir dir;
  const std::string lock = dir.path + "/.s.PGSQL.6432.lock";
  std::ofstream(lock) << getppid() << "\n";
  CHECK(open_listeners(unix_only(dir.path)).error == "unix port 6432 is in use");
  std::ofstream(lock) << 999999999 << "\n";
  const ListenResult open = open_listeners(unix_only(dir.path));
  CHECK(open.error.empty());
  CHECK(open.warnings.size() == 1);
}

TEST_CASE("an unknown unix_socket_group is refused and leaves no file") {
  const TempDir dir;
  ListenSettings settings = unix_only(dir.path);
  settings.unix_socket_group = "no-such-group-here";
  CHECK(open_listeners(settings).error == "could not find group 'no-such-group-here'");
  CHECK(std::filesystem::is_empty(dir.path));
}

TEST_CASE("inherited sockets serve, and a descriptor that is no socket is named") {
  ListenResult open = open_listeners(local_only());
  const int copy = dup(open.listeners[0].fd());
  const ListenResult taken = take_listeners(copy, 1);
  REQUIRE(taken.listeners.size() == 1);
  CHECK(taken.listeners[0].is_tcp());
  CHECK(taken.listeners[0].name() == open.listeners[0].name());
  const Fd file(::open("/dev/null", O_RDONLY));
  const ListenResult none = take_listeners(file.get(), 1);
  CHECK(none.error == "nowhere to listen on");
  CHECK(none.warnings.size() == 1);
}

TEST_CASE_TEMPLATE(
    "out of descriptors the listener rests, complains once, serves who is in, and recovers", On,
    OnEpoll, OnUring) {
  LoopFixture f(On::kind());
  const ListenResult open = open_listeners(local_only());
  f.loop.add_listener(open.listeners[0].fd(), true);
  SocketPair in = socket_pair();
  const auto stream = adopt(f.loop, std::move(in.ours), client(1));
  const Fd peer = connect_to(address_of(open.listeners[0]));
  complaints = 0;
  log::set_sink([](log::Level, std::string_view text) {
    complaints += text == "accept() failed: Too many open files";
  });
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  none.rlim_cur = 3;  // descriptors that are open stay so
  setrlimit(RLIMIT_NOFILE, &none);

  send_all(in.theirs, "still served");
  const std::uint64_t waits = f.loop.counters().waits;
  const TimePoint end = monotonic_now() + milliseconds(350);
  f.until([&] { return monotonic_now() > end; });
  CHECK(f.seen.received == "still served");
  CHECK(f.seen.accepted.empty());
  CHECK(complaints == 1);
  CHECK(f.loop.counters().waits - waits < 100);

  setrlimit(RLIMIT_NOFILE, &before);
  log::set_sink(nullptr);
  CHECK(f.until([&] { return f.seen.accepted.size() == 1; }));
}
