#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <memory>
#include <thread>
#include <vector>

#include "bench/null_session.h"
#include "bench/server_loop.h"
#include "bench/stop.h"

namespace pgweir::bench {
namespace {

constexpr std::size_t scratch_bytes = 64 << 10;

struct NullClient {
  explicit NullClient(CannedAnswers& answers) : session(answers) {}

  Fd fd;
  NullSession session;
  Buffer outbox;  // replies that the socket would not take, from `sent` on; not read meanwhile
  std::size_t sent = 0;
  bool done = false;  // closed once the outbox is empty
  bool over = false;
  std::size_t index = 0;  // in NullServer::clients_
};

class NullServer {
 public:
  NullServer(const Address& at, bool share_port)
      : listener_(listen_on(at, share_port)), scratch_(scratch_bytes) {
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
          on_event(*static_cast<NullClient*>(event.data.ptr), event.events);
      }
    }
  }

 private:
  void accept_all() {
    for (int fd; (fd = accept_next(listener_.get())) >= 0;) {
      clients_.push_back(std::make_unique<NullClient>(answers_));
      clients_.back()->fd.reset(fd);
      clients_.back()->index = clients_.size() - 1;
      epoll_add(epoll_.get(), fd, EPOLLIN, clients_.back().get());
    }
  }

  // A descriptor occurs at most once in a batch of events, so a client may be buried at once.
  void on_event(NullClient& client, std::uint32_t events) {
    if (events & EPOLLOUT)
      flush(client);
    else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
      receive(client);
    if (client.over) bury(client);
  }

  void receive(NullClient& client) {
    const ssize_t got = recv(client.fd.get(), scratch_.data(), scratch_.size(), 0);
    if (got <= 0) {
      client.over = got == 0 || (errno != EAGAIN && errno != EINTR);
      return;
    }
    replies_.clear();
    const Bytes input = Bytes(scratch_).first(static_cast<std::size_t>(got));
    client.done = !client.session.take(input, replies_);
    if (!replies_.empty()) send_replies(client);
    if (client.done && client.outbox.empty()) client.over = true;
  }

  void send_replies(NullClient& client) {
    const ssize_t taken = send(client.fd.get(), replies_.data(), replies_.size(), MSG_NOSIGNAL);
    if (taken == static_cast<ssize_t>(replies_.size())) return;
    if (taken < 0 && errno != EAGAIN && errno != EINTR) {
      client.over = true;
      return;
    }
    append(client.outbox, Bytes(replies_).subspan(taken < 0 ? 0 : static_cast<std::size_t>(taken)));
    epoll_change(epoll_.get(), client.fd.get(), EPOLLOUT, &client);
  }

  void flush(NullClient& client) {
    const Bytes rest = Bytes(client.outbox).subspan(client.sent);
    const ssize_t taken = send(client.fd.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (taken < 0) {
      client.over = errno != EAGAIN && errno != EINTR;
      return;
    }
    client.sent += static_cast<std::size_t>(taken);
    if (client.sent < client.outbox.size()) return;
    client.outbox = Buffer();
    client.sent = 0;
    client.over = client.done;
    if (!client.over) epoll_change(epoll_.get(), client.fd.get(), EPOLLIN, &client);
  }

  void bury(NullClient& client) {
    const std::size_t index = client.index;
    clients_.back()->index = index;
    std::swap(clients_[index], clients_.back());
    clients_.pop_back();
  }

  CannedAnswers answers_;
  Fd epoll_{epoll_create1(EPOLL_CLOEXEC)};
  Fd listener_;
  Buffer scratch_;
  Buffer replies_;  // of one turn
  std::vector<std::unique_ptr<NullClient>> clients_;
};

}  // namespace

void run_null_server(const Address& at, unsigned threads) {
  if (at.is_unix()) threads = 1;
  std::vector<std::unique_ptr<NullServer>> servers;
  for (unsigned i = 0; i < threads; ++i)
    servers.push_back(std::make_unique<NullServer>(at, threads > 1));
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) others.emplace_back([&, i] { servers[i]->run(); });
  servers[0]->run();
  for (std::thread& other : others) other.join();
}

}  // namespace pgweir::bench
