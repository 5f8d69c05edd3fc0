// One non-blocking send of several parts, the same for every loop.
#pragma once

#include <span>

#include "proxy/net/socket_loop.h"

namespace pgweir {

// Sends what the kernel takes in one system call, at most IOV_MAX parts. `took_all` is false when
// on_writable is owed: something was left over, or nothing was taken. It stays true on a failure.
IoResult send_at_once(int fd, std::span<const iovec> parts, LoopCounters& counters, bool& took_all);

}  // namespace pgweir
