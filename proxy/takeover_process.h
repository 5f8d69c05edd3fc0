// The online upgrade as the two processes see it (-R). The new one asks for it on the console of the old one, over its unix
// socket, and from then on parcels go to and fro:
//
//   old -> new   V version   L listening socket, each   R that was all
//   new -> old   G go: it has read its configuration and could start
//   old -> new   D done: pid file, socket file and metrics_listen are free
//   old -> new   C client, S server: as they become free, until the old one leaves
//
// Before G the old process goes on as ever, whatever becomes of the new one.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "proxy/net/detached_socket.h"
#include "proxy/net/listener.h"
#include "proxy/net/parcel_channel.h"
#include "proxy/session/takeover.h"

namespace pgweir {

// In the old process. Owned by the runtime; has a thread of its own.
class TakeoverSender final : public TakeoverPort {
 public:
  struct Events {
    std::function<void()> go;          // on the sender's thread: free what the new process needs
    std::function<void()> failed;      // on the sender's thread: nothing has happened
  };
  TakeoverSender(Fd console, const std::vector<Listener>& listeners, Events events);
  // Sends what it was given before.
  ~TakeoverSender() override;

  void give_client(std::unique_ptr<Detached> client, std::unique_ptr<Detached> server, Buffer record) override;
  void give_server(std::unique_ptr<Detached> server, Buffer record) override;

 private:
  struct Outgoing {
    char kind;
    std::string body;
    std::vector<Fd> fds;
  };
  void run();
  bool agree();
  void give(char kind, std::unique_ptr<Detached> first, std::unique_ptr<Detached> second, const Buffer& record);

  ParcelChannel channel_;
  Events events_;
  std::vector<Outgoing> listeners_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Outgoing> queue_;         // mutex_
  bool over_ = false;                  // mutex_
  bool started_ = false;               // mutex_: the thread has come to sending
  std::thread thread_;
};

// In the new process.
class TakeoverReceiver {
 public:
  struct Events {                      // on the receiver's thread
    std::function<void(HandedClient, std::unique_ptr<Detached> client, std::unique_ptr<Detached> server, std::string unread)> client;
    std::function<void(HandedServer, std::unique_ptr<Detached>)> server;
    std::function<void()> over;        // the old process has left
  };
  // Asks the process that listens on `path`. Null: there is none, or `error` says why it will not.
  static std::unique_ptr<TakeoverReceiver> begin(const std::string& path, std::string& error);
  ~TakeoverReceiver();

  std::vector<Listener> take_listeners() { return std::move(listeners_); }
  // Their socket files, in the same order; theirs until go() has succeeded.
  const std::vector<std::string>& files() const { return files_; }
  // From here on the old process takes no client any more. Blocks until it has freed what both need. An error text or nothing.
  std::string go();
  void start(Events events);

 private:
  explicit TakeoverReceiver(Fd socket) : channel_(std::move(socket)) {}
  std::string log_in();
  std::string read_listeners();
  void run();

  ParcelChannel channel_;
  std::vector<Listener> listeners_;
  std::vector<std::string> files_;
  Events events_;
  std::thread thread_;
};

}  // namespace pgweir
