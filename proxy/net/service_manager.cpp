#include "proxy/net/service_manager.h"

#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "proxy/net/clock.h"

#ifdef PGWEIR_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

namespace pgweir::service_manager {

#ifdef PGWEIR_SYSTEMD

static_assert(first_socket == SD_LISTEN_FDS_START);

int sockets_given() {
  const int count = sd_listen_fds(1);
  return count > 0 ? count : 0;
}

std::string cannot_tell() { return {}; }

namespace {
void tell(const std::string& state) { sd_notify(0, state.c_str()); }
}  // namespace

const char* built_in() { return "yes"; }

#else

int sockets_given() { return 0; }

std::string cannot_tell() {
  return listens() ? "NOTIFY_SOCKET is set, but this pgweir was built without libsystemd" : "";
}

namespace {
void tell(const std::string&) {}
}  // namespace

const char* built_in() { return "no"; }

#endif

bool listens() {
  const char* place = std::getenv("NOTIFY_SOCKET");
  return place && *place;
}

void tell_ready() { tell("READY=1"); }

// The clock of CLOCK_MONOTONIC, by which systemd tells an old answer from a new one.
void tell_reloading() {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(monotonic_now().time_since_epoch());
  tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", us.count()));
}

void tell_stopping() { tell("STOPPING=1"); }
void tell_status(const std::string& line) { tell("STATUS=" + line); }

bool stderr_is_journal() {
  const char* wanted = std::getenv("JOURNAL_STREAM");
  struct stat where {};
  if (!wanted || fstat(STDERR_FILENO, &where) != 0) return false;
  return fmt::format("{}:{}", where.st_dev, where.st_ino) == wanted;
}

}  // namespace pgweir::service_manager
