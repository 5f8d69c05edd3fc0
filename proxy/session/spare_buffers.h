// Buffers for what waiting clients have said, used again: with more clients than servers each transaction needs one.
#pragma once

#include <memory>
#include <vector>

#include "protocol/bytes.h"

namespace pgweir {

// Owned by a worker, used on its thread. Keeps few and small ones, so that a crowd's memory goes back.
class SpareBuffers {
 public:
  std::unique_ptr<Buffer> take() {
    if (spare_.empty()) return std::make_unique<Buffer>();
    std::unique_ptr<Buffer> buffer = std::move(spare_.back());
    spare_.pop_back();
    return buffer;
  }
  void give(std::unique_ptr<Buffer> buffer) {
    if (spare_.size() >= buffers_max || buffer->capacity() > capacity_max) return;
    buffer->clear();
    spare_.push_back(std::move(buffer));
  }

 private:
  static constexpr std::size_t buffers_max = 64, capacity_max = 4096;
  std::vector<std::unique_ptr<Buffer>> spare_;
};

}  // namespace pgweir
