#include "proxy/net/unix_listener.h"

#include <grp.h>
#include <signal.h>
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "proxy/net/address.h"

namespace pgweir {
namespace {

bool somebody_answers(const SocketAddress& address) {
  const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return false;
  // A full backlog (EAGAIN) is somebody's, too.
  return connect(fd.get(), address.raw(), address.length) == 0 || errno == EAGAIN;
}

// Returns an error text or nothing.
std::string set_group(const std::string& path, const std::string& wanted) {
  char* end = nullptr;
  gid_t id = static_cast<gid_t>(std::strtoul(wanted.c_str(), &end, 10));
  if (*end != '\0') {
    const group* found = getgrnam(wanted.c_str());
    if (!found) return fmt::format("could not find group '{}'", wanted);
    id = found->gr_gid;
  }
  if (chown(path.c_str(), static_cast<uid_t>(-1), id) == 0) return {};
  return fmt::format("could not change group of unix socket to '{}': {}", wanted,
                     std::strerror(errno));
}

// Clears the way for a socket file: another server's lock (PostgreSQL keeps one beside its socket)
// is respected while that server lives. Returns an error text or nothing.
std::string clear_path(const std::string& path, const SocketAddress& address,
                       const ListenSettings& settings, std::vector<std::string>& warnings) {
  if (somebody_answers(address)) return "unix socket is in use, cannot continue";
  const std::string lock = path + ".lock";
  switch (owner_of_pid_file(lock)) {
    case FileOwner::alive:
      return fmt::format("unix port {} is in use", settings.listen_port);
    case FileOwner::gone:
      warnings.push_back(fmt::format("stale lock file '{}' ignored", lock));
      break;
    case FileOwner::none:
      break;
  }
  remove_socket_file(path);
  return {};
}

std::string adorn_file(const std::string& path, const ListenSettings& settings) {
  if (!settings.unix_socket_group.empty()) {
    std::string wrong = set_group(path, settings.unix_socket_group);
    if (!wrong.empty()) return wrong;
  }
  if (chmod(path.c_str(), settings.unix_socket_mode) == 0) return {};
  return fmt::format("could not change mode of unix socket: {}", std::strerror(errno));
}

}  // namespace

UnixSocket open_unix_socket(const ListenSettings& settings) {
  UnixSocket result;
  result.path = unix_socket_path(settings.unix_socket_dir, settings.listen_port);
  const auto address = unix_address(result.path);
  const bool abstract = result.path[0] == '@';
  if (!address) {
    result.error = "unix socket path is too long: " + result.path;
    return result;
  }
  if (!abstract) {
    result.error = clear_path(result.path, *address, settings, result.warnings);
    if (!result.error.empty()) return result;
  }
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // Nobody may come in before the mode is set; listen() comes last.
  const bool bound = fd && bind(fd.get(), address->raw(), address->length) == 0;
  if (!bound) {
    result.error = errno == EADDRINUSE
                       ? "unix socket is in use, cannot continue"
                       : fmt::format("failed to create unix socket: cannot listen on unix:{}: {}",
                                     result.path, std::strerror(errno));
    return result;
  }
  if (!abstract) result.error = adorn_file(result.path, settings);
  if (result.error.empty() && listen(fd.get(), settings.backlog) != 0) {
    result.error = fmt::format("failed to create unix socket: listen(): {}", std::strerror(errno));
  }
  if (!result.error.empty()) {
    if (!abstract) remove_socket_file(result.path);
    return result;
  }
  if (!abstract) result.file = result.path;
  result.fd = std::move(fd);
  return result;
}

void remove_socket_file(const std::string& path) {
  struct stat what {};
  if (lstat(path.c_str(), &what) == 0 && S_ISSOCK(what.st_mode)) unlink(path.c_str());
}

FileOwner owner_of_pid_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return FileOwner::none;
  long pid = 0;
  if (!(file >> pid) || pid <= 0 || pid == getpid()) return FileOwner::gone;
  return kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM ? FileOwner::alive
                                                                 : FileOwner::gone;
}

}  // namespace pgweir
