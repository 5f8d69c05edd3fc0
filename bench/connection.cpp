#include "bench/connection.h"

#include <spdlog/fmt/fmt.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "protocol/backend.h"
#include "protocol/compose.h"

namespace pgweir::bench {

void Arrived::clear() {
  readies.clear();
  errors.clear();
  bytes = 0;
  logged_in = false;
  lost = false;
  backlog_full = false;
}

void Connection::open(int epoll, const Target& target, ScramKeyCache& cache, Arrived& arrived) {
  bool pending = false;
  epoll_ = epoll;
  framer_ = Framer(Direction::from_server);
  outbox_.clear();
  sent_ = 0;
  failed_ = fatal_ = false;
  fd_.reset(start_connect(target.address, pending));
  if (!fd_) {
    arrived.backlog_full = errno == EAGAIN && target.address.is_unix();
    if (arrived.backlog_full) return;
    lose(fmt::format("connect: {}", std::strerror(errno)), arrived);
    return;
  }
  login_ = std::make_unique<Login>(target, cache);
  phase_ = Phase::connecting;
  watched_ = pending ? EPOLLOUT : EPOLLIN;
  epoll_add(epoll_, fd_.get(), watched_, token_);
  if (!pending) on_connected(arrived);
}

void Connection::on_connected(Arrived& arrived) {
  int reason = 0;
  socklen_t size = sizeof reason;
  getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &reason, &size);
  if (reason != 0) {
    lose(fmt::format("connect: {}", std::strerror(reason)), arrived);
    return;
  }
  phase_ = Phase::proving;
  watch(EPOLLIN);
  Buffer hello;
  login_->greet(hello);
  send(hello, arrived);
}

void Connection::on_event(std::uint32_t events, std::span<std::byte> scratch, Arrived& arrived) {
  if (phase_ == Phase::closed) return;
  if (phase_ == Phase::connecting) {
    on_connected(arrived);
    return;
  }
  if (events & EPOLLOUT) flush(arrived);
  if (phase_ != Phase::closed && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
    receive(scratch, arrived);
}

void Connection::receive(std::span<std::byte> scratch, Arrived& arrived) {
  const ssize_t got = recv(fd_.get(), scratch.data(), scratch.size(), 0);
  if (got < 0) {
    if (errno != EAGAIN && errno != EINTR)
      lose(fmt::format("receive: {}", std::strerror(errno)), arrived);
    return;
  }
  if (got == 0) {
    lose("the server closed the connection", arrived);
    return;
  }
  arrived.bytes += static_cast<std::uint64_t>(got);
  Bytes input = scratch.first(static_cast<std::size_t>(got));
  while (const auto piece = framer_.next(input)) {
    if (phase_ == Phase::open)
      take(*piece, arrived);
    else
      take_login(*piece, arrived);
    if (phase_ == Phase::closed) return;
  }
  framer_.end_turn();
  if (framer_.failed()) lose("the server sent no valid message", arrived);
}

void Connection::take(const Piece& piece, Arrived& arrived) {
  if (!piece.starts) return;
  if (piece.tag == 'Z') {
    const auto body = piece.body();
    arrived.readies.push_back({body.empty() ? 'I' : static_cast<char>(body[0]), failed_});
    failed_ = false;
  } else if (piece.tag == 'E') {
    const ReportView report(piece.body());
    arrived.errors.push_back(fmt::format("{} {}", report.sqlstate(), report.message()));
    failed_ = true;
    fatal_ = report.severity() == "FATAL" || report.severity() == "PANIC";
  }
}

void Connection::take_login(const Piece& piece, Arrived& arrived) {
  if (piece.tag == 'R') {
    Buffer answer;
    if (!login_->on_authentication(piece.body(), answer)) {
      lose("login: " + login_->failure(), arrived);
    } else if (!answer.empty()) {
      send(answer, arrived);
    }
  } else if (piece.tag == 'Z') {
    phase_ = Phase::open;
    login_.reset();
    arrived.logged_in = true;
  } else {
    take(piece, arrived);
  }
}

void Connection::send(Bytes bytes, Arrived& arrived) {
  if (phase_ == Phase::closed) return;
  if (!outbox_.empty()) {
    append(outbox_, bytes);
    return;
  }
  const ssize_t taken = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (taken < 0 && errno != EAGAIN && errno != EINTR) {
    // Reading first, so that the server's last words explain the loss.
    if (errno == EPIPE || errno == ECONNRESET) return;
    lose(fmt::format("send: {}", std::strerror(errno)), arrived);
    return;
  }
  const std::size_t done = taken < 0 ? 0 : static_cast<std::size_t>(taken);
  if (done == bytes.size()) return;
  append(outbox_, bytes.subspan(done));
  watch(EPOLLIN | EPOLLOUT);
}

void Connection::flush(Arrived& arrived) {
  const ssize_t taken =
      ::send(fd_.get(), outbox_.data() + sent_, outbox_.size() - sent_, MSG_NOSIGNAL);
  if (taken < 0) {
    if (errno != EAGAIN && errno != EINTR)
      lose(fmt::format("send: {}", std::strerror(errno)), arrived);
    return;
  }
  sent_ += static_cast<std::size_t>(taken);
  if (sent_ < outbox_.size()) return;
  outbox_ = Buffer();
  sent_ = 0;
  watch(EPOLLIN);
}

void Connection::leave() {
  if (phase_ == Phase::open && outbox_.empty()) {
    static const Buffer goodbye = [] {
      Buffer bytes;
      compose::terminate(bytes);
      return bytes;
    }();
    [[maybe_unused]] const auto sent =
        ::send(fd_.get(), goodbye.data(), goodbye.size(), MSG_NOSIGNAL);
  }
  close();
}

void Connection::watch(std::uint32_t events) {
  if (events == watched_) return;
  watched_ = events;
  epoll_change(epoll_, fd_.get(), events, token_);
}

void Connection::lose(std::string why, Arrived& arrived) {
  if (!fatal_) arrived.errors.push_back(std::move(why));
  arrived.lost = true;
  close();
}

void Connection::close() {
  fd_.reset();
  login_.reset();
  outbox_ = Buffer();
  sent_ = 0;
  phase_ = Phase::closed;
}

}  // namespace pgweir::bench
