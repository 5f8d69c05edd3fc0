#include "bench/null_session.h"

#include <doctest/doctest.h>

#include <array>

#include "protocol/compose.h"
#include "protocol/framer.h"

using namespace pgweir;
using namespace pgweir::bench;

namespace {
std::string tags_of(Bytes input) {
  Framer framer(Direction::from_server);
  std::string tags;
  while (const auto piece = framer.next(input))
    if (piece->starts) tags.push_back(piece->tag);
  CHECK_FALSE(framer.failed());
  return tags;
}

struct Conversation {
  CannedAnswers answers;
  NullSession session{answers};
  Buffer said;

  Conversation() {
    const std::array<compose::Parameter, 1> parameters{{{"user", "x"}}};
    compose::startup_message(said, parameters);
    CHECK(tell().ends_with("KZ"));
  }
  std::string tell() {
    Buffer replies;
    CHECK(session.take(said, replies));
    said.clear();
    last = replies;
    return tags_of(last);
  }
  char status() const { return static_cast<char>(last.back()); }
  Buffer last;
};
}  // namespace

TEST_CASE("the null server answers a simple query with a row") {
  Conversation c;
  compose::query(c.said, "select 1");
  CHECK(c.tell() == "TDCZ");
  compose::query(c.said, "");
  CHECK(c.tell() == "IZ");
}

TEST_CASE("the null server knows when it is in a transaction") {
  Conversation c;
  compose::query(c.said, "BEGIN");
  CHECK(c.tell() == "CZ");
  CHECK(c.status() == 'T');
  compose::query(c.said, "select 1");
  c.tell();
  CHECK(c.status() == 'T');
  compose::query(c.said, "commit");
  c.tell();
  CHECK(c.status() == 'I');
}

TEST_CASE("the null server answers prepared statements by what they were parsed from") {
  Conversation c;
  compose::parse(c.said, "a", "select repeat('x', 1000)");
  compose::parse(c.said, "b", "begin");
  compose::describe(c.said, 'S', "a");
  compose::sync(c.said);
  CHECK(c.tell() == "11tTZ");
  compose::bind(c.said, "", "a");
  compose::describe(c.said, 'P', "");
  compose::execute(c.said, "");
  compose::sync(c.said);
  CHECK(c.tell() == "2TDCZ");
  CHECK(c.last.size() > 1000);
  compose::bind(c.said, "", "b");
  compose::execute(c.said, "");
  compose::sync(c.said);
  CHECK(c.tell() == "2CZ");
  CHECK(c.status() == 'T');
}

TEST_CASE("the null server gives the same replies whatever the parts its input comes in") {
  Conversation whole, parts;
  Buffer said;
  compose::query(said, "select repeat('x', 100)");
  compose::parse(said, "", "select length('" + std::string(5000, 'y') + "')");
  compose::bind(said, "", "");
  compose::execute(said, "");
  compose::sync(said);
  Buffer expected, told;
  CHECK(whole.session.take(said, expected));
  for (const std::byte& byte : said) CHECK(parts.session.take({&byte, 1}, told));
  CHECK(told == expected);
}

TEST_CASE("a Terminate and a cancel request end a session of the null server") {
  Conversation c;
  Buffer replies;
  compose::terminate(c.said);
  CHECK_FALSE(c.session.take(c.said, replies));
  CannedAnswers answers;
  NullSession canceller(answers);
  Buffer cancel;
  compose::cancel_request(cancel, 1, as_bytes("null"));
  CHECK_FALSE(canceller.take(cancel, replies));
}
