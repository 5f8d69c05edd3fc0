// What the kernel knows about a socket.
#pragma once

namespace pgweir {

// Whether bytes have come that nobody has received yet.
bool has_unread(int fd);

// The errno a connection has failed with, 0 for none; asking takes it away (SO_ERROR).
int pending_error(int fd);

}  // namespace pgweir
