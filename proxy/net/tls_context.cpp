#include "proxy/net/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "proxy/core/check.h"
#include "proxy/net/tls_errors.h"

namespace pgweir {
namespace {

// The protocol that TLS carries, as ALPN names it, with its length before it. Source: PostgreSQL's
// "SSL Session Encryption".
constexpr unsigned char alpn[] = "\x0apostgresql";
constexpr unsigned alpn_bytes = sizeof alpn - 1;

int choose_alpn(SSL*, const unsigned char** chosen, unsigned char* chosen_bytes,
                const unsigned char* offered, unsigned offered_bytes, void*) {
  unsigned char* found = nullptr;
  const int result =
      SSL_select_next_proto(&found, chosen_bytes, alpn, alpn_bytes, offered, offered_bytes);
  *chosen = found;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

struct Version {
  std::string_view name;
  std::uint64_t off;  // the option that switches it off
};
constexpr std::array versions{
    Version{"tlsv1.0", SSL_OP_NO_TLSv1}, Version{"tlsv1.1", SSL_OP_NO_TLSv1_1},
    Version{"tlsv1.2", SSL_OP_NO_TLSv1_2}, Version{"tlsv1.3", SSL_OP_NO_TLSv1_3}};
constexpr std::uint64_t tlsv1 =
    SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3;
constexpr std::uint64_t secure = SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3;

// What a word of the setting stands for; 0: unknown.
std::uint64_t versions_named(std::string_view word) {
  if (word == "all" || word == "legacy" || word == "tlsv1") return tlsv1;
  if (word == "secure" || word == "default") return secure;
  for (const Version& version : versions) {
    if (word == version.name) return version.off;
  }
  return 0;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return result;
}

// The text that PgBouncer answers for the key words of its ciphers: the system's own choice.
bool is_system_choice(const std::string& ciphers) {
  return ciphers.empty() || ciphers == "default" || ciphers == "secure" || ciphers == "fast" ||
         ciphers == "normal";
}

void add_file(std::string& to, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  to.append(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  to += '\n';
}

std::string fingerprint_of(const TlsSettings& s) {
  std::string all;
  for (const std::string* text : {&s.ca_file, &s.cert_file, &s.key_file, &s.protocols, &s.ciphers,
                                  &s.dheparams, &s.ecdhcurve}) {
    all += *text + '\n';
  }
  all += s.tls13_ciphers.value_or("") + static_cast<char>('0' + static_cast<int>(s.verify));
  for (const std::string* path : {&s.ca_file, &s.cert_file, &s.key_file}) add_file(all, *path);
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  EVP_Digest(all.data(), all.size(), reinterpret_cast<unsigned char*>(digest.data()), &size,
             EVP_sha256(), nullptr);
  OPENSSL_cleanse(all.data(), all.size());
  digest.resize(size);
  return digest;
}

std::string cannot(std::string_view what, const std::string& path) {
  errno = 0;
  std::ifstream file(path);
  const std::string why = file ? take_tls_error() : std::strerror(errno);
  ERR_clear_error();
  return "cannot load " + std::string(what) + " from \"" + path + "\": " + why;
}

}  // namespace

TlsContext::TlsContext(TlsRole role)
    : context_(SSL_CTX_new(role == TlsRole::server ? TLS_server_method() : TLS_client_method())),
      role_(role) {
  PGWEIR_CHECK(context_ != nullptr);
  // Buffers of idle connections are given back: 10 000 of them would hold 330 MB.
  SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
  SSL_CTX_set_options(
      context_, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Resumption is by tickets only, so that no worker waits for a cache that all share.
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
  if (role == TlsRole::client) {
    SSL_CTX_set_alpn_protos(context_, alpn, alpn_bytes);
    return;
  }
  SSL_CTX_set_num_tickets(context_, 1);
  constexpr std::string_view id = "pgweir";
  SSL_CTX_set_session_id_context(context_, reinterpret_cast<const unsigned char*>(id.data()),
                                 static_cast<unsigned>(id.size()));
  SSL_CTX_set_alpn_select_cb(context_, choose_alpn, nullptr);
}

TlsContext::~TlsContext() {
  SSL_CTX_free(context_);
}

std::shared_ptr<const TlsContext> TlsContext::build(TlsRole role, const TlsSettings& settings,
                                                    TlsMistakes& mistakes) {
  ERR_clear_error();
  std::shared_ptr<TlsContext> built(new TlsContext(role));
  const std::size_t known = mistakes.size();
  built->set_protocols(settings, mistakes);
  built->set_ciphers(settings, mistakes);
  built->set_curve(settings, mistakes);
  built->load_own(settings, mistakes);
  built->load_ca(settings, mistakes);
  if (mistakes.size() > known) return nullptr;
  built->verifies_name_ = settings.verify == TlsVerify::chain_and_name;
  built->fingerprint_ = fingerprint_of(settings);
  return built;
}

// Words between commas, colons or blanks; `!` before one takes it away again.
void TlsContext::set_protocols(const TlsSettings& settings, TlsMistakes& mistakes) {
  std::uint64_t wanted = 0;
  const std::string text = lower(settings.protocols.empty() ? "secure" : settings.protocols);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_of(",: ", at), text.size());
    std::string_view word = std::string_view(text).substr(at, end - at);
    at = end + 1;
    if (word.empty()) continue;
    const bool off = word[0] == '!';
    if (off) word.remove_prefix(1);
    const std::uint64_t named = versions_named(word);
    if (named == 0) {
      mistakes.push_back({"protocols", "unknown TLS protocol \"" + std::string(word) +
                                           "\" (known: tlsv1.0, tlsv1.1, tlsv1.2, tlsv1.3, all, secure)"});
      return;
    }
    if (off && wanted == 0) wanted = tlsv1;
    wanted = off ? wanted & ~named : wanted | named;
  }
  if (wanted == 0) {
    mistakes.push_back({"protocols", "no TLS protocol is left to speak"});
    return;
  }
  SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
  SSL_CTX_set_options(context_, tlsv1 & ~wanted);
}

void TlsContext::set_ciphers(const TlsSettings& settings, TlsMistakes& mistakes) {
  const std::string word = lower(settings.ciphers);
  std::string list = is_system_choice(word) ? "" : word == "all" ? "ALL" : settings.ciphers;
  if (role_ == TlsRole::server && settings.ecdhcurve == "none") {
    list = (list.empty() ? "DEFAULT" : list) + ":!kECDHE";
  }
  if (!list.empty() && SSL_CTX_set_cipher_list(context_, list.c_str()) != 1) {
    mistakes.push_back({"ciphers", "no usable cipher in \"" + settings.ciphers + "\": " + take_tls_error()});
  }
  const std::string suites = settings.tls13_ciphers.value_or("");
  if (!suites.empty() && SSL_CTX_set_ciphersuites(context_, suites.c_str()) != 1) {
    mistakes.push_back({"tls13_ciphers", "no usable TLS 1.3 cipher suite in \"" + suites + "\": " + take_tls_error()});
  }
}

// `auto` is OpenSSL's own list, X25519 and P-256 first; for finite fields, groups as strong as the
// certificate. TLS 1.3 has no way to do without a group.
void TlsContext::set_curve(const TlsSettings& settings, TlsMistakes& mistakes) {
  if (role_ != TlsRole::server) return;
  const std::string dhe = lower(settings.dheparams);
  if (dhe != "none" && dhe != "auto" && dhe != "legacy" && !dhe.empty()) {
    mistakes.push_back({"dheparams", "must be none, auto or legacy, not \"" + settings.dheparams + "\""});
  }
  SSL_CTX_set_dh_auto(context_, dhe == "none" ? 0 : 1);
  const std::string curve = lower(settings.ecdhcurve);
  if (curve.empty() || curve == "auto" || curve == "none") return;
  if (SSL_CTX_set1_groups_list(context_, settings.ecdhcurve.c_str()) == 1) return;
  mistakes.push_back({"ecdhcurve", "unknown curve \"" + settings.ecdhcurve + "\""});
  ERR_clear_error();
}

void TlsContext::load_own(const TlsSettings& settings, TlsMistakes& mistakes) {
  const std::string &cert = settings.cert_file, &key = settings.key_file;
  if (cert.empty() && key.empty() && role_ == TlsRole::client) return;
  if (cert.empty() || key.empty()) {
    mistakes.push_back({cert.empty() ? "cert_file" : "key_file",
                        role_ == TlsRole::server
                            ? "To allow TLS connections from clients, client_tls_key_file and "
                              "client_tls_cert_file must be set."
                            : "server_tls_key_file and server_tls_cert_file must be set together"});
  }
  if (!cert.empty() && SSL_CTX_use_certificate_chain_file(context_, cert.c_str()) != 1) {
    mistakes.push_back({"cert_file", cannot("a certificate", cert)});
  }
  // Without a terminal, a key with a pass phrase must fail instead of asking.
  SSL_CTX_set_default_passwd_cb(context_, [](char*, int, int, void*) { return 0; });
  if (key.empty() || SSL_CTX_use_PrivateKey_file(context_, key.c_str(), SSL_FILETYPE_PEM) == 1) return;
  const bool of_another = ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_X509;
  mistakes.push_back({"key_file", of_another ? "\"" + key + "\" is not the key of the certificate in \"" + cert + "\""
                                             : cannot("a private key", key)});
  ERR_clear_error();
}

void TlsContext::load_ca(const TlsSettings& settings, TlsMistakes& mistakes) {
  const std::string& ca = settings.ca_file;
  const bool verify = settings.verify != TlsVerify::nothing;
  if (!ca.empty()) {
    if (SSL_CTX_load_verify_locations(context_, ca.c_str(), nullptr) != 1) {
      mistakes.push_back({"ca_file", cannot("CA certificates", ca)});
      return;
    }
    if (role_ == TlsRole::server && verify) {
      SSL_CTX_set_client_CA_list(context_, SSL_load_client_CA_file(ca.c_str()));
    }
  } else if (verify) {
    SSL_CTX_set_default_verify_paths(context_);
  }
  int mode = SSL_VERIFY_NONE;
  if (verify) mode = SSL_VERIFY_PEER;
  if (verify && role_ == TlsRole::server) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_CTX_set_verify(context_, mode, nullptr);
}

}  // namespace pgweir
