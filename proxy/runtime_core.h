// One worker and what it runs on.
#pragma once

#include "proxy/runtime.h"

namespace pgweir {

struct Runtime::Core {
  Core(unsigned number, std::unique_ptr<SocketLoop> made, Resolver& resolver, const Commons& commons,
       const std::shared_ptr<const Config>& config, std::uint64_t seed)
      : owned_loop(std::move(made)),
        connector(loop, resolver, config->unix_socket_dirs.empty() ? std::string{} : config->unix_socket_dirs.front()),
        worker(number, commons, config, loop, connector, seed) {
    loop.report_to(worker);
    loop.tick_every(milliseconds(100));
  }
  std::unique_ptr<SocketLoop> owned_loop;
  SocketLoop& loop = *owned_loop;
  SocketConnector connector;
  Worker worker;
  std::thread thread;
  std::atomic<std::size_t> clients{0}, servers{0};   // as of the last tick, during a shutdown
  std::atomic<bool> counted{false};
};

}  // namespace pgweir
