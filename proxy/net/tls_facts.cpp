// What a TLS session tells about itself and the certificates it has met.
#include <openssl/objects.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "proxy/net/tls_session.h"

namespace pgweir {
namespace {

// Empty when it holds a zero byte: it might read as another name than the one that was signed.
std::string text_of(const ASN1_STRING* value) {
  unsigned char* text = nullptr;
  const int size = value ? ASN1_STRING_to_UTF8(&text, value) : -1;
  if (size < 0) return {};
  std::string result(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
  OPENSSL_free(text);
  return result.find('\0') == std::string::npos ? result : std::string();
}

std::string common_name(X509_NAME* subject) {
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return {};
  return text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

std::string printed(X509_NAME* subject) {
  BIO* out = BIO_new(BIO_s_mem());
  X509_NAME_print_ex(out, subject, 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  std::string result(text, static_cast<std::size_t>(size));
  BIO_free(out);
  return result;
}

std::vector<std::string> dns_names(X509* certificate) {
  std::vector<std::string> names;
  auto* all = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all, i);
    if (name->type != GEN_DNS) continue;
    if (std::string text = text_of(name->d.dNSName); !text.empty())
      names.push_back(std::move(text));
  }
  GENERAL_NAMES_free(all);
  return names;
}

// The hash that the certificate was signed with, or SHA-256 for the weak ones (RFC 5929, 4.1); none
// where the signature has no hash of its own.
std::string end_point(const X509* certificate) {
  int hash = NID_undef;
  if (!certificate || X509_get_signature_info(const_cast<X509*>(certificate), &hash, nullptr,
                                              nullptr, nullptr) != 1) {
    return {};
  }
  if (hash == NID_undef) return {};
  if (hash == NID_md5 || hash == NID_sha1) hash = NID_sha256;
  const EVP_MD* digest = EVP_get_digestbynid(hash);
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (!digest || X509_digest(certificate, digest, raw, &size) != 1) return {};
  return {reinterpret_cast<const char*>(raw), size};
}

std::string info_of(SSL* ssl) {
  std::string text = std::string(SSL_get_version(ssl)) + "/" + SSL_get_cipher_name(ssl);
  const int group = static_cast<int>(SSL_get_negotiated_group(ssl));
  const char* name = group > 0 && !(group & TLSEXT_nid_unknown) ? OBJ_nid2sn(group) : nullptr;
  if (name) text += std::string("/ECDH=") + name;
  return text;
}

}  // namespace

TlsFacts TlsSession::facts() const {
  TlsFacts facts;
  facts.phase = phase_;
  facts.error = error_;
  if (phase_ != TlsFacts::Phase::established) return facts;
  facts.info = info_of(ssl_);
  X509* peer = SSL_get0_peer_certificate(ssl_);
  facts.server_end_point = end_point(role_ == TlsRole::server ? SSL_get_certificate(ssl_) : peer);
  if (!peer) return facts;
  facts.has_peer_certificate = true;
  X509_NAME* subject = X509_get_subject_name(peer);
  facts.peer_common_name = common_name(subject);
  facts.peer_subject = printed(subject);
  facts.peer_dns_names = dns_names(peer);
  return facts;
}

}  // namespace pgweir
