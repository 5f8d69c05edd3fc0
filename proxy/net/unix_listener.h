// The listening unix socket: who may have it, its lock file, its mode and its file's end. Used by
// listener.cpp.
#pragma once

#include <string>
#include <vector>

#include "proxy/net/fd.h"
#include "proxy/net/listener.h"

namespace pgweir {

struct UnixSocket {
  Fd fd;
  std::string path;  // as shown, '@...' when abstract
  std::string file;  // to be removed at the end; empty when abstract
  std::vector<std::string> warnings;
  std::string error;  // PgBouncer's words; empty on success
};

UnixSocket open_unix_socket(const ListenSettings& settings);

// Removes the socket file at `path`, if it is a socket.
void remove_socket_file(const std::string& path);

// Whether the process named by the file's first line runs. A file without a number counts as
// nobody's, and so does our own number: a container restarts with the same one.
enum class FileOwner { none, gone, alive };
FileOwner owner_of_pid_file(const std::string& path);

}  // namespace pgweir
