#include "bench/stop.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace pgweir::bench {
namespace {
std::atomic<bool> wished{false};

extern "C" void on_stop_signal(int) {
  if (wished.exchange(true)) _exit(130);
}
}  // namespace

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

bool stop_wished() {
  return wished.load(std::memory_order_relaxed);
}

}  // namespace pgweir::bench
