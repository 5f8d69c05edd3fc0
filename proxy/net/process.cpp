#include "proxy/net/process.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <spdlog/fmt/fmt.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "proxy/net/fd.h"
#include "proxy/net/unix_listener.h"

namespace pgweir {
namespace {

std::string failure(const char* what) {
  return fmt::format("{}: {}", what, std::strerror(errno));
}

// The parent leaves without running destructors: what they would remove is the child's.
bool continue_in_child() {
  const pid_t child = fork();
  if (child > 0) _exit(0);
  return child == 0;
}

}  // namespace

DescriptorLimit raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (before != limit.rlim_max && setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
  return {limit.rlim_cur, limit.rlim_max};
}

std::string daemonize() {
  const Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return failure("cannot open /dev/null");
  if (!continue_in_child()) return failure("fork failed");
  if (setsid() < 0) return failure("setsid failed");
  if (!continue_in_child()) return failure("fork failed");
  for (int fd = 0; fd <= 2; ++fd) {
    if (dup2(null.get(), fd) < 0) return failure("dup2 failed");
  }
  return {};
}

PidFile::PidFile(PidFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), pid_(std::exchange(other.pid_, 0)) {}

PidFile::~PidFile() { release(); }

void PidFile::release() {
  if (pid_ != 0 && pid_ == getpid()) unlink(path_.c_str());
  pid_ = 0;
}

std::string PidFile::check(const std::string& path, std::vector<std::string>& notes) {
  switch (owner_of_pid_file(path)) {
    case FileOwner::none:
      return {};
    case FileOwner::alive:
      return fmt::format("pidfile '{}' exists, another instance running?", path);
    case FileOwner::gone:
      break;
  }
  notes.push_back("stale pidfile, removing");
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return failure("cannot remove stale pidfile");
}

std::string PidFile::write(const std::string& path, std::vector<std::string>& notes) {
  if (std::string taken = check(path, notes); !taken.empty()) return taken;
  const Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file) {
    if (errno == EEXIST) return fmt::format("pidfile '{}' exists, another instance running?", path);
    return fmt::format("could not write pidfile '{}': {}", path, std::strerror(errno));
  }
  path_ = path;
  pid_ = getpid();
  const std::string text = fmt::format("{}\n", pid_);
  if (::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) return {};
  return fmt::format("could not write pidfile '{}': {}", path, std::strerror(errno));
}

std::string switch_user(const std::string& name) {
  const passwd* user = getpwnam(name.c_str());
  if (!user) return fmt::format("could not find user '{}' to switch to", name);
  if (initgroups(user->pw_name, user->pw_gid) != 0) return failure("failed to reset groups");
  if (setgid(user->pw_gid) != 0) return failure("failed to assume identity of user (setgid)");
  if (setuid(user->pw_uid) != 0) return failure("failed to assume identity of user (setuid)");
  if (user->pw_uid != 0 && setuid(0) == 0) return "could regain the rights of root";
  return {};
}

std::string refuse_root() {
  return geteuid() == 0 ? "pgweir should not run as root" : "";
}

}  // namespace pgweir
