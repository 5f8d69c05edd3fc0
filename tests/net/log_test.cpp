#include "proxy/core/log.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/net/temp_dir.h"

using namespace pgweir;
using namespace pgweir::test;

namespace {

std::string content(const std::string& path) {
  std::ostringstream all;
  all << std::ifstream(path).rdbuf();
  return all.str();
}

struct LogToFile {
  TempDir dir;
  std::string path = dir.path + "/log";
  LogToFile() { REQUIRE(log::open(targets()).empty()); }
  ~LogToFile() {
    log::set_verbosity(0);
    log::open({});
  }
  log::Targets targets() const {
    log::Targets wanted;
    wanted.file = path;
    wanted.to_stderr = false;
    return wanted;
  }
};

}  // namespace

TEST_CASE("a line is PgBouncer's: time, zone, pid, level, text") {
  const LogToFile f;
  log::line(log::Level::log, "listening on {}:{}", "127.0.0.1", 6432);
  const std::string text = content(f.path);
  std::string shape = text.substr(0, 24);
  for (char& c : shape) c = c >= '0' && c <= '9' ? '9' : c;
  CHECK(shape == "9999-99-99 99:99:99.999 ");
  std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  CHECK(text.substr(24) ==
        fmt::format("{} [{}] LOG listening on 127.0.0.1:6432\n", local.tm_zone, getpid()));
}

TEST_CASE("every level has its name, and verbosity lets DEBUG and NOISE through") {
  const LogToFile f;
  const auto write_all = [] {
    for (const auto level : {log::Level::fatal, log::Level::error, log::Level::warning,
                             log::Level::log, log::Level::debug, log::Level::noise}) {
      log::write(level, "x");
    }
  };
  const auto levels = [&] {
    std::string found;
    std::istringstream lines(content(f.path));
    for (std::string line; std::getline(lines, line);) {
      found += line.substr(line.find("] ") + 2) + ";";
    }
    return found;
  };
  write_all();
  const std::string quiet = "FATAL x;ERROR x;WARNING x;LOG x;";
  CHECK(levels() == quiet);
  log::set_verbosity(1);
  write_all();
  CHECK(levels() == quiet + quiet + "DEBUG x;");
  log::set_verbosity(2);
  write_all();
  CHECK(levels() == quiet + quiet + "DEBUG x;" + quiet + "DEBUG x;NOISE x;");
}

TEST_CASE("a newline inside a text becomes newline and tab") {
  const LogToFile f;
  log::write(log::Level::log, "one\ntwo");
  CHECK(content(f.path).ends_with("LOG one\n\ttwo\n"));
}

TEST_CASE("opening again follows a file that logrotate moved away") {
  const LogToFile f;
  log::write(log::Level::log, "before");
  std::filesystem::rename(f.path, f.path + ".1");
  log::write(log::Level::log, "between");
  REQUIRE(log::open(f.targets()).empty());
  log::write(log::Level::log, "after");
  CHECK(content(f.path + ".1").ends_with("LOG between\n"));
  CHECK(content(f.path).ends_with("LOG after\n"));
}

TEST_CASE("a file that cannot be opened is an error and the old one stays in force") {
  const LogToFile f;
  log::Targets wrong = f.targets();
  wrong.file = f.dir.path + "/missing/../log/under-a-file";
  CHECK_FALSE(log::open(wrong).empty());
  log::write(log::Level::log, "still here");
  CHECK(content(f.path).ends_with("LOG still here\n"));
}
