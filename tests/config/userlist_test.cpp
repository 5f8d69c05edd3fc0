#include "config/userlist.h"

#include <doctest/doctest.h>

#include "tests/config/memory_files.h"

using namespace pgweir;

TEST_CASE("users and secrets of all three kinds are read") {
  const std::string scram = "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy";
  Userlist list = parse_userlist(
      "; comment\n\"alice\" \"secret\"\n  \"bob\"\t\"md5d41d8cd98f00b204e9800998ecf8427e\"\r\n\n"
      "\"carol\" \"" +
          scram + "\" rest of the line \"x\"\n\"dave\" \"\"",
      "u");
  CHECK(list.mistakes == Mistakes{});
  CHECK(list.secrets.size() == 4);
  CHECK(list.secrets.at("alice") == "secret");
  CHECK(list.secrets.at("bob") == "md5d41d8cd98f00b204e9800998ecf8427e");
  CHECK(list.secrets.at("carol") == scram);
  CHECK(list.secrets.at("dave") == "");
}

TEST_CASE("two quotes are one, and nothing else in quotes is special") {
  Userlist list = parse_userlist("\"a\"\"b\" \" ;#\\x\"\"\"\n", "u");
  CHECK(list.mistakes == Mistakes{});
  CHECK(list.secrets.at("a\"b") == " ;#\\x\"");
}

TEST_CASE("broken lines are told by number and the others count") {
  Userlist list = parse_userlist(
      "\"a\" \"1\"\nplain word\n\"b\"\n\"c\" \"open\n# no comment here\n\"\" \"x\"\n\"d\" \"4\"\n",
      "u");
  CHECK(lines_of(list.mistakes) == Lines{"?u:2 broken auth file", "?u:3 broken auth file",
                                         "?u:4 broken auth file", "?u:5 broken auth file",
                                         "?u:6 broken auth file"});
  CHECK(list.secrets.size() == 2);
  CHECK(list.secrets.at("d") == "4");
}

TEST_CASE("names reach 127 bytes and secrets 65530") {
  const std::string name(127, 'n'), secret(65530, 's');
  Userlist list = parse_userlist("\"" + name + "\" \"" + secret + "\"\n", "u");
  CHECK(list.mistakes == Mistakes{});
  CHECK(list.secrets.at(name) == secret);
  list = parse_userlist("\"" + name + "n\" \"x\"\n\"y\" \"" + secret + "s\"\n", "u");
  CHECK(lines_of(list.mistakes) ==
        Lines{"?u:1 username too long in auth file", "?u:2 password too long in auth file"});
  CHECK(list.secrets.empty());
}

TEST_CASE("the later of two lines for one user counts") {
  CHECK(parse_userlist("\"a\" \"1\"\n\"a\" \"2\"\n", "u").secrets.at("a") == "2");
}
