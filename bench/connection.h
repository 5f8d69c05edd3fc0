// One connection of the generator: socket, login, framing.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/login.h"
#include "bench/socket.h"
#include "protocol/bytes.h"
#include "protocol/framer.h"

namespace pgweir::bench {

// What one event brought. Reused, so that the data path allocates nothing.
struct Arrived {
  struct Ready {
    char status = 'I';    // of the ReadyForQuery
    bool failed = false;  // an ErrorResponse came since the one before
  };
  std::vector<Ready> readies;
  std::vector<std::string> errors;  // "SQLSTATE message"
  std::uint64_t bytes = 0;
  bool logged_in = false;     // the first ReadyForQuery came; it is not among `readies`
  bool lost = false;          // the connection is gone and closed; `errors` says why
  bool backlog_full = false;  // the Unix socket's backlog is full: nothing is open, try again soon

  void clear();
};

// Owned by its client, used on its thread. It connects, logs in, and counts ReadyForQuery; what
// they mean is the client's business.
class Connection {
 public:
  enum class Phase : std::uint8_t {
    closed,
    connecting,  // the socket is not connected yet
    asking,      // has said SSLRequest
    securing,    // the TLS handshake is under way
    proving,     // the login is under way
    open,        // logged in
  };

  explicit Connection(void* token) : token_(token) {}

  Phase phase() const { return phase_; }
  // Starts to connect; what comes of it is told by `arrived`, at once or by a later event. `epoll`,
  // `target` and `cache` must outlive the connection.
  void open(int epoll, const Target& target, ScramKeyCache& cache, Arrived& arrived);
  void on_event(std::uint32_t events, std::span<std::byte> scratch, Arrived& arrived);
  // Sends now what the socket takes and the rest later; the bytes need not stay.
  void send(Bytes bytes, Arrived& arrived);
  // Says Terminate, if logged in, and closes.
  void leave();

 private:
  void on_connected(Arrived& arrived);
  void on_tls_answer(Arrived& arrived);
  void begin_tls(Arrived& arrived);
  void shake_hands(Arrived& arrived);
  void greet(Arrived& arrived);
  void receive(std::span<std::byte> scratch, Arrived& arrived);
  void take_all(Bytes input, Arrived& arrived);
  void take(const Piece& piece, Arrived& arrived);
  void take_login(const Piece& piece, Arrived& arrived);
  void flush(Arrived& arrived);
  ssize_t receive_some(std::span<std::byte> into);
  ssize_t send_some(Bytes bytes);
  std::string reason() const;  // of errno
  void watch(std::uint32_t events);
  void lose(std::string why, Arrived& arrived);
  void close();

  void* token_;
  Fd fd_;
  int epoll_ = -1;
  Phase phase_ = Phase::closed;
  bool failed_ = false;  // an ErrorResponse since the last ReadyForQuery
  bool fatal_ = false;   // the last one was FATAL: the end of the connection is explained
  std::uint32_t watched_ = 0;
  Framer framer_{Direction::from_server};
  std::unique_ptr<Login> login_;  // until logged in
  const TlsSettings* tls_wish_ = nullptr;  // the target's
  std::unique_ptr<TlsLink> tls_;           // null: plain text
  Buffer outbox_;                 // what the socket would not take, from sent_ on
  std::size_t sent_ = 0;
};

}  // namespace pgweir::bench
