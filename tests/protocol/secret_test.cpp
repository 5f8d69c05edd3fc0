#include "protocol/auth/secret.h"

#include <doctest/doctest.h>

#include "protocol/auth/md5.h"
#include "protocol/auth/scram_keys.h"

using namespace pgweir;

namespace {

// Password "secret", user "anna"; hashed by another implementation of md5.
constexpr std::string_view md5_of_secret = "md53671d1c06464e8ec9d68bf36dd1d5f7e";

std::string scram_of(std::string_view password) {
  return to_text(*derive_scram_secret(password, "0123456789abcdef", 4096));
}

}  // namespace

TEST_CASE("md5 secrets are PostgreSQL's") {
  CHECK(md5_secret("secret", "anna") == md5_of_secret);
  CHECK(md5_secret("", "") == "md5d41d8cd98f00b204e9800998ecf8427e");  // RFC 1321
  CHECK(md5_secret("message ", "digest") == "md5f96b697d7cb7938d525a2f31aaf161d0");
}

TEST_CASE("an md5 answer is the hash of the secret's digits and the salt") {
  const Bytes salt = as_bytes("\x01\x02\x03\x04");
  CHECK(md5_answer(md5_of_secret, salt) == "md57a40e687695f2126a3421c7f4bc9861e");
  CHECK(md5_answer("secret", salt).empty());
  CHECK(md5_answer_fits(md5_answer(md5_of_secret, salt), "anna", "secret", salt));
  CHECK(md5_answer_fits(md5_answer(md5_of_secret, salt), "anna", md5_of_secret, salt));
  CHECK_FALSE(md5_answer_fits(md5_answer(md5_of_secret, salt), "anna", "Secret", salt));
  CHECK_FALSE(md5_answer_fits(md5_answer(md5_of_secret, salt), "berta", "secret", salt));
  CHECK_FALSE(
      md5_answer_fits(md5_answer(md5_of_secret, salt), "anna", md5_of_secret, as_bytes("abcd")));
  for (const std::string_view answer : {"", "md5", "secret"}) {
    CHECK_FALSE(md5_answer_fits(answer, "anna", "secret", salt));
    CHECK_FALSE(md5_answer_fits(answer, "anna", "", salt));
    CHECK_FALSE(md5_answer_fits(answer, "anna", scram_of("secret"), salt));
  }
}

TEST_CASE("a secret is a hash only when it is one wholly") {
  struct Row {
    std::string_view secret;
    SecretKind kind;
  };
  const std::string scram = scram_of("secret");
  const Row rows[] = {
      {"", SecretKind::none},
      {"secret", SecretKind::plain},
      {md5_of_secret, SecretKind::md5},
      {"md5", SecretKind::plain},
      {md5_of_secret.substr(0, 34), SecretKind::plain},
      {"md53671D1C06464E8EC9D68BF36DD1D5F7E", SecretKind::plain},
      {"md5zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", SecretKind::plain},
      {scram, SecretKind::scram},
      {std::string_view(scram).substr(0, scram.size() - 1), SecretKind::plain},
      {"SCRAM-SHA-256$", SecretKind::plain},
      {"SCRAM-SHA-256$4096:c2FsdA==$AAAA:AAAA", SecretKind::plain},
  };
  for (const Row& row : rows) {
    CAPTURE(row.secret);
    CHECK(secret_kind(row.secret) == row.kind);
  }
}

TEST_CASE("a SCRAM secret is printed as it was read, and every cut of it is refused") {
  // RFC 7677's exchange as PostgreSQL would store it: user "user", password "pencil".
  const std::string text =
      "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
      "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
  const auto secret = parse_scram_secret(text);
  REQUIRE(secret.has_value());
  CHECK(to_text(*secret) == text);
  CHECK(*secret == *derive_scram_secret("pencil", secret->salt, 4096));
  CHECK(password_fits("pencil", *secret));
  CHECK_FALSE(password_fits("pencik", *secret));
  for (std::size_t size = 0; size < text.size(); ++size) {
    CHECK_FALSE(parse_scram_secret(text.substr(0, size)).has_value());
  }
  CHECK_FALSE(parse_scram_secret(text + "=").has_value());
  for (const char* bad : {"0", "-1", "4096x", "99999999999", ""}) {
    std::string other = text;
    other.replace(14, 4, bad);
    CHECK_FALSE(parse_scram_secret(other).has_value());
  }
}

TEST_CASE("a clear-text password fits a secret of any kind, and an empty one none") {
  const std::string scram = scram_of("secret");
  for (const std::string_view secret :
       {std::string_view("secret"), md5_of_secret, std::string_view(scram)}) {
    CAPTURE(secret);
    CHECK(password_fits("secret", "anna", secret));
    CHECK_FALSE(password_fits("Secret", "anna", secret));
    CHECK_FALSE(password_fits("", "anna", secret));
  }
  CHECK_FALSE(password_fits("", "anna", ""));
  CHECK_FALSE(password_fits("x", "anna", ""));
  CHECK_FALSE(password_fits("", "anna", scram_of("")));
}

TEST_CASE("base64 is canonical or nothing") {
  CHECK(base64_encode(as_bytes("")) == "");
  CHECK(base64_encode(as_bytes("f")) == "Zg==");
  CHECK(base64_encode(as_bytes("foobar")) == "Zm9vYmFy");
  CHECK(base64_decode("") == "");
  CHECK(base64_decode("Zm8=") == "fo");
  for (const std::string_view bad : {"Z", "Zg", "Zg=", "Zh==", "====", "=Zg=", "Zg==Zg==", "Zm9v\n",
                                     "    ", "Zm 9", "Z===", "Zm9-"}) {
    CAPTURE(bad);
    CHECK_FALSE(base64_decode(bad).has_value());
  }
}

TEST_CASE("nonces differ") {
  CHECK(fresh_scram_nonce().size() == 24);
  CHECK(fresh_scram_nonce() != fresh_scram_nonce());
}
