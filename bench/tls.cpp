#include "bench/tls.h"

#include <openssl/err.h>
#include <spdlog/fmt/fmt.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <stdexcept>

namespace pgweir::bench {
namespace {

std::string openssl_error() {
  std::array<char, 256> text{};
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "the connection was closed";
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

int at_most_int(std::size_t size) {
  return static_cast<int>(std::min<std::size_t>(size, INT_MAX));
}

}  // namespace

TlsSettings::TlsSettings(const std::string& certificate, const std::string& key, bool direct)
    : context_(SSL_CTX_new(TLS_client_method())), direct_(direct) {
  if (!context_) throw std::runtime_error("TLS: " + openssl_error());
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
  // Each login of a churn is a whole handshake, as of clients that do not know each other.
  SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                       SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context_.get(), 1);
  constexpr std::array<unsigned char, 11> alpn{10,  'p', 'o', 's', 't', 'g',
                                               'r', 'e', 's', 'q', 'l'};
  SSL_CTX_set_alpn_protos(context_.get(), alpn.data(), alpn.size());
  if (!certificate.empty() &&
      SSL_CTX_use_certificate_chain_file(context_.get(), certificate.c_str()) != 1)
    throw std::runtime_error(fmt::format("certificate '{}': {}", certificate, openssl_error()));
  if (!key.empty() &&
      SSL_CTX_use_PrivateKey_file(context_.get(), key.c_str(), SSL_FILETYPE_PEM) != 1)
    throw std::runtime_error(fmt::format("key '{}': {}", key, openssl_error()));
}

TlsLink::TlsLink(const TlsSettings& settings, int fd) : ssl_(SSL_new(settings.context())) {
  if (!ssl_ || SSL_set_fd(ssl_.get(), fd) != 1) throw std::runtime_error("TLS: " + openssl_error());
  SSL_set_connect_state(ssl_.get());
}

TlsLink::Handshake TlsLink::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return Handshake::done;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Handshake::wants_read;
    case SSL_ERROR_WANT_WRITE:
      return Handshake::wants_write;
    default:
      failure_ = openssl_error();
      return Handshake::failed;
  }
}

ssize_t TlsLink::receive(std::span<std::byte> into) {
  ERR_clear_error();
  return outcome(SSL_read(ssl_.get(), into.data(), at_most_int(into.size())));
}

ssize_t TlsLink::send(Bytes bytes) {
  ERR_clear_error();
  return outcome(SSL_write(ssl_.get(), bytes.data(), at_most_int(bytes.size())));
}

ssize_t TlsLink::outcome(int result) {
  if (result > 0) return result;
  const int before = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      errno = EAGAIN;
      return -1;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    case SSL_ERROR_SYSCALL:
      errno = before != 0 ? before : ECONNRESET;
      return -1;
    default:
      failure_ = openssl_error();
      errno = EPROTO;
      return -1;
  }
}

void TlsLink::leave() {
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
}

}  // namespace pgweir::bench
