// An io_uring with a ring of receive buffers: liburing's calls, and what they may fail with, in one
// place.
#pragma once

#include <liburing.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "protocol/bytes.h"
#include "proxy/core/time.h"

namespace pgweir {

// Made on any thread; used, from start() on, on one. DEFER_TASKRUN and SINGLE_ISSUER: the kernel
// works for us only while we wait, and nobody else submits (io_uring_setup(2)).
class Uring {
 public:
  // So many that a batch of receives finds room: one that finds none has to be armed anew, which costs
  // more than the receive. What fills one is read in bulk from then on, in larger portions.
  static constexpr std::size_t buffer_size = 8 * 1024;
  static constexpr unsigned buffers = 64;
  static constexpr int buffer_group = 0;
  static constexpr unsigned files = 4096;  // that the ring may know by a number; 8 bytes of the kernel's each

  Uring() = default;
  ~Uring();
  Uring(const Uring&) = delete;

  // Returns an error text or nothing. Containers often forbid io_uring, and old kernels lack what
  // we need.
  std::string open();
  // Before the first entry: this thread becomes the ring's.
  void start();

  // From now on entries may name the open file behind `fd` by `number` (IOSQE_FIXED_FILE), which saves the look-up. It
  // stays open until it is forgotten, even where every fd of it is closed. False: there is no place for it.
  bool know_file(unsigned number, int fd);
  // Entries that name it must have been submitted.
  void forget_file(unsigned number);

  // An entry to fill in; when there is no room the earlier ones are submitted.
  io_uring_sqe& entry();
  // Submits and waits for one completion, at most `ms` milliseconds (-1: for ever).
  void submit_and_wait(int ms);
  // Submits, no more.
  void submit() { io_uring_submit(&ring_); }
  // Submits, lets the kernel do what is due, and comes back at once.
  void submit_and_look();

  // Everything has reached the kernel, and every completion of it that is due will be harvested by the next harvest().
  bool all_told() const { return io_uring_sq_ready(&ring_) == 0 && !overflowed(); }
  // There are more completions than the ring holds: the kernel adds them when it is looked at again.
  bool overflowed() const { return io_uring_cq_has_overflow(&ring_); }

  // Completions that there was no memory for have been dropped since this was asked last.
  bool has_lost_some() { return std::exchange(lost_, *ring_.cq.koverflow) != *ring_.cq.koverflow; }

  // Calls take(user_data, res, flags) for every completion there is.
  template <class Take>
  void harvest(Take&& take) {
    unsigned head, count = 0;
    io_uring_cqe* cqe;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      take(cqe->user_data, cqe->res, cqe->flags);
      ++count;
    }
    io_uring_cq_advance(&ring_, count);
  }

  // The bytes of a completion that bears IORING_CQE_F_BUFFER, until its buffer is given back.
  Bytes bytes(std::uint32_t flags, int size) const;
  void give_back(std::uint32_t flags);

 private:
  struct Unmap {
    void operator()(std::byte* memory) const;
  };
  void add_buffer(unsigned number, int offset);

  io_uring ring_{};
  bool opened_ = false;
  bool started_ = false;
  bool knows_files_ = false;
  unsigned lost_ = 0;
  std::unique_ptr<std::byte, Unmap>
      memory_;  // the buffers, and behind them the ring that names them
  io_uring_buf_ring* buffer_ring_ = nullptr;
};

}  // namespace pgweir
