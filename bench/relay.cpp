#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <memory>
#include <vector>

#include "bench/server_loop.h"
#include "bench/stop.h"
#include "protocol/bytes.h"

namespace pgweir::bench {
namespace {

// One socket of a pair.
//
//   client end  --recv-->  scratch  --send-->  server end; what is not taken waits in its outbox,
//   and the other end is not read meanwhile
struct End {
  Fd fd;
  End* peer = nullptr;
  struct Pair* pair = nullptr;
  bool reads = true;
  Buffer outbox;
  std::size_t sent = 0;
  std::uint32_t watched = EPOLLIN;
};

struct Pair {
  End client, server;
  bool over = false;
  std::size_t index = 0;  // in Relay::pairs_
};

class Relay {
 public:
  Relay(const Address& at, const Address& to, std::size_t buffer_bytes)
      : to_(to), listener_(listen_on(at, false)), scratch_(buffer_bytes) {
    epoll_add(epoll_.get(), listener_.get(), EPOLLIN, nullptr);
  }

  void run() {
    std::array<epoll_event, 256> events;
    while (!stop_wished()) {
      const int count =
          epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 100);
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.ptr == nullptr)
          accept_all();
        else
          on_event(*static_cast<End*>(event.data.ptr), event.events);
      }
      bury();
    }
  }

 private:
  void accept_all() {
    for (int fd; (fd = accept_next(listener_.get())) >= 0;) {
      auto pair = std::make_unique<Pair>();
      bool pending = false;
      pair->client.fd.reset(fd);
      pair->server.fd.reset(start_connect(to_, pending));
      if (!pair->server.fd) continue;
      pair->client.peer = &pair->server;
      pair->server.peer = &pair->client;
      pair->client.pair = pair->server.pair = pair.get();
      epoll_add(epoll_.get(), fd, EPOLLIN, &pair->client);
      epoll_add(epoll_.get(), pair->server.fd.get(), EPOLLIN, &pair->server);
      pair->index = pairs_.size();
      pairs_.push_back(std::move(pair));
    }
  }

  void on_event(End& end, std::uint32_t events) {
    if (end.pair->over) return;
    if (events & EPOLLOUT) flush(end);
    if (!end.pair->over && end.reads && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) copy(end);
  }

  void copy(End& from) {
    const ssize_t got = recv(from.fd.get(), scratch_.data(), scratch_.size(), 0);
    if (got <= 0) {
      if (got == 0 || (errno != EAGAIN && errno != EINTR)) end_pair(*from.pair);
      return;
    }
    End& to = *from.peer;
    const Bytes bytes = Bytes(scratch_).first(static_cast<std::size_t>(got));
    const ssize_t taken = send(to.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (taken == got) return;
    if (taken < 0 && errno != EAGAIN && errno != EINTR) {
      end_pair(*from.pair);
      return;
    }
    append(to.outbox, bytes.subspan(taken < 0 ? 0 : static_cast<std::size_t>(taken)));
    from.reads = false;
    watch(from);
    watch(to);
  }

  void flush(End& to) {
    const ssize_t taken =
        send(to.fd.get(), to.outbox.data() + to.sent, to.outbox.size() - to.sent, MSG_NOSIGNAL);
    if (taken < 0) {
      if (errno != EAGAIN && errno != EINTR) end_pair(*to.pair);
      return;
    }
    to.sent += static_cast<std::size_t>(taken);
    if (to.sent < to.outbox.size()) return;
    to.outbox = Buffer();
    to.sent = 0;
    to.peer->reads = true;
    watch(to);
    watch(*to.peer);
  }

  void watch(End& end) {
    const std::uint32_t wanted = (end.reads ? EPOLLIN : 0u) | (end.outbox.empty() ? 0u : EPOLLOUT);
    if (wanted == end.watched) return;
    end.watched = wanted;
    epoll_change(epoll_.get(), end.fd.get(), wanted, &end);
  }

  void end_pair(Pair& pair) {
    pair.over = true;
    over_.push_back(&pair);
  }

  // Only after all events of a batch: a later one may still name the pair.
  void bury() {
    for (Pair* pair : over_) {
      const std::size_t index = pair->index;
      pairs_.back()->index = index;
      std::swap(pairs_[index], pairs_.back());
      pairs_.pop_back();
    }
    over_.clear();
  }

  const Address to_;
  Fd epoll_{epoll_create1(EPOLL_CLOEXEC)};
  Fd listener_;
  Buffer scratch_;
  std::vector<std::unique_ptr<Pair>> pairs_;
  std::vector<Pair*> over_;
};

}  // namespace

void run_relay(const Address& at, const Address& to, std::size_t buffer_bytes) {
  Relay(at, to, buffer_bytes).run();
}

}  // namespace pgweir::bench
