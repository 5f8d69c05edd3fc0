// What the tests of proxy/net share: a loop that writes down what it reports, and sockets at its
// other end.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/net/address.h"
#include "proxy/net/clock.h"
#include "proxy/net/loop_choice.h"

namespace pgweir::test {

inline Token client(std::uint32_t index) {
  return {Token::Kind::client, index, 1};
}
inline Token server(std::uint32_t index) {
  return {Token::Kind::server, index, 1};
}

// Keeps all reports; a test hooks in where it wants something done inside a report.
struct Recorder : LoopEvents {
  void on_bytes(Token token, Bytes bytes) override {
    received += as_text(bytes);
    ++deliveries;
    if (when_bytes) when_bytes(token, bytes);
  }
  void on_soon(Token token) override { announced.push_back(token); }
  void on_writable(Token token) override {
    ++writables;
    if (when_writable) when_writable(token);
  }
  void on_secured(Token token) override { secured.push_back(token); }
  void on_closed(Token token, int error) override {
    closed.push_back({token, error});
    if (when_closed) when_closed(token);
  }
  void on_connected(Token token, std::unique_ptr<Stream> stream) override {
    connected.emplace_back(token, std::move(stream));
  }
  void on_connect_failed(Token token, const std::string& reason) override {
    refused.emplace_back(token, reason);
  }
  void on_accepted(std::unique_ptr<Detached> socket) override {
    if (when_accepted) when_accepted(std::move(socket));
    else accepted.push_back(std::move(socket));
  }
  void on_wake() override { ++wakes; }
  void on_tick() override { ++ticks; }
  void on_alarm() override { ++alarms; }
  void on_turn_end() override { ++turn_ends; }

  std::string received;
  int deliveries = 0, writables = 0, wakes = 0, ticks = 0, alarms = 0, turn_ends = 0;
  std::vector<Token> secured, announced;
  std::vector<std::pair<Token, int>> closed;
  std::vector<std::pair<Token, std::unique_ptr<Stream>>> connected;
  std::vector<std::pair<Token, std::string>> refused;
  std::vector<std::unique_ptr<Detached>> accepted;
  std::function<void(Token, Bytes)> when_bytes;
  std::function<void(std::unique_ptr<Detached>)> when_accepted;
  std::function<void(Token)> when_writable, when_closed;
};

// What the loop's tests are templates over. Where io_uring is forbidden its runs are on epoll too,
// and say so.
struct OnEpoll {
  static LoopKind kind() { return LoopKind::epoll; }
};
struct OnUring {
  static LoopKind kind() {
    std::string reason;
    const LoopKind kind = choose_loop("io_uring", reason);
    if (kind != LoopKind::io_uring) DOCTEST_MESSAGE("no io_uring here: ", reason);
    return kind;
  }
};
inline std::unique_ptr<SocketLoop> make_loop(LoopKind kind) {
  std::string reason;
  return std::move(make_loops(kind, 1, {}, reason).front());
}
struct LoopFixture {
  std::unique_ptr<SocketLoop> owned;
  SocketLoop& loop = *owned;
  Recorder seen;

  explicit LoopFixture(LoopKind kind) : owned(make_loop(kind)) { loop.report_to(seen); }

  // Turns until `done`, for at most `patience`.
  bool until(const std::function<bool()>& done, Duration patience = seconds(20)) {
    const TimePoint end = monotonic_now() + patience;
    while (!done()) {
      if (monotonic_now() > end) return false;
      loop.turn(milliseconds(10));
    }
    return true;
  }
  // Turns until nothing is reported any more.
  void settle() {
    for (int before = -1; before != seen.turn_ends;) {
      before = seen.turn_ends;
      loop.turn(milliseconds(5));
    }
  }
};

struct SocketPair {
  Fd ours, theirs;
};
inline SocketPair socket_pair() {
  int fds[2] = {-1, -1};
  (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);
  return {Fd(fds[0]), Fd(fds[1])};
}

// A connected pair over 127.0.0.1; both ends do not block.
inline SocketPair tcp_pair() {
  const Fd listener(socket(AF_INET, SOCK_STREAM, 0));
  SocketAddress address = *numeric_address("127.0.0.1", 0);
  (void)!bind(listener.get(), address.raw(), address.length);
  (void)!listen(listener.get(), 1);
  (void)!getsockname(listener.get(), address.raw(), &address.length);
  Fd theirs(socket(AF_INET, SOCK_STREAM, 0));
  (void)!connect(theirs.get(), address.raw(), address.length);
  Fd ours(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  fcntl(theirs.get(), F_SETFL, O_NONBLOCK);
  return {std::move(ours), std::move(theirs)};
}

inline std::unique_ptr<Stream> adopt(SocketLoop& loop, Fd fd, Token token, bool tcp = false) {
  return loop.adopt(std::make_unique<DetachedSocket>(std::move(fd), tcp, false), token);
}

inline IoResult write(Stream& stream, std::string_view text) {
  const iovec part{const_cast<char*>(text.data()), text.size()};
  return stream.try_write({&part, 1});
}
inline void send_all(const Fd& fd, std::string_view text) {
  (void)!::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
}
// Everything that is there now.
inline std::string drain(const Fd& fd) {
  std::string all;
  char chunk[65536];
  for (ssize_t got; (got = recv(fd.get(), chunk, sizeof chunk, MSG_DONTWAIT)) > 0;) {
    all.append(chunk, static_cast<std::size_t>(got));
  }
  return all;
}

// Text in which a byte that is lost or doubled shows.
inline std::string numbered(std::size_t size) {
  std::string text;
  for (std::size_t line = 0; text.size() < size; ++line) text += std::to_string(line) + ",";
  text.resize(size);
  return text;
}

}  // namespace pgweir::test

TYPE_TO_STRING(pgweir::test::OnEpoll);
TYPE_TO_STRING(pgweir::test::OnUring);
