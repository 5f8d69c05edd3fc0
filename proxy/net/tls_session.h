// The TLS of one connection, between a socket's bytes and a session's.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "proxy/net/tls_context.h"
#include "proxy/session/ports.h"

struct ssl_st;  // OpenSSL's SSL
struct bio_st;

namespace pgweir {

class SocketStream;

// One loop's working memory for all its TLS streams; none of it outlives a report.
struct TlsScratch {
  std::vector<std::byte> plain;   // what was decrypted, until its report is over
  std::vector<std::byte> gather;  // small parts that become one record
  std::vector<std::byte> cipher;  // on its way to the wire
};

// OpenSSL sees neither socket nor loop: it takes ciphertext from the span at hand and appends its
// own to the loop's scratch, so that one connection holds no buffer while it is idle, and the same
// code serves both loops. Since what it writes is always taken, it never waits for writing; what
// the socket does not take waits in `pending_`, and no plaintext is accepted meanwhile.
//
//   try_write -> records -> scratch.cipher -> wire ... the rest -> pending_ -> wire
//   wire -> feed -> scratch.plain -> on_bytes            nothing stays behind but part of a record
//
// Owned by its stream; travels with it from worker to worker. Used by one thread at a time.
class TlsSession {
 public:
  TlsSession(std::shared_ptr<const TlsContext> context, const TlsStart& start);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;

  // What became of bytes that came from the wire.
  struct Fed {
    bool secured = false;  // the handshake has just ended
    bool over = false;     // no more will come: an orderly end, or failed()
    Bytes plain;           // in the scratch
  };
  // Also begins the client's half, with no bytes. All of `cipher` is used up.
  Fed feed(Bytes cipher, SocketStream& wire, TlsScratch& scratch);
  // As Stream::try_write.
  IoResult write(std::span<const iovec> parts, SocketStream& wire, TlsScratch& scratch);
  // The wire takes bytes again. True: the session is owed its on_writable.
  bool on_writable(SocketStream& wire);
  // Tells the peer that nothing more will come, as far as the wire takes it at once.
  void say_goodbye(SocketStream& wire, TlsScratch& scratch);

  bool failed() const { return phase_ == TlsFacts::Phase::failed; }
  bool has_pending() const { return !pending_.empty(); }
  // True once, after the handshake, when a write was turned away during it.
  bool take_owed_writable();
  TlsFacts facts() const;

  const void* owner = nullptr;  // the stream whose it is now; null: it has left, or is on its way

 private:
  friend struct TlsBio;
  void shake_hands(Fed& fed);
  void read_all(Fed& fed, TlsScratch& scratch);
  void fail();
  bool encrypt(Bytes plain, std::size_t& taken);
  // Sends what is in the scratch; false: the wire has failed.
  bool flush(SocketStream& wire, TlsScratch& scratch);

  ssl_st* ssl_ = nullptr;
  Bytes input_;  // ciphertext not yet seen, during feed
  std::vector<std::byte>* output_ = nullptr;
  std::vector<std::byte> pending_;  // ciphertext that the wire did not take
  std::string error_;
  TlsFacts::Phase phase_ = TlsFacts::Phase::handshake;
  const TlsRole role_;
  const bool direct_;
  bool owes_writable_ = false;
  bool heard_goodbye_ = false;
};

}  // namespace pgweir
