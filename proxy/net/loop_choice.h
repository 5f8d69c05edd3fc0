// Which loop a process runs on.
#pragma once

#include <memory>
#include <string>

#include "proxy/net/socket_loop.h"

namespace pgweir {

enum class LoopKind : std::uint8_t { epoll, io_uring };

// `wanted` is a value of the setting event_loop: auto, io_uring or epoll. `auto` is what measures
// better, see docs/performance.md. Where io_uring is wanted but does not work, epoll it is, and
// `reason` says why.
LoopKind choose_loop(std::string_view wanted, std::string& reason);
const char* name_of(LoopKind kind);

// An io_uring loop that cannot be had (memory, descriptors) becomes an epoll loop and a warning.
std::unique_ptr<SocketLoop> make_loop(LoopKind kind, const SocketOptions& options);

}  // namespace pgweir
