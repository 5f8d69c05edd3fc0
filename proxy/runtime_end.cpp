// How the process hears signals, and how it ends.
#include <signal.h>

#include <algorithm>

#include "proxy/net/service_manager.h"
#include "proxy/runtime_core.h"

namespace pgweir {
namespace {

// Longer than a handshake takes, and shorter than the second after which a SYN without an answer is sent again.
constexpr Duration half_way_in_max = milliseconds(700);

}  // namespace

void Runtime::request_exit(Shutdown how, bool at_once) {
  service_manager::tell_stopping();
  if (at_once || how == Shutdown::no) return control_.stop();
  shutdown_ = how;
  Duration drain{};
  bool shared_port = false;
  {
    std::lock_guard lock(config_mutex_);
    drain = config_->globals.shutdown_drain_timeout;
    shared_port = config_->globals.so_reuseport;
  }
  if (drain > Duration{}) {
    log::line(log::Level::log, "clients are closed at the end of their transactions, all of them in {} s (shutdown_drain_timeout)",
              std::chrono::duration<double>(drain).count());
  }
  close_tcp_listeners(shared_port && how == Shutdown::wait_for_clients);
  for (unsigned i = 0; i < size(); ++i) post(i, [how, drain](Worker& worker) { worker.begin_shutdown(how, drain); });
}

// Gently: another process listens on the same port (so_reuseport), and nobody shall notice that this one leaves. A
// listener that is closed resets whoever is in its queue or half way into it.
void Runtime::close_tcp_listeners(bool gently) {
  cores_[0]->loop.mailbox()->post([this, gently] {
    const bool wait = gently && listens_to_tcp_;
    bool ignored = true;
    for (const Listener& listener : listeners_)
      if (wait && listener.is_tcp()) ignored &= ignore_newcomers(listener.fd());
    // Then they are let in up to the end, and who is in the queue or half way in at that very moment is reset.
    if (wait && !ignored) log::line(log::Level::debug, "the kernel does not let us ignore newcomers: they are let in until the listeners close");
    if (wait) cores_[0]->loop.run_after(half_way_in_max, [this] { drop_tcp_listeners(); });
    else drop_tcp_listeners();
  });
}

// On core 0's thread.
void Runtime::drop_tcp_listeners() {
  for (const Listener& listener : listeners_)
    if (listener.is_tcp()) cores_[0]->loop.remove_listener(listener.fd());
  std::erase_if(listeners_, [](const Listener& listener) { return listener.is_tcp(); });
  listens_to_tcp_ = false;
}

void Runtime::accept_clients(bool yes) {
  cores_[0]->loop.mailbox()->post([this, yes] {
    for (const Listener& listener : listeners_) {
      cores_[0]->loop.remove_listener(listener.fd());
      if (yes) cores_[0]->loop.add_listener(listener.fd(), listener.is_tcp());
    }
  });
}

void Runtime::tell_status(const std::string& line) { service_manager::tell_status(line); }

void Runtime::on_tick(Worker& worker) {
  Core& core = *cores_[worker.number()];
  core.clients.store(worker.clients().size(), std::memory_order_relaxed);
  core.servers.store(worker.servers().size(), std::memory_order_relaxed);
  const Shutdown how = shutdown_.load();
  if (how == Shutdown::no || worker.shutdown() == Shutdown::no || listens_to_tcp_) return;
  core.clients = worker.ordinary_clients();
  core.counted = true;
  const bool done = std::all_of(cores_.begin(), cores_.end(), [&](const auto& c) {
    return c->counted && (how == Shutdown::wait_for_clients ? c->clients : c->servers) == 0;
  });
  if (!done) return;
  log::line(log::Level::log, "{}", how == Shutdown::wait_for_clients ? "client connections dropped, exiting"
                                                                     : "server connections dropped, exiting");
  control_.stop();
}

// --- signals, on the control thread

void Runtime::on_signal(int signal) {
  const bool leaving = shutdown_.load() != Shutdown::no;
  std::string error;
  switch (signal) {
    case SIGHUP:
      log::line(log::Level::log, "got SIGHUP, re-reading config");
      (void)reload(error);
      return;
    case SIGTERM: case SIGINT: {
      const char* name = signal == SIGTERM ? "SIGTERM" : "SIGINT";
      if (leaving) {
        log::line(log::Level::log, "got {} while shutting down, fast exit", name);
        return control_.stop();
      }
      log::line(log::Level::log, "got {}, shutting down, waiting for all {}", name,
                signal == SIGTERM ? "clients disconnect" : "servers connections to be released");
      return request_exit(signal == SIGTERM ? Shutdown::wait_for_clients : Shutdown::wait_for_servers, false);
    }
    case SIGQUIT:
      log::line(log::Level::log, "got SIGQUIT, fast exit");
      return control_.stop();
    case SIGUSR1: case SIGUSR2: {
      const bool pause = signal == SIGUSR1;
      if (!pause && leaving) {
        log::line(log::Level::log, "got SIGUSR2 while shutting down, ignoring");
        return;
      }
      log::line(log::Level::log, "{}", pause ? "got SIGUSR1, pausing all activity" : "got SIGUSR2, continuing from PAUSE");
      for (unsigned i = 0; i < size(); ++i) {
        post(i, [pause](Worker& worker) { pause ? worker.pause({}) : worker.resume({}); });
      }
      return;
    }
    default:
      return;
  }
}

}  // namespace pgweir
