// What auth_query may answer, and which secrets and keys are kept of it.
#include "proxy/session/auth_lookup.h"

#include <doctest/doctest.h>

#include "protocol/compose.h"
#include "proxy/session/credentials.h"

using namespace pgweir;

namespace {

using Values = std::vector<std::optional<std::string_view>>;

Buffer columns(std::size_t count) {
  Buffer out;
  compose::row_description(out, std::vector<compose::Column>(count, compose::Column{"c"}));
  return out;
}

Buffer row(const Values& values) {
  Buffer out;
  compose::data_row(out, values);
  return out;
}

// In parts of `step` bytes; 0: whole.
void give(LookupReply& reply, char tag, const Buffer& message, std::size_t step = 0) {
  const Bytes body = Bytes(message).subspan(5);
  if (step == 0) step = body.size() + 1;
  for (std::size_t at = 0; at == 0 || at < body.size(); at += step) {
    const std::size_t count = std::min(step, body.size() - at);
    reply.on_piece(tag, at == 0, at + count == body.size(), body.subspan(at, count));
  }
}

LookupReply reply_of(std::size_t count, const std::vector<Values>& rows,
                     LookupKind kind = LookupKind::secret, std::size_t step = 0) {
  LookupReply reply(kind);
  give(reply, 'T', columns(count), step);
  for (const Values& values : rows) give(reply, 'D', row(values), step);
  return reply;
}

ScramLoginKeys keys_of(int which) {
  ScramLoginKeys keys;
  keys.client_key.fill(static_cast<std::byte>(which));
  return keys;
}

}  // namespace

TEST_CASE("a row of name and secret is found, however it is cut") {
  for (const std::size_t step : {0u, 1u, 3u}) {
    const LookupReply reply = reply_of(2, {{"anna", "md5x"}}, LookupKind::secret, step);
    CHECK(reply.flaw() == "");
    CHECK(reply.found());
    CHECK(reply.name() == "anna");
    CHECK(reply.secret() == "md5x");
  }
}

TEST_CASE("no row is no user, a NULL secret is one that never matches") {
  CHECK_FALSE(reply_of(2, {}).found());
  const LookupReply null = reply_of(2, {{"anna", std::nullopt}});
  CHECK(null.found());
  CHECK(null.secret() == "");
  CHECK(null.flaw() == "");
}

TEST_CASE("of several rows the first counts") {
  CHECK(reply_of(2, {{"a", "1"}, {"b", "2"}}).secret() == "1");
}

TEST_CASE("an answer of another shape has a flaw") {
  CHECK(reply_of(1, {{"anna"}}).flaw() != "");
  CHECK(reply_of(3, {}).flaw() != "");
  CHECK(reply_of(2, {{std::nullopt, "x"}}).flaw() ==
        "auth_query response contained null user name");
  CHECK(reply_of(2, {{"a", "b", "c"}}).flaw() != "");
  LookupReply undescribed(LookupKind::secret);
  give(undescribed, 'D', row({"a", "b"}));
  CHECK(undescribed.flaw() != "");
  const std::string huge(300 * 1024, 'x');
  CHECK(reply_of(2, {{"a", huge}}).flaw() == "auth_query response is too long");
}

TEST_CASE("truncated rows of a hostile server are a flaw, never read beyond") {
  const Buffer whole = row({"anna", "secret"});
  for (std::size_t size = 5; size < whole.size(); ++size) {
    LookupReply reply(LookupKind::secret);
    give(reply, 'T', columns(2));
    reply.on_piece('D', true, true, Bytes(whole).subspan(5, size - 5));
    CHECK(reply.flaw() != "");
  }
}

TEST_CASE("roles are one column of many rows") {
  const LookupReply reply = reply_of(1, {{"anna"}, {"staff"}}, LookupKind::roles);
  CHECK(reply.roles() == std::set<std::string>{"anna", "staff"});
  CHECK(reply_of(2, {{"a", "b"}}, LookupKind::roles).flaw() != "");
}

TEST_CASE("login keys belong to the secret they were proven against, and the latest few are kept") {
  Credentials credentials("x");
  credentials.keep_login_keys("u", "old", keys_of(1));
  credentials.keep_login_keys("u", "new", keys_of(2));
  CHECK(credentials.login_keys("u", "old") == keys_of(1));
  CHECK(credentials.login_keys("u", "new") == keys_of(2));
  CHECK_FALSE(credentials.login_keys("u", "other"));
  CHECK_FALSE(credentials.login_keys("v", "new"));
  for (int i = 0; i < 8; ++i) credentials.keep_login_keys("u", "s" + std::to_string(i), keys_of(i));
  CHECK_FALSE(credentials.login_keys("u", "new"));
  CHECK(credentials.login_keys("u", "s7") == keys_of(7));
}

TEST_CASE("unknown users are asked for the kind of secret that others of their database have") {
  Credentials credentials("x");
  CHECK(credentials.usual_kind("db") == SecretKind::scram);
  credentials.keep_looked_up("db", "u", "md5" + std::string(32, 'a'));
  CHECK(credentials.usual_kind("db") == SecretKind::md5);
  CHECK(credentials.usual_kind("other") == SecretKind::scram);
  credentials.keep_looked_up("db", "v", "a password that LDAP accepted");
  CHECK(credentials.usual_kind("db") == SecretKind::md5);
  CHECK(credentials.looked_up("db", "v") == "a password that LDAP accepted");
  CHECK(credentials.looked_up("other", "v") == "");
}
