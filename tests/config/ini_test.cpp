#include "config/ini.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/config/memory_files.h"

using namespace pgweir;

namespace {

// The value of the only entry of `[s]` + line.
std::string value_of(const std::string& line) {
  IniFile ini = read_ini("f", reader_of({{"f", "[s]\n" + line + "\n"}}));
  REQUIRE(ini.mistakes == Mistakes{});
  REQUIRE(ini.sections.size() == 1);
  REQUIRE(ini.sections[0].entries.size() == 1);
  return ini.sections[0].entries[0].value;
}

std::string key_of(const std::string& line) {
  IniFile ini = read_ini("f", reader_of({{"f", "[s]\n" + line + "\n"}}));
  REQUIRE(ini.mistakes == Mistakes{});
  REQUIRE(ini.sections.at(0).entries.size() == 1);
  return ini.sections[0].entries[0].key;
}

Lines mistakes_of(std::map<std::string, std::string> files) {
  return lines_of(read_ini("f", reader_of(std::move(files))).mistakes);
}

}  // namespace

TEST_CASE("a value of 64 KiB is read whole") {
  std::string query;
  while (query.size() < 65536)
    query += "SELECT usename, passwd FROM pg_shadow WHERE usename=$1 ; # ";
  query += "end";
  CHECK(value_of("auth_query = " + query) == query);
  // Every length around inih's 200 bytes, so that a cut at the boundary shows.
  for (std::size_t size = 150; size < 450; ++size) {
    const std::string value(size, 'x');
    CHECK(value_of("k = " + value) == value);
  }
}

TEST_CASE("comment signs, quotes and separators inside a value belong to it") {
  CHECK(value_of("password = a ; b # c") == "a ; b # c");
  CHECK(value_of("password = ;x") == ";x");
  CHECK(value_of("password = #x") == "#x");
  CHECK(value_of("password = \"a\" 'b") == "\"a\" 'b");
  CHECK(value_of("password = a=b:c[d]") == "a=b:c[d]");
  CHECK(value_of("password = \\n\\") == "\\n\\");
  CHECK(value_of("server_check_query =") == "");
}

TEST_CASE("blanks and carriage returns around keys and values vanish, inside they stay") {
  CHECK(value_of("  k\t=  a  b \t\r") == "a  b");
  CHECK(key_of("  k\t=  a") == "k");
  CHECK(value_of("k=v") == "v");
}

TEST_CASE("a line that starts with blanks is not a continuation of the one before") {
  IniFile ini = read_ini("f", reader_of({{"f", "[s]\na = 1\n   b = 2\n"}}));
  REQUIRE(ini.sections.at(0).entries.size() == 2);
  CHECK(ini.sections[0].entries[0].value == "1");
  CHECK(ini.sections[0].entries[1].key == "b");
}

TEST_CASE("only whole lines are comments, also after blanks and behind a section") {
  IniFile ini = read_ini("f", reader_of({{"f", "; a = 1\n  # b = 2\n[s] ; comment\n\nc = 3"}}));
  CHECK(ini.mistakes == Mistakes{});
  REQUIRE(ini.sections.size() == 1);
  REQUIRE(ini.sections[0].entries.size() == 1);
  CHECK(ini.sections[0].entries[0].key == "c");
  CHECK(ini.sections[0].entries[0].line == 5);
}

TEST_CASE("keys are plain characters or stand in quotes of either kind") {
  CHECK(key_of("a.B-9_* = 1") == "a.B-9_*");
  CHECK(key_of("'a b=c' = 1") == "a b=c");
  CHECK(key_of("'it''s' = 1") == "it's");
  CHECK(key_of("\"a b\" = 1") == "a b");
  CHECK(key_of("\"*\" = 1") == "*");
  CHECK(key_of("'::1' = 1") == "::1");
  const std::string name(300, 'n');
  CHECK(key_of(name + " = 1") == name);
}

TEST_CASE("each line that does not parse is a mistake, the others count") {
  CHECK(mistakes_of({{"f", "[s]\na b = 1\nc\n= 2\n'open = 3\n[broken\nd = 4\na:b = 5"}}) ==
        Lines{"f:2 syntax error in configuration (f:2), stopping loading",
              "f:3 syntax error in configuration (f:3), stopping loading",
              "f:4 syntax error in configuration (f:4), stopping loading",
              "f:5 syntax error in configuration (f:5), stopping loading",
              "f:6 syntax error in configuration (f:6), stopping loading",
              "f:8 syntax error in configuration (f:8), stopping loading"});
  CHECK(mistakes_of({{"f", "a = 1\n[s]\n"}}) ==
        Lines{"f:1 syntax error in configuration (f:1), stopping loading"});
  CHECK(mistakes_of({{"f", std::string("[s]\na = 1\0 2\n", 12)}}) ==
        Lines{"f:2 syntax error in configuration (f:2), stopping loading"});
}

TEST_CASE("a byte order mark, an empty file and an empty section are no mistakes") {
  CHECK(mistakes_of({{"f", "\xEF\xBB\xBF[s]\na = 1\n"}}) == Lines{});
  CHECK(mistakes_of({{"f", ""}}) == Lines{});
  IniFile ini = read_ini("f", reader_of({{"f", "[a]\n[b]\n[a]\n"}}));
  REQUIRE(ini.sections.size() == 3);
  CHECK(ini.sections[1].name == "b");
  CHECK(ini.sections[2].line == 3);
}

TEST_CASE("an included file continues the section and may open another") {
  IniFile ini = read_ini("f", reader_of({{"f", "[s]\n%include  g.ini  \nc = 3\n"},
                                         {"g.ini", "a = 1\n[t]\n\nb = 2\n"}}));
  CHECK(ini.mistakes == Mistakes{});
  REQUIRE(ini.sections.size() == 2);
  CHECK(ini.sections[0].entries.at(0).file == "g.ini");
  CHECK(ini.sections[0].entries.at(0).line == 1);
  REQUIRE(ini.sections[1].entries.size() == 2);
  CHECK(ini.sections[1].entries[0].line == 4);
  CHECK(ini.sections[1].entries[1].file == "f");
  CHECK(ini.sections[1].entries[1].line == 3);
}

TEST_CASE("an include needs a blank behind it and a file that can be read") {
  CHECK(mistakes_of({{"f", "[s]\n%includeg\n%include\n%include g\n"}}) ==
        Lines{"f:2 syntax error in configuration (f:2), stopping loading",
              "f:3 syntax error in configuration (f:3), stopping loading",
              "f:4 cannot read included file g"});
}

TEST_CASE("includes nest ten deep and not eleven") {
  std::map<std::string, std::string> files{{"f", "[s]\n%include 1\n"}, {"10", "a = 1\n"}};
  for (int i = 1; i < 10; ++i) {
    files[std::to_string(i)] = "%include " + std::to_string(i + 1) + "\n";
  }
  CHECK(mistakes_of(files) == Lines{});
  files["10"] = "%include 11\n";
  files["11"] = "a = 1\n";
  CHECK(mistakes_of(files) == Lines{"10:1 include nesting level too deep (11), max=10"});
}

TEST_CASE("a file that includes itself many times ends after one chain") {
  int reads = 0;
  std::string text = "[s]\n";
  for (int i = 0; i < 50; ++i) text += "%include f\n";
  IniFile ini = read_ini("f", [&](const std::string&) {
    ++reads;
    return std::optional(text);
  });
  CHECK(lines_of(ini.mistakes) == Lines{"f:2 include nesting level too deep (f), max=10"});
  CHECK(reads == 11);
}

TEST_CASE("real files are read, folders and missing files are not") {
  char folder[] = "/tmp/pgweir-ini-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  const std::string path = std::string(folder) + "/a.ini";
  std::ofstream(path) << "[s]\nk = v\n";
  CHECK(read_file(path) == "[s]\nk = v\n");
  std::ofstream(path, std::ios::trunc).flush();
  CHECK(read_file(path) == "");
  CHECK(read_file(folder) == std::nullopt);
  CHECK(read_file(path + ".missing") == std::nullopt);
  std::filesystem::remove_all(folder);
}
