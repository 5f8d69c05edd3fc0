// Both halves of SCRAM-SHA-256, against the RFC's example and against each other.
#include <doctest/doctest.h>

#include <string>

#include "protocol/auth/scram_client.h"
#include "protocol/auth/scram_grammar.h"
#include "protocol/auth/scram_keys.h"
#include "protocol/auth/scram_server.h"

using namespace pgweir;

namespace {

// RFC 7677, section 3.
constexpr std::string_view rfc_client_nonce = "rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view rfc_server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr std::string_view rfc_client_first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view rfc_server_first =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view rfc_client_final =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view rfc_server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

constexpr std::uint32_t few_iterations = 2;  // the tests are about messages, not about hardness

ScramSecret secret_of(std::string_view password) {
  return *derive_scram_secret(password, "0123456789abcdef", few_iterations);
}

ScramServer rfc_server() {
  const std::string salt = *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==");
  return ScramServer(*derive_scram_secret("pencil", salt, 4096), std::string(rfc_server_nonce));
}

struct Outcome {
  bool client_proven, server_proven;
};

Outcome talk(ScramClient& client, ScramServer& server) {
  const auto server_first = server.on_client_first(client.client_first());
  const auto client_final = server_first ? client.on_server_first(*server_first) : std::nullopt;
  const auto server_final = client_final ? server.on_client_final(*client_final) : std::nullopt;
  const bool accepted = server_final && client.on_server_final(*server_final);
  return {server.proven(), accepted};
}

}  // namespace

TEST_CASE("the client says what RFC 7677 says") {
  ScramClient client("pencil", std::string(rfc_client_nonce), "user");
  CHECK(client.client_first() == rfc_client_first);
  CHECK(client.on_server_first(rfc_server_first) == rfc_client_final);
  CHECK_FALSE(client.proven());
  CHECK(client.on_server_final(rfc_server_final));
  CHECK(client.proven());
}

TEST_CASE("the server says what RFC 7677 says") {
  ScramServer server = rfc_server();
  CHECK(server.on_client_first(rfc_client_first) == rfc_server_first);
  CHECK(server.on_client_final(rfc_client_final) == rfc_server_final);
  CHECK(server.proven());
}

TEST_CASE("the right password proves both sides, a wrong one neither") {
  for (const std::string_view password : {"secret", "secreu", "", "Secret"}) {
    CAPTURE(password);
    ScramClient client(std::string(password), "client");
    ScramServer server(secret_of("secret"), "server");
    const Outcome outcome = talk(client, server);
    CHECK(outcome.client_proven == (password == "secret"));
    CHECK(outcome.server_proven == (password == "secret"));
    CHECK(server.login_keys().has_value() == (password == "secret"));
  }
}

TEST_CASE("the keys learned from a login open a server with the same secret, and no other") {
  ScramClient client("secret", "client");
  ScramServer server(secret_of("secret"), "server");
  REQUIRE(talk(client, server).client_proven);
  const ScramLoginKeys keys = *server.login_keys();
  CHECK(keys == *derive_login_keys("secret", "0123456789abcdef", few_iterations));

  ScramClient passed_through(keys, "client2");
  ScramServer same(secret_of("secret"), "server2");
  CHECK(talk(passed_through, same).server_proven);
  CHECK(passed_through.proven());

  ScramClient misled(keys, "client3");
  ScramServer other_salt(*derive_scram_secret("secret", "another salt", few_iterations), "server3");
  CHECK_FALSE(talk(misled, other_salt).client_proven);
  CHECK(other_salt.failure() == "wrong password");
}

TEST_CASE("a server that does not know the secret is not believed") {
  ScramClient client("pencil", std::string(rfc_client_nonce), "user");
  client.client_first();
  client.on_server_first(rfc_server_first);
  std::string forged(rfc_server_final);
  forged[4] = forged[4] == 'A' ? 'B' : 'A';
  CHECK_FALSE(client.on_server_final(forged));
  CHECK(client.failure() == "wrong SCRAM server signature");
  CHECK_FALSE(client.on_server_final(rfc_server_final));
}

TEST_CASE("a mock exchange looks like a real one, stays the same, and fails") {
  const auto first_of = [](std::string_view user, std::string_view process_secret) {
    ScramServer server = ScramServer::mock(user, process_secret, "nonce");
    return *server.on_client_first("n,,n=,r=abc");
  };
  CHECK(first_of("nobody", "s1").starts_with("r=abcnonce,s="));
  CHECK(first_of("nobody", "s1").ends_with("==,i=4096"));
  CHECK(first_of("nobody", "s1") == first_of("nobody", "s1"));
  CHECK(first_of("nobody", "s1") != first_of("noone", "s1"));
  CHECK(first_of("nobody", "s1") != first_of("nobody", "s2"));

  ScramServer server = ScramServer::mock("nobody", "s1", "server", few_iterations);
  ScramClient client("guess", "client");
  CHECK_FALSE(talk(client, server).client_proven);
  CHECK(server.failure() == "wrong password");
}

TEST_CASE("an exchange is bound to the channel that both ends see, and to no other") {
  const auto exchange = [](std::string seen_by_client, std::string seen_by_server, bool plus) {
    ScramServer server(secret_of("secret"), "server");
    ScramClient client("secret", "client");
    if (plus) client.bind_to_channel(std::move(seen_by_client));
    server.bind_to_channel(std::move(seen_by_server), plus);
    const bool proven = talk(client, server).client_proven;
    return proven ? std::string("proven") : server.failure();
  };
  CHECK(exchange("certificate 1", "certificate 1", true) == "proven");
  CHECK(exchange("certificate 2", "certificate 1", true) ==
        "unexpected channel binding in SCRAM client-final-message");
  CHECK(exchange("certificate 1", "", true) ==
        "client requires SCRAM channel binding, which is not offered");
  // A client that knows no channel binding may do without.
  CHECK(exchange("", "certificate 1", false) == "proven");
}

TEST_CASE("whoever takes our offer of channel binding out of the list is noticed") {
  ScramServer server(secret_of("secret"), "server");
  ScramClient client("secret", "client");
  client.missed_plus();
  server.bind_to_channel("certificate", false);
  CHECK_FALSE(talk(client, server).client_proven);
  CHECK(server.failure() == "client believes that SCRAM-SHA-256-PLUS is not offered, which it is");

  ScramServer without(secret_of("secret"), "server");
  ScramClient again("secret", "client");
  again.missed_plus();
  CHECK(talk(again, without).client_proven);
}

TEST_CASE("a client that chose SCRAM-SHA-256-PLUS has to bind, in the way that we know") {
  for (const std::string_view header : {"n,,", "y,,", "p=tls-unique,,", "p=,,"}) {
    CAPTURE(header);
    ScramServer server(secret_of("secret"), "server");
    server.bind_to_channel("certificate", true);
    CHECK_FALSE(server.on_client_first(std::string(header) + "n=,r=abc").has_value());
  }
}

TEST_CASE("channel binding is refused, its absence in either spelling is not") {
  struct Row {
    std::string_view header, binding;
    bool accepted;
  };
  const Row rows[] = {
      {"n,,", "biws", true},
      {"y,,", "eSws", true},
      {"n,a=someone,", "bixhPXNvbWVvbmUs", true},
      {"n,,", "eSws", false},
      {"y,,", "biws", false},
      {"n,,", "", false},
      {"p=tls-server-end-point,,", "biws", false},
      {"p,,", "biws", false},
      {"x,,", "biws", false},
      {"n,b=c,", "biws", false},
      {"n", "biws", false},
      {",,", "biws", false},
      {"nn,,", "biws", false},
  };
  const ScramSecret secret = secret_of("secret");
  const ScramLoginKeys keys = *derive_login_keys("secret", secret.salt, few_iterations);
  for (const Row& row : rows) {
    CAPTURE(row.header);
    CAPTURE(row.binding);
    ScramServer server(secret, "server");
    const auto server_first = server.on_client_first(std::string(row.header) + "n=,r=client");
    std::optional<std::string> server_final;
    if (server_first) {
      const std::string unproven = "c=" + std::string(row.binding) + ",r=clientserver";
      const std::string auth = "n=,r=client," + *server_first + "," + unproven;
      const ScramKey signature = hmac_sha256(sha256(keys.client_key), as_bytes(auth));
      server_final = server.on_client_final(
          unproven + ",p=" + base64_encode(exclusive_or(keys.client_key, signature)));
    }
    CHECK(server_final.has_value() == row.accepted);
    CHECK(server.proven() == row.accepted);
  }
}

TEST_CASE("malformed client-first messages fail with a reason") {
  using namespace std::string_view_literals;
  const std::string long_nonce(scram_nonce_bytes_max + 1, 'x');
  const std::string_view rows[] = {
      "",
      "n",
      "n,",
      "n,,",
      "n,,n=",
      "n,,n=,",
      "n,,n=,r=",
      "n,,r=abc",
      "n,,n=,r=a b",
      "n,,n=,r=a\x80",
      "n,,m=x,n=,r=abc",
      "n,,n=,r=abc,",
      "n,,n=,r=abc,junk",
      "n,,n=,r=a\0b"sv,
  };
  for (const std::string_view row : rows) {
    CAPTURE(row);
    ScramServer server(secret_of("secret"), "server");
    CHECK_FALSE(server.on_client_first(row).has_value());
    CHECK_FALSE(server.failure().empty());
  }
  ScramServer server(secret_of("secret"), "server");
  CHECK_FALSE(server.on_client_first("n,,n=,r=" + long_nonce).has_value());
  ScramServer flooded(secret_of("secret"), "server");
  CHECK_FALSE(flooded.on_client_first("n,,n=,r=a,x=" + std::string(5000, 'y')).has_value());
  ScramServer extended(secret_of("secret"), "server");
  CHECK(extended.on_client_first("n,,n=,r=abc,x=later").has_value());
}

TEST_CASE("every cut of every message fails cleanly on both sides") {
  for (std::size_t size = 0; size < rfc_client_final.size(); ++size) {
    ScramServer server = rfc_server();
    server.on_client_first(rfc_client_first);
    CHECK_FALSE(server.on_client_final(rfc_client_final.substr(0, size)).has_value());
    CHECK_FALSE(server.proven());
    if (size > 20) size += 6;  // each round costs a full derivation
  }
  for (std::size_t size = 0; size < rfc_server_final.size(); ++size) {
    const ScramLoginKeys keys = *derive_login_keys("x", "y", 1);
    ScramClient client(keys, std::string(rfc_client_nonce));
    client.client_first();
    REQUIRE(client.on_server_first(rfc_server_first).has_value());
    CHECK_FALSE(client.on_server_final(rfc_server_final.substr(0, size)));
  }
  // The iteration count comes last, so any cut that leaves a digit of it is a message of its own.
  for (std::size_t size = 0; size < rfc_server_first.size() - 4; ++size) {
    ScramClient client("pencil", std::string(rfc_client_nonce));
    client.client_first();
    CHECK_FALSE(client.on_server_first(rfc_server_first.substr(0, size)).has_value());
  }
}

TEST_CASE("CVE-2026-6665: a server's nonce of more than a kilobyte is an error and nothing else") {
  for (const std::size_t size : {1025u, 4000u, 5000u, 1'000'000u}) {
    CAPTURE(size);
    ScramClient client("secret", "client");
    client.client_first();
    const std::string message = "r=client" + std::string(size, 'x') + ",s=c2FsdA==,i=4096";
    CHECK_FALSE(client.on_server_first(message).has_value());
    CHECK_FALSE(client.failure().empty());
  }
  ScramClient client("secret", "client");
  client.client_first();
  CHECK(
      client.on_server_first("r=client" + std::string(1000, 'x') + ",s=c2FsdA==,i=2").has_value());
}

TEST_CASE("hostile server-first messages are refused") {
  const std::string_view rows[] = {
      "",
      "r=client",
      "r=client,s=c2FsdA==,i=4096",   // adds nothing to our nonce
      "r=other,s=c2FsdA==,i=4096",    // not ours
      "r=clientX,s=,i=4096",          // no salt
      "r=clientX,s=c2Fs!A==,i=4096",  // no base64
      "r=clientX,s=c2FsdA==,i=0",
      "r=clientX,s=c2FsdA==,i=-1",
      "r=clientX,s=c2FsdA==,i=2147483647",  // minutes of work
      "r=clientX,s=c2FsdA==,i=99999999999999999999",
      "r=clientX,s=c2FsdA==,i=4096x",
      "m=x,r=clientX,s=c2FsdA==,i=4096",
      "s=c2FsdA==,r=clientX,i=4096",
  };
  for (const std::string_view row : rows) {
    CAPTURE(row);
    ScramClient client("secret", "client");
    client.client_first();
    CHECK_FALSE(client.on_server_first(row).has_value());
    CHECK_FALSE(client.failure().empty());
    CHECK_FALSE(client.on_server_final("v=AAAA"));
  }
}

TEST_CASE("a server's own error is reported") {
  ScramClient client("pencil", std::string(rfc_client_nonce));
  client.client_first();
  client.on_server_first(rfc_server_first);
  CHECK_FALSE(client.on_server_final("e=invalid-proof"));
  CHECK(client.failure() == "SCRAM error from server: invalid-proof");
}

TEST_CASE("messages out of order fail, also twice the same") {
  ScramServer server = rfc_server();
  CHECK_FALSE(server.on_client_final(rfc_client_final).has_value());
  CHECK_FALSE(server.on_client_first(rfc_client_first).has_value());
  ScramServer twice = rfc_server();
  CHECK(twice.on_client_first(rfc_client_first).has_value());
  CHECK_FALSE(twice.on_client_first(rfc_client_first).has_value());

  ScramClient client("pencil", "nonce");
  CHECK_FALSE(client.on_server_first(rfc_server_first).has_value());
  ScramClient eager("pencil", std::string(rfc_client_nonce));
  eager.client_first();
  CHECK_FALSE(eager.on_server_final(rfc_server_final));
}

TEST_CASE("without randomness there is no login") {
  ScramServer server(secret_of("secret"), "");
  CHECK_FALSE(server.on_client_first(rfc_client_first).has_value());
  ScramClient client("secret", "");
  client.client_first();
  CHECK_FALSE(client.on_server_first(rfc_server_first).has_value());
}
