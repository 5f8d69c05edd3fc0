// Where bytes lie that a ring sends: in blocks of a fixed number and size, from when they are queued until the kernel
// has answered.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <sys/uio.h>

#include "protocol/bytes.h"

namespace pgweir {

// Owned by a loop, used on its thread.
class SendBlocks {
 public:
  // Most replies and requests fit; what is larger is worth a system call of its own.
  static constexpr std::size_t block_size = 1024;
  // More than a batch of events leads to.
  static constexpr std::uint16_t blocks = 256;

  SendBlocks() : memory_(new std::byte[block_size * blocks]) {
    for (std::uint16_t block = blocks; block > 0; --block) free_.push_back(static_cast<std::uint16_t>(block - 1));
  }

  // A block with a copy of the parts, whose sizes sum up to at most block_size; nothing: all are in use.
  std::optional<std::uint16_t> take(std::span<const iovec> parts) {
    if (free_.empty()) return std::nullopt;
    const std::uint16_t block = free_.back();
    free_.pop_back();
    std::byte* to = at(block);
    for (const iovec& part : parts) {
      std::memcpy(to, part.iov_base, part.iov_len);
      to += part.iov_len;
    }
    return block;
  }
  void give_back(std::uint16_t block) { free_.push_back(block); }
  std::byte* at(std::uint16_t block) { return memory_.get() + block * block_size; }

 private:
  std::unique_ptr<std::byte[]> memory_;
  std::vector<std::uint16_t> free_;  // the one used last is used next: it is in the cache
};

}  // namespace pgweir
