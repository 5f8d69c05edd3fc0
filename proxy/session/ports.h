// The operating system as the core sees it. Implemented by proxy/net (epoll), and by the simulator in tests/sim.
//
// Everything here belongs to one worker and is used on that worker's thread only. Nothing blocks, nothing throws.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "protocol/bytes.h"
#include "proxy/core/time.h"

namespace pgweir {

// Names a client or server of one worker. The generation makes a stale token harmless: it no longer matches.
struct Token {
  enum class Kind : std::uint8_t { none, client, server, listener, wake, cancel };
  Kind kind = Kind::none;
  std::uint32_t index = 0;       // place in the slab
  std::uint32_t generation = 0;
  bool operator==(const Token&) const = default;
};

// What a write achieved. `wrote` may be short; then, and on would_block, the loop reports on_writable once.
struct IoResult {
  enum class Status : std::uint8_t { ok, would_block, failed };
  Status status = Status::ok;
  std::size_t wrote = 0;         // bytes taken
  int error = 0;                 // errno when failed
};

// One end of a socket, for humans and for the tables of the console.
struct Endpoint {
  enum class Family : std::uint8_t { none, inet, inet6, unix_socket };
  Family family = Family::none;
  std::uint16_t port = 0;
  std::string address;           // numeric address, or the socket's path ('@...' = abstract); for display and connect
  std::uint32_t peer_pid = 0;    // unix sockets: the process at the other end, 0 = unknown
  std::uint32_t peer_uid = ~0u;  // unix sockets: its user, ~0 = unknown
};

// Which half of a TLS handshake is ours.
enum class TlsRole : std::uint8_t { server, client };

// How TLS begins on a connected stream.
struct TlsStart {
  TlsRole role = TlsRole::server;
  std::string host;              // client role: whom the certificate has to name with verify-full; name or address
  bool direct = false;           // client role: no SSLRequest went before, so the ALPN answer must be `postgresql`
  Bytes received;                // what the peer has sent of the handshake already; not kept
};

// What a stream's TLS is and whom it has met; a copy made when asked for, so that an idle stream holds none of it.
struct TlsFacts {
  enum class Phase : std::uint8_t { none, handshake, established, failed };
  Phase phase = Phase::none;
  std::string info;              // `TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=X25519`, as PgBouncer shows it
  std::string error;             // why it failed
  bool has_peer_certificate = false;           // shown by the peer, and verified where the mode asks for it
  std::string peer_common_name;                // empty: none, or not usable (a zero byte in it)
  std::vector<std::string> peer_dns_names;     // subjectAltName
  std::string peer_subject;                    // RFC 2253, as maps of names may use it
  std::string server_end_point;  // channel binding `tls-server-end-point` (RFC 5929); empty: the certificate has none
};

// A stream that has left its worker's loop and may enter another's. Owns the socket and its TLS state.
struct Detached {
  virtual ~Detached() = default;
};

// One connected socket. Closing is destroying. Owned by its session or connection.
class Stream {
 public:
  virtual ~Stream() = default;
  // Sends what the kernel takes at once, all parts in one call. Order is kept; parts are not kept.
  virtual IoResult try_write(std::span<const iovec> parts) = 0;
  // Back-pressure: no on_bytes until resume_reading. Bytes that arrive meanwhile stay in the kernel (or the loop).
  // A peer's disconnect may still be reported while paused.
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;
  // Takes the socket out of this loop; the stream is dead afterwards. Nothing unread may be held by the loop.
  virtual std::unique_ptr<Detached> detach() = 0;
  virtual int descriptor() const { return -1; }      // its number in the process, to be shown
  virtual Endpoint local() const = 0;
  virtual Endpoint remote() const = 0;
  // From here on everything travels inside TLS: on_secured tells that the handshake is over, on_closed that it failed
  // (tls_facts().error says why). Until then try_write answers would_block. False: it cannot begin, or has failed
  // already.
  virtual bool start_tls(const TlsStart&) { return false; }
  virtual TlsFacts tls_facts() const { return {}; }
};

// What the loop tells a worker. `bytes` are valid until the call returns.
class LoopEvents {
 public:
  virtual ~LoopEvents() = default;
  virtual void on_bytes(Token token, Bytes bytes) = 0;
  virtual void on_soon(Token) {}              // the event after the one to come is this one's: a chance to prefetch
  virtual void on_writable(Token token) = 0;
  virtual void on_secured(Token) {}           // the handshake that start_tls began is over
  // The peer closed or reset; `error` is an errno, 0 for an orderly end. No further event for this token.
  virtual void on_closed(Token token, int error) = 0;
  // The answer to Connector::connect: a stream whose events bear `token`, or an error text (PgBouncer's wording).
  virtual void on_connected(Token token, std::unique_ptr<Stream> stream) = 0;
  virtual void on_connect_failed(Token token, const std::string& reason) = 0;
  // A client has been accepted (its token is not known yet: adopt it with Loop::adopt).
  virtual void on_accepted(std::unique_ptr<Detached> socket) = 0;
  virtual void on_wake() {}                   // somebody called Loop::wake
  virtual void on_tick() = 0;                 // see Loop::tick_every
  virtual void on_alarm() {}                  // see Loop::alarm_in
  virtual void on_turn_end() = 0;             // after each event: bury, run what was queued
};

// Where a server lives. `host` empty: unix socket in the default directory.
struct ServerAddress {
  std::string host;              // name, numeric address, '/dir' or '@abstract' prefix for unix sockets
  std::uint16_t port = 5432;
};

class Connector {
 public:
  virtual ~Connector() = default;
  // Resolves if needed and connects without blocking. Answers through LoopEvents, never from inside this call.
  virtual void connect(const ServerAddress& address, Token token) = 0;
  // Forgets a connect under way; no answer will come.
  virtual void abandon(Token token) = 0;
};

class Loop {
 public:
  virtual ~Loop() = default;
  virtual TimePoint now() const = 0;          // the time of this turn; constant within one event
  virtual WallTime wall_now() const = 0;
  virtual std::unique_ptr<Stream> adopt(std::unique_ptr<Detached> socket, Token token) = 0;
  virtual void wake() = 0;                    // thread-safe: on_wake will be called soon, once for many calls
  // The next on_tick comes after `period` and then every `period`; calling it again changes the period.
  virtual void tick_every(Duration period) = 0;
  // One on_alarm, not before `delay` is over, and in the first turn after it. Each call has its own.
  virtual void alarm_in(Duration delay) = 0;
};

}  // namespace pgweir
