// Opens the sockets on which clients are met. Who accepts from them is SocketLoop::add_listener.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "proxy/net/fd.h"

namespace pgweir {

// Values as in the settings of the same name.
struct ListenSettings {
  std::vector<std::string> listen_addr;  // names, numeric addresses, "*" for all; empty: no TCP
  std::uint16_t listen_port = 6432;
  int backlog = 128;
  std::string unix_socket_dir;  // '@...' for an abstract socket; empty: none
  unsigned unix_socket_mode = 0777;
  std::string unix_socket_group;  // name or number; empty: not changed
  bool so_reuseport = false;
  int tcp_defer_accept = 1;  // seconds
  bool tcp_keepalive = true;  // of the sockets that are accepted
};

// One listening socket. A socket file that we made goes with it. Open it after daemonize(): a
// parent that leaves by _exit keeps the file, one that returns from main takes it away.
class Listener {
 public:
  Listener(Fd socket, bool tcp, std::string name, std::string file = {});
  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) noexcept = default;
  ~Listener();

  int fd() const { return socket_.get(); }
  bool is_tcp() const { return tcp_; }
  const std::string& file() const { return file_; }
  // Whose end removes the socket file: ours from now on, or (empty) not ours.
  void own(std::string file) { file_ = std::move(file); }
  const std::string& name() const { return name_; }  // `127.0.0.1:6432`, `unix:/tmp/.s.PGSQL.6432`

 private:
  Fd socket_;
  bool tcp_;
  std::string name_;
  std::string file_;  // to be removed; empty for TCP, abstract and inherited sockets
};

// PgBouncer's words throughout; nothing has been logged yet.
struct ListenResult {
  std::vector<Listener> listeners;
  std::vector<std::string> opened;    // LOG: "listening on ..."
  std::vector<std::string> warnings;  // WARNING: an address that could not be had
  std::string error;                  // FATAL: do not go on; empty on success
};

// Blocks for the lookup of names. Main thread, before anything is served.
ListenResult open_listeners(const ListenSettings& settings);

// From now on `fd`, a listening TCP socket, ignores those who begin to connect: they try again in a second, at another
// listener of its SO_REUSEPORT group when this one has been closed by then. Those who are half way come in. False: the
// kernel does not do it.
bool ignore_newcomers(int fd);

// Sockets a service manager has opened: `count` descriptors from `first` on (LISTEN_FDS: 3).
ListenResult take_listeners(int first, int count);

}  // namespace pgweir
