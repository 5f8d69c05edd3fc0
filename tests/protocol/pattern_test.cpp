#include "protocol/sql/pattern.h"

#include <doctest/doctest.h>

#include <string>

#include "protocol/sql/digest.h"

using namespace pgweir;

namespace {

sql::Pattern pattern_of(std::string_view statement) {
  std::string text;
  std::vector<std::string_view> values;
  sql::digest(statement, text, false, &values);
  sql::Pattern pattern;
  pattern.assign(statement, values);
  return pattern;
}

bool alike(std::string_view known, std::string_view other) {
  const bool fits = pattern_of(known).fits(other);
  if (fits) {
    std::string a, b;
    CHECK(sql::digest(known, a) == sql::digest(other, b));
    CHECK(a == b);
    CHECK(sql::skeleton(known, 7) == sql::skeleton(other, 7));
  }
  return fits;
}

}  // namespace

TEST_CASE("texts fit each other when only plain numbers and strings differ") {
  CHECK(alike("select * from t where a = 1 and b = 'x'", "select * from t where a = 4711 and b = ''"));
  CHECK(alike("select * from t where a=1.5", "select * from t where a=27"));
  CHECK(alike("select -1, t1.c2 from t1 limit 5;", "select -20, t1.c2 from t1 limit 50;"));
  CHECK(alike("insert into t values (1, 'a'), (2, 'b')", "insert into t values (3, 'c'), (4, 'long')"));
  CHECK(alike("select 1", "select 1"));
  CHECK(alike("select now() /* a comment, 1 */", "select now() /* a comment, 1 */"));
}

TEST_CASE("texts do not fit when anything but a plain value differs") {
  CHECK_FALSE(alike("select a from t where b = 1", "select c from t where b = 1"));
  CHECK_FALSE(alike("select t1.a from t1 where b = 1", "select t2.a from t1 where b = 1"));
  CHECK_FALSE(alike("select $1 + 1", "select $2 + 1"));
  CHECK_FALSE(alike("select 1", "select 'a'"));
  CHECK_FALSE(alike("select 1", "select 1 "));
  CHECK_FALSE(alike("select 1 ", "select 1"));
  CHECK_FALSE(alike("select 1", "select 1, 2"));
  CHECK_FALSE(alike("select 1x", "select 0x"));
  CHECK_FALSE(alike("select 1.a", "select 2.a"));
  CHECK_FALSE(alike("select 1", "select 1e5"));
  CHECK_FALSE(alike("select a5.5", "select a57"));
  CHECK_FALSE(alike("select 1", "select 1_000"));
  CHECK_FALSE(alike("select float(1)", "select float(2)"));
  CHECK_FALSE(alike("select e'a'", "select e'b'"));
  CHECK_FALSE(alike("select u&'a' uescape '!'", "select u&'a' uescape '?'"));
  CHECK_FALSE(alike("select 1", ""));
}

TEST_CASE("a value that may end elsewhere, or is a secret, is none that may change") {
  CHECK_FALSE(alike("select 'a'", "select 'a''b'"));
  CHECK_FALSE(alike("select 'a'", "select 'a\\'"));
  CHECK_FALSE(alike("select 'a'", "select 'a"));
  CHECK_FALSE(alike("select 'a', 'b'", "select 'a, 'b'"));
  CHECK_FALSE(alike("alter role a password 'x'", "alter role a password 'y'"));
}

TEST_CASE("long texts and many values fit as far as they are looked at") {
  std::string many = "select 1";
  for (int i = 0; i < 200; ++i) many += ", a" + std::to_string(i) + " + " + std::to_string(i);
  CHECK(alike(many, many));
  std::string first = many, last = many;
  first.replace(7, 1, "9");
  last += "0";
  CHECK(alike(many, first));
  CHECK_FALSE(alike(many, last));
  const std::string huge = "select '" + std::string(sql::Pattern::text_bytes_max, 'x') + "', 1";
  CHECK(alike(huge, huge));
  CHECK_FALSE(alike(huge, huge + "2"));
}

TEST_CASE("digits that belong to names make other keys, for tables come in numbers") {
  CHECK(sql::skeleton("select a from t_1", 0) != sql::skeleton("select a from t_2", 0));
  CHECK(sql::skeleton("select $1", 0) != sql::skeleton("select $2", 0));
  CHECK(sql::skeleton("select a from t", 0) != sql::skeleton("select a from t", 1));
}
