// Bytes that a socket would not take yet, and the run of bytes a turn sends.
#pragma once

#include <array>
#include <memory>

#include "protocol/bytes.h"
#include "proxy/session/ports.h"

namespace pgweir {

// What leaves in one system call: parts that lie next to each other in memory merge. Points to bytes that others own.
class Run {
 public:
  // False when there is no room: send first.
  [[nodiscard]] bool append(Bytes bytes) {
    if (bytes.empty()) return true;
    size_ += bytes.size();
    if (count_ > 0) {
      iovec& last = parts_[count_ - 1];
      if (static_cast<const std::byte*>(last.iov_base) + last.iov_len == bytes.data()) {
        last.iov_len += bytes.size();
        return true;
      }
    }
    if (count_ == parts_.size()) {
      size_ -= bytes.size();
      return false;
    }
    parts_[count_++] = {const_cast<std::byte*>(bytes.data()), bytes.size()};
    return true;
  }
  bool empty() const { return count_ == 0; }
  std::size_t size() const { return size_; }
  std::span<const iovec> parts() const { return {parts_.data(), count_}; }
  void clear() { count_ = size_ = 0; }

 private:
  std::array<iovec, 32> parts_;
  std::size_t count_ = 0;
  std::size_t size_ = 0;
};

// What is left to send to one peer, in order. Owned by its session. While it is not empty, whoever fills it is not read.
class Outbox {
 public:
  enum class Result : std::uint8_t { sent, waiting, failed };

  bool empty() const { return !bytes_; }
  std::size_t size() const { return bytes_ ? bytes_->size() - sent_ : 0; }
  // Sends what was left and then `run`; keeps what is not taken.
  Result send(Stream& stream, std::span<const iovec> parts) {
    if (bytes_) {
      keep(parts, 0);
      return flush(stream);
    }
    const IoResult result = stream.try_write(parts);
    if (result.status == IoResult::Status::failed) return Result::failed;
    keep(parts, result.status == IoResult::Status::ok ? result.wrote : 0);
    return bytes_ ? Result::waiting : Result::sent;
  }
  Result send(Stream& stream, Bytes bytes) {
    const iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    return send(stream, {&part, 1});
  }
  // To be called when the stream is writable.
  Result flush(Stream& stream) {
    if (!bytes_) return Result::sent;
    const iovec part{bytes_->data() + sent_, bytes_->size() - sent_};
    const IoResult result = stream.try_write({&part, 1});
    if (result.status == IoResult::Status::failed) return Result::failed;
    if (result.status == IoResult::Status::ok) sent_ += result.wrote;
    if (sent_ < bytes_->size()) return Result::waiting;
    bytes_.reset();
    sent_ = 0;
    return Result::sent;
  }

 private:
  void keep(std::span<const iovec> parts, std::size_t skip) {
    for (const iovec& part : parts) {
      if (skip >= part.iov_len) {
        skip -= part.iov_len;
        continue;
      }
      if (!bytes_) bytes_ = std::make_unique<Buffer>();
      append(*bytes_, Bytes{static_cast<const std::byte*>(part.iov_base), part.iov_len}.subspan(skip));
      skip = 0;
    }
  }

  std::unique_ptr<Buffer> bytes_;
  std::size_t sent_ = 0;           // of bytes_
};

}  // namespace pgweir
