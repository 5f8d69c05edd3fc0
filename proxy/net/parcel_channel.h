// Records with descriptors, over a unix socket between two processes of one user. Blocks; each end is one thread's.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/net/fd.h"

namespace pgweir {

struct Parcel {
  char kind = 0;
  std::string body;
  std::vector<Fd> fds;
};

//   kind (1)  fds (1)  length of the body (4, big-endian)  body      the descriptors travel with the first byte
class ParcelChannel {
 public:
  static constexpr std::size_t fds_max = 2;
  static constexpr std::size_t body_max = 256 * 1024 * 1024;

  // `socket` becomes a blocking one.
  explicit ParcelChannel(Fd socket);

  // False: the other end is gone. The descriptors stay the caller's.
  bool send(char kind, std::string_view body, std::span<const int> fds = {});
  // Nothing: the other end is gone, or says something else.
  std::optional<Parcel> receive();
  // Ends a receive() that waits in another thread.
  void shut_down();
  int fd() const { return socket_.get(); }

 private:
  bool send_all(std::string_view bytes, std::span<const int> fds);
  bool receive_all(char* to, std::size_t count, std::vector<Fd>* fds);

  Fd socket_;
};

}  // namespace pgweir
