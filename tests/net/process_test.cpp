#include "proxy/net/process.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "proxy/net/signals.h"
#include "tests/net/temp_dir.h"

using namespace pgweir;
using namespace pgweir::test;

namespace {

long number_in(const std::string& path) {
  long number = 0;
  std::ifstream(path) >> number;
  return number;
}

// Runs `body` in a process of its own and returns its exit status.
template <typename Body>
int in_child(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("the pid file holds our number while we live") {
  const TempDir dir;
  const std::string path = dir.path + "/pid";
  std::vector<std::string> notes;
  {
    PidFile file;
    REQUIRE(file.write(path, notes).empty());
    CHECK(number_in(path) == getpid());
    CHECK(in_child([&] {
            std::vector<std::string> ignored;
            PidFile second;
            return second.write(path, ignored) ==
                           "pidfile '" + path + "' exists, another instance running?"
                       ? 0
                       : 1;
          }) == 0);
    CHECK(number_in(path) == getpid());
  }
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(notes.empty());
}

TEST_CASE("the pid file of a dead process is replaced, with a note") {
  const TempDir dir;
  const std::string path = dir.path + "/pid";
  std::ofstream(path) << 999999999 << "\n";
  std::vector<std::string> notes;
  PidFile file;
  CHECK(file.write(path, notes).empty());
  CHECK(notes == std::vector<std::string>{"stale pidfile, removing"});
  CHECK(number_in(path) == getpid());
}

TEST_CASE("a pid file that cannot be written is an error that names it") {
  std::vector<std::string> notes;
  PidFile file;
  CHECK(file.write("/nonexistent/pid", notes) ==
        "could not write pidfile '/nonexistent/pid': No such file or directory");
}

TEST_CASE("the soft descriptor limit becomes the hard one") {
  const DescriptorLimit limit = raise_descriptor_limit();
  CHECK(limit.soft == limit.hard);
  CHECK(limit.hard > 0);
}

TEST_CASE("a daemon lives on in a session of its own with its pid file") {
  const TempDir dir;
  const std::string path = dir.path + "/pid", done = dir.path + "/done";
  const int status = in_child([&] {
    if (!daemonize().empty()) return 1;
    std::vector<std::string> notes;
    PidFile file;
    if (!file.write(path, notes).empty()) return 2;
    std::ofstream(done + ".tmp") << getsid(0) << " " << getpid() << " " << getppid();
    std::filesystem::rename(done + ".tmp", done);
    return 0;
  });
  CHECK(status == 0);
  for (int count = 0; count < 500 && !std::filesystem::exists(done); ++count) usleep(10'000);
  long session = 0, pid = 0;
  std::ifstream(done) >> session >> pid;
  CHECK(pid > 0);
  CHECK(session > 0);
  CHECK(session != getsid(0));
  CHECK(session != pid);  // no session leader: it can never get a terminal
}

TEST_CASE("root is refused, and somebody else is not") {
  CHECK(refuse_root() == (geteuid() == 0 ? "pgweir should not run as root" : ""));
  if (geteuid() != 0) return;
  CHECK(in_child([] {
          if (!switch_user("nobody").empty()) return 1;
          return refuse_root().empty() && setuid(0) != 0 ? 0 : 2;
        }) == 0);
}

TEST_CASE("switching to an unknown user is an error") {
  CHECK(switch_user("no-such-user-here") == "could not find user 'no-such-user-here' to switch to");
}

TEST_CASE("signals and posts arrive on the control loop, and SIGPIPE is ignored") {
  ControlLoop control;
  std::vector<int> caught;
  bool posted = false;
  control.on_signal([&](int number) {
    caught.push_back(number);
    if (number == SIGTERM) return control.stop();
    control.post([&] {
      posted = true;
      raise(SIGTERM);
    });
  });
  raise(SIGPIPE);
  raise(SIGHUP);
  control.run();
  CHECK(caught == std::vector<int>{SIGHUP, SIGTERM});
  CHECK(posted);
}
