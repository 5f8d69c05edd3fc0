// Which loop a process runs on.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/net/socket_loop.h"

namespace pgweir {

enum class LoopKind : std::uint8_t { epoll, io_uring };

// `wanted` is a value of the setting event_loop: auto, io_uring or epoll. `auto` is what measures
// better, io_uring (docs/performance.md). Where that is wanted but does not work, epoll it is, and
// `reason` says why.
LoopKind choose_loop(std::string_view wanted, std::string& reason);
const char* name_of(LoopKind kind);

// `count` loops of one kind: sockets travel between them, and an epoll loop takes none with bytes that io_uring has
// received already. If one of io_uring cannot be had (memory, descriptors), all are epoll's, `kind` says so and `reason` why.
std::vector<std::unique_ptr<SocketLoop>> make_loops(LoopKind& kind, unsigned count, const SocketOptions& options,
                                                    std::string& reason);

}  // namespace pgweir
