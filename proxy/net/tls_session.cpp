#include "proxy/net/tls_session.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "proxy/core/check.h"
#include "proxy/net/socket_stream.h"
#include "proxy/net/tls_errors.h"

namespace pgweir {
namespace {

constexpr std::size_t record_bytes = 16 * 1024;      // the most that one TLS record carries
constexpr std::size_t cipher_bytes_max = 64 * 1024;  // gathered before the wire is asked
constexpr std::size_t plain_bytes = 64 * 1024;       // a receive and the record it completes
// A peer that makes us talk and never reads is not waited for.
constexpr std::size_t pending_bytes_max = 1024 * 1024;

bool is_address(const std::string& host) {
  unsigned char raw[16];
  return inet_pton(AF_INET, host.c_str(), raw) == 1 || inet_pton(AF_INET6, host.c_str(), raw) == 1;
}

}  // namespace

// The two ends that OpenSSL reads from and writes to.
struct TlsBio {
  static TlsSession& session(BIO* bio) { return *static_cast<TlsSession*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* to, int size) {
    Bytes& input = session(bio).input_;
    BIO_clear_retry_flags(bio);
    if (input.empty()) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const std::size_t count = std::min(input.size(), static_cast<std::size_t>(size));
    std::memcpy(to, input.data(), count);
    input = input.subspan(count);
    return static_cast<int>(count);
  }

  static int write(BIO* bio, const char* from, int size) {
    BIO_clear_retry_flags(bio);
    auto* output = session(bio).output_;
    if (!output) return -1;
    const auto* first = reinterpret_cast<const std::byte*>(from);
    output->insert(output->end(), first, first + size);
    return size;
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static const BIO_METHOD* method() {
    static BIO_METHOD* const made = [] {
      BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "pgweir");
      BIO_meth_set_read(m, read);
      BIO_meth_set_write(m, write);
      BIO_meth_set_ctrl(m, control);
      return m;
    }();
    return made;
  }
};

std::string take_tls_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown TLS error";
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(ERR_GET_REASON(code));
  const char* reason = ERR_reason_error_string(code);
  return reason ? reason : "TLS error " + std::to_string(code);
}

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context, const TlsStart& start)
    : role_(context->role()), direct_(start.direct) {
  ssl_ = SSL_new(context->raw());
  PGWEIR_CHECK(ssl_ != nullptr);
  BIO* bio = BIO_new(TlsBio::method());
  PGWEIR_CHECK(bio != nullptr);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  if (role_ == TlsRole::server) {
    SSL_set_accept_state(ssl_);
    return;
  }
  SSL_set_connect_state(ssl_);
  const bool address = is_address(start.host);
  if (!address && !start.host.empty()) SSL_set_tlsext_host_name(ssl_, start.host.c_str());
  if (!context->verifies_name()) return;
  X509_VERIFY_PARAM* wanted = SSL_get0_param(ssl_);
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (address) {
    X509_VERIFY_PARAM_set1_ip_asc(wanted, start.host.c_str());
  } else {
    X509_VERIFY_PARAM_set1_host(wanted, start.host.data(), start.host.size());
  }
}

TlsSession::~TlsSession() {
  SSL_free(ssl_);
}

TlsSession::Fed TlsSession::feed(Bytes cipher, SocketStream& wire, TlsScratch& scratch) {
  Fed fed;
  if (failed() || heard_goodbye_) {
    fed.over = true;
    return fed;
  }
  input_ = cipher;
  scratch.cipher.clear();
  output_ = &scratch.cipher;
  ERR_clear_error();
  if (phase_ == TlsFacts::Phase::handshake) shake_hands(fed);
  if (phase_ == TlsFacts::Phase::established) read_all(fed, scratch);
  output_ = nullptr;
  input_ = {};
  if (!flush(wire, scratch) || failed() || heard_goodbye_) fed.over = true;
  return fed;
}

void TlsSession::shake_hands(Fed& fed) {
  const int result = SSL_do_handshake(ssl_);
  if (result != 1) {
    if (SSL_get_error(ssl_, result) != SSL_ERROR_WANT_READ) fail();
    return;
  }
  if (direct_) {
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_, &chosen, &size);
    if (std::string_view(reinterpret_cast<const char*>(chosen), size) != "postgresql") {
      phase_ = TlsFacts::Phase::failed;
      error_ = "the server did not choose the protocol postgresql (ALPN), which direct TLS needs";
      return;
    }
  }
  phase_ = TlsFacts::Phase::established;
  fed.secured = true;
}

void TlsSession::read_all(Fed& fed, TlsScratch& scratch) {
  if (scratch.plain.size() < plain_bytes) scratch.plain.resize(plain_bytes);
  std::size_t size = 0;
  for (;;) {
    if (size == scratch.plain.size()) scratch.plain.resize(2 * size);
    std::size_t got = 0;
    if (SSL_read_ex(ssl_, scratch.plain.data() + size, scratch.plain.size() - size, &got) == 1) {
      size += got;
      continue;
    }
    const int error = SSL_get_error(ssl_, 0);
    if (error == SSL_ERROR_ZERO_RETURN)
      heard_goodbye_ = true;
    else if (error != SSL_ERROR_WANT_READ)
      fail();
    break;
  }
  fed.plain = {scratch.plain.data(), size};
}

void TlsSession::fail() {
  const long verified = SSL_get_verify_result(ssl_);
  error_ = take_tls_error();
  if (phase_ == TlsFacts::Phase::handshake && verified != X509_V_OK) {
    error_ += std::string(": ") + X509_verify_cert_error_string(verified);
  }
  phase_ = TlsFacts::Phase::failed;
}

bool TlsSession::encrypt(Bytes plain, std::size_t& taken) {
  if (SSL_write_ex(ssl_, plain.data(), plain.size(), &taken) == 1) return true;
  fail();
  return false;
}

IoResult TlsSession::write(std::span<const iovec> parts, SocketStream& wire, TlsScratch& scratch) {
  constexpr IoResult broken{IoResult::Status::failed, 0, EPROTO};
  if (failed()) return broken;
  if (phase_ == TlsFacts::Phase::handshake || has_pending()) {
    owes_writable_ = true;
    return {IoResult::Status::would_block, 0, 0};
  }
  scratch.cipher.clear();
  scratch.gather.reserve(record_bytes);
  ERR_clear_error();
  std::size_t wrote = 0;
  std::size_t at = 0;  // of parts.front()
  while (!parts.empty() && !has_pending()) {
    Bytes next{static_cast<const std::byte*>(parts[0].iov_base) + at, parts[0].iov_len - at};
    if (next.size() < record_bytes && parts.size() > 1) {
      // Many small messages become one record.
      scratch.gather.assign(next.begin(), next.end());
      for (const iovec& part : parts.subspan(1)) {
        const auto* more = static_cast<const std::byte*>(part.iov_base);
        const std::size_t room = record_bytes - scratch.gather.size();
        scratch.gather.insert(scratch.gather.end(), more, more + std::min(room, part.iov_len));
        if (scratch.gather.size() == record_bytes) break;
      }
      next = scratch.gather;
    }
    std::size_t taken = 0;
    output_ = &scratch.cipher;
    const bool good =
        next.empty() || encrypt(next.first(std::min(next.size(), record_bytes)), taken);
    output_ = nullptr;
    if (!good) return broken;
    wrote += taken;
    at += taken;
    while (!parts.empty() && at >= parts[0].iov_len) {
      at -= parts[0].iov_len;
      parts = parts.subspan(1);
    }
    const bool full = scratch.cipher.size() >= cipher_bytes_max;
    if ((full || parts.empty()) && !flush(wire, scratch)) return broken;
  }
  owes_writable_ = !parts.empty();
  return {IoResult::Status::ok, wrote, 0};
}

bool TlsSession::flush(SocketStream& wire, TlsScratch& scratch) {
  std::vector<std::byte>& out = scratch.cipher;
  if (out.empty()) return true;
  std::size_t sent = 0;
  if (!has_pending()) {
    const iovec part{out.data(), out.size()};
    const IoResult result = wire.send_raw({&part, 1});
    if (result.status == IoResult::Status::failed) {
      phase_ = TlsFacts::Phase::failed;
      if (error_.empty()) error_ = std::strerror(result.error);
      return false;
    }
    if (result.status == IoResult::Status::ok) sent = result.wrote;
  }
  pending_.insert(pending_.end(), out.begin() + static_cast<std::ptrdiff_t>(sent), out.end());
  out.clear();
  if (pending_.size() <= pending_bytes_max) return true;
  phase_ = TlsFacts::Phase::failed;
  error_ = "the peer does not read";
  return false;
}

bool TlsSession::on_writable(SocketStream& wire) {
  if (has_pending()) {
    const iovec part{pending_.data(), pending_.size()};
    const IoResult result = wire.send_raw({&part, 1});
    // The write that the report leads to tells the session.
    if (result.status == IoResult::Status::failed) {
      phase_ = TlsFacts::Phase::failed;
      pending_ = {};
      return std::exchange(owes_writable_, false);
    }
    const std::size_t sent = result.status == IoResult::Status::ok ? result.wrote : 0;
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(sent));
    if (has_pending()) return false;
    pending_ = {};
  }
  return phase_ != TlsFacts::Phase::handshake && std::exchange(owes_writable_, false);
}

bool TlsSession::take_owed_writable() {
  return !has_pending() && std::exchange(owes_writable_, false);
}

void TlsSession::say_goodbye(SocketStream& wire, TlsScratch& scratch) {
  if (phase_ != TlsFacts::Phase::established || has_pending()) return;
  scratch.cipher.clear();
  output_ = &scratch.cipher;
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
  output_ = nullptr;
  (void)flush(wire, scratch);
}

}  // namespace pgweir
