// `pgweir-bench null-server` and `pgweir-bench relay`: the two ends between which a pooler is
// measured. Both run until Ctrl-C or SIGTERM.
#pragma once

#include "bench/socket.h"

namespace pgweir::bench {

// Answers every message at once with a canned reply and trusts everybody. Each of `threads` has a
// listener of its own (one only, on a Unix socket). Returns when a stop is wished; throws
// std::runtime_error when it cannot listen.
void run_null_server(const Address& at, unsigned threads);

// Connects every client to a server of its own and copies bytes, on one thread, level-triggered,
// with a buffer of `buffer_bytes`: the floor that no proxy on epoll can beat.
void run_relay(const Address& at, const Address& to, std::size_t buffer_bytes);

}  // namespace pgweir::bench
