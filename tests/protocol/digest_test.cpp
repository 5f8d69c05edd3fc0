#include "protocol/sql/digest.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "protocol/sql/lexer.h"

using namespace pgweir;

namespace {

std::uint64_t id(std::string_view statement, bool cut = false) {
  std::string text;
  return sql::digest(statement, text, cut);
}
std::string text_of(std::string_view statement, bool cut = false) {
  std::string text;
  sql::digest(statement, text, cut);
  return sql::readable(text);
}
std::vector<std::string> tokens(std::string_view statement) {
  std::vector<std::string> found;
  sql::Lexer lexer(statement);
  for (auto token = lexer.next(); token.kind != sql::TokenKind::end; token = lexer.next())
    found.emplace_back(token.text);
  return found;
}
using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("the lexer cuts as PostgreSQL's scanner does") {
  CHECK(tokens("a<-1") == Words{"a", "<", "-", "1"});
  CHECK(tokens("a @-b") == Words{"a", "@-", "b"});
  CHECK(tokens("a*/*x*/b") == Words{"a", "*", "b"});
  CHECK(tokens("a--x\nb") == Words{"a", "b"});
  CHECK(tokens("/* /* */ x */ a") == Words{"a"});
  CHECK(tokens("'it''s' E'\\'' $a$ $$ $a$ $1") == Words{"'it''s'", "E'\\''", "$a$ $$ $a$", "$1"});
  CHECK(tokens("\"a\"\"b\" U&\"c\"") == Words{"\"a\"\"b\"", "U&\"c\""});
  CHECK(tokens("1.5e-3 .5 5. 1..2 1e") == Words{"1.5e-3", ".5", "5.", "1", "..", "2", "1", "e"});
  CHECK(tokens("a::b a:=b a[1:2]") ==
        Words{"a", "::", "b", "a", ":=", "b", "a", "[", "1", ":", "2", "]"});
  CHECK(tokens("a$b$c") == Words{"a$b$c"});
}

TEST_CASE("literals and parameters, comments, blanks and case do not change a digest") {
  CHECK(id("select * from t where a = 1") == id("SELECT *\n FROM t -- x\nWHERE a='x' /* y */;"));
  CHECK(id("select $1") == id("select $$x$$"));
  CHECK(text_of("select a, 'x' from t where b=$7") == "select a, $1 from t where b = $2");
}

TEST_CASE("lists that look alike are one, whatever their length") {
  CHECK(id("select 1 from t where a in (1)") == id("select 1 from t where a in ($1, $2, -3)"));
  CHECK(text_of("select a in (1, 2)") == "select a in ($1, ...)");
  CHECK(id("insert into t values (1, 'a')") ==
        id("insert into t values (1, 'a'), (2, 'b'), (3, 'c')"));
  CHECK(id("insert into t values (1) returning a") ==
        id("insert into t values (1), (2) returning a"));
  CHECK(id("select array[1]") == id("select array[1, 2]"));
  CHECK(id("select a in (1, b)") != id("select a in (1, c)"));
  CHECK(id("select f(1)") != id("select f(1, 2)"));
}

TEST_CASE("names of columns, types and operators change a digest") {
  CHECK(id("select a") != id("select b"));
  CHECK(id("select \"A\"") != id("select a"));
  CHECK(id("select \"x\" from t") != id("select 'x' from t"));
  CHECK(id("select a::int") != id("select a::text"));
  CHECK(id("select x::float(10)") != id("select x::float(40)"));
  CHECK(id("select x::int[3]") != id("select x::int[4]"));
  CHECK(id("select N'x'") != id("select 'x'"));
}

TEST_CASE("made-up names of savepoints and cursors do not count") {
  CHECK(id("savepoint a") == id("SAVEPOINT \"x-1\""));
  CHECK(id("rollback to savepoint a") == id("rollback to savepoint b"));
  CHECK(id("fetch 5 from a") == id("fetch 5 from b"));
  CHECK(id("fetch 5 from a") != id("fetch 6 from a"));
  CHECK(id("deallocate all") != id("deallocate a"));
}

TEST_CASE("a secret counts for the digest but is not shown") {
  CHECK(id("alter role a password 'x'") != id("alter role a password 'y'"));
  CHECK(text_of("alter role a password 'x'") == "alter role a password $1");
}

TEST_CASE("a text without its end differs from one with it") {
  CHECK(id("select 'a") != id("select 'a'"));
  CHECK(id("select 1 /* x") != id("select 1"));
  CHECK(id("select 1", true) != id("select 1"));
}

TEST_CASE("where a long list is cut does not matter") {
  CHECK(id("insert into t values (1, 2), (3, 4), (5", true) ==
        id("insert into t values (1, 2), (3, 4), (5, 6), (7, 'ab", true));
  CHECK(id("select a in (1, 2, 3", true) == id("select a in (1, 2", true));
}

TEST_CASE("deep nesting is taken as it comes") {
  const std::string deep = std::string(500, '(') + "a in (1, 2)" + std::string(500, ')');
  CHECK(id("select " + deep) == id("select  " + deep));
  CHECK(id("select ))))) in (1,2)") != 0);
}

TEST_CASE("a hash depends on every byte, on the length and on the seed") {
  std::string bytes(40, 'x');
  const std::uint64_t all = sql::hash(bytes);
  for (char& c : bytes) {
    c = 'y';
    CHECK(sql::hash(bytes) != all);
    c = 'x';
  }
  CHECK(sql::hash(std::string_view("\0\0", 2)) != sql::hash(std::string_view("\0", 1)));
  CHECK(sql::hash("a", 1) != sql::hash("a", 2));
  CHECK(sql::hash({}) == sql::hash(""));  // a null pointer is read by nobody (the sanitizer tells)
}
