#include <doctest/doctest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <map>
#include <random>

#include "proxy/net/tls_context.h"
#include "tests/net/loop_fixture.h"
#include "tests/net/temp_dir.h"

using namespace pgweir;
using namespace pgweir::test;

namespace {

// A certificate that signs itself, for `localhost`, and its key, as files.
struct Certificate {
  TempDir folder;
  std::string cert = folder.path + "/cert.pem", key = folder.path + "/key.pem";

  Certificate() {
    EVP_PKEY* pair = EVP_EC_gen("P-256");
    X509* made = X509_new();
    X509_set_version(made, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
    X509_gmtime_adj(X509_getm_notBefore(made), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made), 3600);
    X509_set_pubkey(made, pair);
    X509_NAME* name = X509_get_subject_name(made);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(made, name);
    X509_sign(made, pair, EVP_sha256());
    FILE* file = fopen(cert.c_str(), "w");
    PEM_write_X509(file, made);
    fclose(file);
    file = fopen(key.c_str(), "w");
    PEM_write_PrivateKey(file, pair, nullptr, nullptr, 0, nullptr, nullptr);
    fclose(file);
    X509_free(made);
    EVP_PKEY_free(pair);
  }

  TlsContexts contexts(TlsVerify verify = TlsVerify::nothing) const {
    TlsMistakes mistakes;
    TlsSettings own{.enabled = true, .cert_file = cert, .key_file = key};
    TlsSettings theirs{.enabled = true, .verify = verify, .ca_file = cert};
    TlsContexts both{TlsContext::build(TlsRole::server, own, mistakes),
                     TlsContext::build(TlsRole::client, theirs, mistakes)};
    CHECK(mistakes.empty());
    return both;
  }
};

// Both ends of one connection in one loop: client(1) shakes hands as a server does, server(2) as a
// client.
struct TlsPair : LoopFixture {
  Certificate certificate;
  std::unique_ptr<Stream> ours, theirs;
  std::map<std::uint32_t, std::string> got;

  explicit TlsPair(LoopKind kind, TlsVerify verify = TlsVerify::nothing) : LoopFixture(kind) {
    loop.set_tls(certificate.contexts(verify));
    SocketPair pair = tcp_pair();
    const int small = 8192;  // so that writes are short
    for (const Fd* fd : {&pair.ours, &pair.theirs}) {
      (void)setsockopt(fd->get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    }
    ours = adopt(loop, std::move(pair.ours), client(1), true);
    theirs = adopt(loop, std::move(pair.theirs), server(2), true);
    seen.when_bytes = [this](Token token, Bytes bytes) { got[token.index] += as_text(bytes); };
  }
  ~TlsPair() {
    ours.reset();
    theirs.reset();
  }
  bool shake_hands(const std::string& host = "localhost") {
    TlsStart as_client;
    as_client.role = TlsRole::client;
    as_client.host = host;
    if (!ours->start_tls({}) || !theirs->start_tls(as_client)) return false;
    return until([&] { return seen.secured.size() == 2 || !seen.closed.empty(); }) &&
           seen.secured.size() == 2;
  }
};

}  // namespace

TEST_CASE_TEMPLATE("a handshake ends with a report on both sides and with equal facts", On, OnEpoll,
                   OnUring) {
  TlsPair pair(On::kind(), TlsVerify::chain_and_name);
  REQUIRE(pair.shake_hands());
  const TlsFacts ours = pair.ours->tls_facts(), theirs = pair.theirs->tls_facts();
  CHECK(ours.phase == TlsFacts::Phase::established);
  CHECK(ours.info.starts_with("TLSv1.3/TLS_"));
  CHECK(ours.info == theirs.info);
  CHECK_FALSE(ours.has_peer_certificate);
  CHECK(theirs.peer_common_name == "localhost");
  CHECK(ours.server_end_point.size() == 32);
  CHECK(ours.server_end_point == theirs.server_end_point);
}

TEST_CASE_TEMPLATE("a certificate that names another host ends the handshake", On, OnEpoll,
                   OnUring) {
  TlsPair pair(On::kind(), TlsVerify::chain_and_name);
  CHECK_FALSE(pair.shake_hands("elsewhere"));
  CHECK(pair.theirs->tls_facts().phase == TlsFacts::Phase::failed);
  CHECK(pair.theirs->tls_facts().error.find("mismatch") != std::string::npos);
}

TEST_CASE_TEMPLATE("what is written before the handshake is over waits for it", On, OnEpoll,
                   OnUring) {
  TlsPair pair(On::kind());
  REQUIRE(pair.ours->start_tls({}));
  CHECK(write(*pair.ours, "early").status == IoResult::Status::would_block);
  TlsStart as_client;
  as_client.role = TlsRole::client;
  REQUIRE(pair.theirs->start_tls(as_client));
  CHECK(pair.until([&] { return pair.seen.writables == 1; }));
  CHECK(write(*pair.ours, "early").wrote == 5);
  CHECK(pair.until([&] { return pair.got[2] == "early"; }));
}

TEST_CASE_TEMPLATE("bytes of all sizes arrive in order, both ways, through sockets that are full",
                   On, OnEpoll, OnUring) {
  TlsPair pair(On::kind());
  REQUIRE(pair.shake_hands());
  const std::string text = numbered(3'000'000);
  std::minstd_rand random(7);
  std::size_t sent[3] = {};
  const auto push = [&](Stream& stream, std::uint32_t who) {
    while (sent[who] < text.size()) {
      // Several parts of uneven sizes, as the relay sends them.
      iovec parts[5];
      std::size_t at = sent[who], count = 0;
      for (; count < 5 && at < text.size(); ++count) {
        const std::size_t size = std::min<std::size_t>(1 + random() % 40'000, text.size() - at);
        parts[count] = {const_cast<char*>(text.data() + at), size};
        at += size;
      }
      const IoResult result = stream.try_write({parts, count});
      REQUIRE(result.status != IoResult::Status::failed);
      sent[who] += result.wrote;
      if (sent[who] < at) return;  // on_writable is owed
    }
  };
  pair.seen.when_writable = [&](Token token) {
    push(token.index == 1 ? *pair.ours : *pair.theirs, token.index);
  };
  push(*pair.ours, 1);
  push(*pair.theirs, 2);
  CHECK(pair.until(
      [&] { return pair.got[1].size() == text.size() && pair.got[2].size() == text.size(); },
      seconds(20)));
  CHECK(pair.got[1] == text);
  CHECK(pair.got[2] == text);
  CHECK(pair.seen.writables > 0);
}

TEST_CASE_TEMPLATE("a stream that has paused hears nothing until it resumes, and then all", On,
                   OnEpoll, OnUring) {
  TlsPair pair(On::kind());
  REQUIRE(pair.shake_hands());
  pair.settle();
  pair.ours->pause_reading();
  const std::string text = numbered(50'000);
  std::size_t sent = write(*pair.theirs, text).wrote;
  pair.seen.when_writable = [&](Token) { sent += write(*pair.theirs, text.substr(sent)).wrote; };
  pair.settle();
  CHECK(pair.got[1] == "");
  pair.ours->resume_reading();
  CHECK(pair.until([&] { return pair.got[1] == text; }));
}

TEST_CASE_TEMPLATE("TLS travels with a stream to another loop, in the middle of a record", On,
                   OnEpoll, OnUring) {
  TlsPair pair(On::kind());
  LoopFixture other(On::kind());
  std::string got;
  other.seen.when_bytes = [&](Token, Bytes bytes) { got += as_text(bytes); };
  REQUIRE(pair.shake_hands());
  pair.settle();
  // More than the socket takes: the loop has seen a part of a record when the stream leaves.
  const std::string text = numbered(2'000'000);
  std::size_t sent = write(*pair.theirs, text).wrote;
  pair.seen.when_writable = [&](Token) { sent += write(*pair.theirs, text.substr(sent)).wrote; };
  REQUIRE(pair.until([&] { return pair.got[1].size() > 200'000; }));
  std::unique_ptr<Stream> moved = other.loop.adopt(pair.ours->detach(), client(9));
  pair.ours.reset();
  const TimePoint end = monotonic_now() + seconds(20);
  while (pair.got[1].size() + got.size() < text.size() && monotonic_now() < end) {
    pair.loop.turn(milliseconds(1));
    other.loop.turn(milliseconds(1));
  }
  CHECK(pair.got[1] + got == text);
  CHECK(moved->tls_facts().phase == TlsFacts::Phase::established);
  CHECK(write(*moved, "back").wrote == 4);
  CHECK(pair.until([&] {
    other.loop.turn(milliseconds(0));
    return pair.got[2] == "back";
  }));
}

TEST_CASE_TEMPLATE("an orderly end is heard as one, and a broken record as a failure", On, OnEpoll,
                   OnUring) {
  SUBCASE("close_notify") {
    TlsPair pair(On::kind());
    REQUIRE(pair.shake_hands());
    (void)write(*pair.ours, "last words");
    pair.ours.reset();
    CHECK(pair.until([&] { return !pair.seen.closed.empty(); }));
    CHECK(pair.got[2] == "last words");
    CHECK(pair.seen.closed == std::vector<std::pair<Token, int>>{{server(2), 0}});
  }
  SUBCASE("a record that nobody has encrypted") {
    LoopFixture fixture(On::kind());
    const Certificate certificate;
    fixture.loop.set_tls(certificate.contexts());
    SocketPair pair = tcp_pair();
    std::unique_ptr<Stream> ours = adopt(fixture.loop, std::move(pair.ours), client(1), true);
    REQUIRE(ours->start_tls({}));
    send_all(pair.theirs, std::string("\x17\x03\x03\x00\x05hello", 10));
    CHECK(fixture.until([&] { return fixture.seen.closed.size() == 1; }));
    CHECK(fixture.seen.closed[0].second == EPROTO);
    CHECK(ours->tls_facts().phase == TlsFacts::Phase::failed);
    CHECK(ours->tls_facts().error != "");
    CHECK(write(*ours, "x").status == IoResult::Status::failed);
  }
}

TEST_CASE("no garbage in a handshake does more than end it") {
  LoopFixture fixture(LoopKind::epoll);
  const Certificate certificate;
  fixture.loop.set_tls(certificate.contexts());
  std::minstd_rand random(1);
  for (int round = 0; round < 300; ++round) {
    SocketPair pair = tcp_pair();
    std::unique_ptr<Stream> ours = adopt(fixture.loop, std::move(pair.ours), client(1), true);
    TlsStart start;
    std::string head;
    if (round % 2) start.role = TlsRole::client;
    // Often a plausible record header, so that what is behind it is looked at.
    if (round % 3) head = std::string("\x16\x03\x01", 3) + static_cast<char>(random() % 2);
    std::string text = head;
    for (std::size_t left = random() % 600; left > 0; --left) text += static_cast<char>(random());
    if (round % 5 == 0) start.received = as_bytes(text);
    (void)ours->start_tls(start);
    if (round % 5) send_all(pair.theirs, text);
    pair.theirs = Fd();
    const auto ended = [&] {
      return ours->tls_facts().phase == TlsFacts::Phase::failed || !fixture.seen.closed.empty();
    };
    CHECK(fixture.until(ended));
    CHECK(fixture.seen.secured.empty());
    fixture.seen.closed.clear();
  }
}

TEST_CASE("equal settings and files have equal fingerprints, and others do not") {
  const Certificate one, other;
  TlsMistakes mistakes;
  const auto print_of = [&](const Certificate& c, const char* ciphers) {
    const TlsSettings settings{
        .enabled = true, .cert_file = c.cert, .key_file = c.key, .ciphers = ciphers};
    return TlsContext::build(TlsRole::server, settings, mistakes)->fingerprint();
  };
  CHECK(print_of(one, "default") == print_of(one, "default"));
  CHECK(print_of(one, "default") != print_of(one, "HIGH"));
  CHECK(print_of(one, "default") != print_of(other, "default"));
}

TEST_CASE("all that is wrong with a side's settings is told at once") {
  const Certificate one, other;
  TlsMistakes mistakes;
  const auto wrong = [&](TlsSettings settings) {
    mistakes.clear();
    CHECK(TlsContext::build(TlsRole::server, settings, mistakes) == nullptr);
    std::string names;
    for (const TlsMistake& mistake : mistakes) names += mistake.setting + " ";
    return names;
  };
  CHECK(wrong({.ca_file = "/nowhere", .cert_file = "/nowhere", .key_file = "/nowhere", .protocols = "sslv3", .ciphers = "NONE",
               .dheparams = "tiny", .ecdhcurve = "flat", .tls13_ciphers = "NONE"}) ==
        "protocols ciphers tls13_ciphers dheparams ecdhcurve cert_file key_file ca_file ");
  // A key is looked at also where there is no certificate to compare it with.
  CHECK(wrong({.cert_file = "/nowhere", .key_file = one.key}) == "cert_file ");
  CHECK(wrong({.cert_file = one.cert, .key_file = other.key, .ciphers = "NONE"}) == "ciphers key_file ");
  CHECK(mistakes[1].text == "\"" + other.key + "\" is not the key of the certificate in \"" + one.cert + "\"");
  CHECK(wrong({.cert_file = one.cert}) == "key_file ");
}
