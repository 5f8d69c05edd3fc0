#include "proxy/net/uring.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "proxy/core/check.h"

namespace pgweir {
namespace {

constexpr unsigned submissions = 512;
constexpr unsigned completions = 4096;
constexpr std::size_t ring_size = Uring::buffers * sizeof(io_uring_buf);
constexpr std::size_t memory_size = Uring::buffers * Uring::buffer_size + ring_size;

std::string failure(const char* call, int error) {
  return std::string(call) + "(): " + std::strerror(-error);
}

unsigned buffer_of(std::uint32_t flags) {
  return flags >> IORING_CQE_BUFFER_SHIFT;
}

}  // namespace

void Uring::Unmap::operator()(std::byte* memory) const {
  munmap(memory, memory_size);
}

Uring::~Uring() {
  if (opened_) io_uring_queue_exit(&ring_);
}

std::string Uring::open() {
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
  params.cq_entries = completions;
  if (const int error = io_uring_queue_init_params(submissions, &ring_, &params); error < 0) {
    return failure("io_uring_setup", error);
  }
  opened_ = true;

  void* memory =
      mmap(nullptr, memory_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return failure("mmap", -errno);
  memory_.reset(static_cast<std::byte*>(memory));
  buffer_ring_ =
      reinterpret_cast<io_uring_buf_ring*>(memory_.get() + Uring::buffers * Uring::buffer_size);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(buffer_ring_);
  registration.ring_entries = buffers;
  registration.bgid = buffer_group;
  if (const int error = io_uring_register_buf_ring(&ring_, &registration, 0); error < 0) {
    return failure("io_uring_register_buf_ring", error);
  }
  io_uring_buf_ring_init(buffer_ring_);
  for (unsigned number = 0; number < buffers; ++number) {
    add_buffer(number, static_cast<int>(number));
  }
  io_uring_buf_ring_advance(buffer_ring_, buffers);
  return {};
}

void Uring::start() {
  if (started_) return;
  started_ = true;
  // The library of Debian 12 declares io_uring_enable_rings and lacks it.
  PGWEIR_CHECK(io_uring_register(static_cast<unsigned>(ring_.ring_fd), IORING_REGISTER_ENABLE_RINGS,
                                 nullptr, 0) == 0);
  (void)io_uring_register_ring_fd(
      &ring_);  // saves a look-up in each entry; not all kernels have it
  // Not below a limit of fewer open files. The library's own call would raise that limit.
  io_uring_rsrc_register table{};
  table.nr = files;
  table.flags = IORING_RSRC_REGISTER_SPARSE;
  knows_files_ = io_uring_register(static_cast<unsigned>(ring_.ring_fd), IORING_REGISTER_FILES2, &table, sizeof table) == 0;
}

bool Uring::know_file(unsigned number, int fd) {
  return knows_files_ && number < files && io_uring_register_files_update(&ring_, number, &fd, 1) == 1;
}

void Uring::forget_file(unsigned number) {
  int none = -1;
  PGWEIR_CHECK(io_uring_register_files_update(&ring_, number, &none, 1) == 1);
}

io_uring_sqe& Uring::entry() {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  if (!entry) {
    io_uring_submit(&ring_);
    entry = io_uring_get_sqe(&ring_);
  }
  PGWEIR_CHECK(entry != nullptr);
  return *entry;
}

void Uring::submit_and_wait(int ms) {
  if (ms == 0) return submit_and_look();
  __kernel_timespec limit{.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1'000'000LL};
  io_uring_cqe* first = nullptr;
  io_uring_submit_and_wait_timeout(&ring_, &first, 1, ms < 0 ? nullptr : &limit, nullptr);
}

void Uring::submit_and_look() {
  io_uring_submit_and_get_events(&ring_);
}

Bytes Uring::bytes(std::uint32_t flags, int size) const {
  return {memory_.get() + buffer_of(flags) * buffer_size, static_cast<std::size_t>(size)};
}

void Uring::give_back(std::uint32_t flags) {
  add_buffer(buffer_of(flags), 0);
  io_uring_buf_ring_advance(buffer_ring_, 1);
}

void Uring::add_buffer(unsigned number, int offset) {
  io_uring_buf_ring_add(buffer_ring_, memory_.get() + number * buffer_size, buffer_size,
                        static_cast<unsigned short>(number), io_uring_buf_ring_mask(buffers),
                        offset);
}

}  // namespace pgweir
