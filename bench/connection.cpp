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
  tls_wish_ = target.tls.get();
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
  watch(EPOLLIN);
  if (!tls_wish_) return greet(arrived);
  if (tls_wish_->direct()) return begin_tls(arrived);
  phase_ = Phase::asking;
  Buffer request;
  compose::ssl_request(request);
  send(request, arrived);
}

// One byte and no more: what follows is the handshake's.
void Connection::on_tls_answer(Arrived& arrived) {
  char answer = 0;
  const ssize_t got = recv(fd_.get(), &answer, 1, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0) return lose("receive: " + reason(), arrived);
  if (got == 0) return lose("the server closed the connection", arrived);
  if (answer != 'S') return lose("the server does not speak TLS", arrived);
  begin_tls(arrived);
}

void Connection::begin_tls(Arrived& arrived) {
  phase_ = Phase::securing;
  tls_ = std::make_unique<TlsLink>(*tls_wish_, fd_.get());
  shake_hands(arrived);
}

void Connection::shake_hands(Arrived& arrived) {
  switch (tls_->shake_hands()) {
    case TlsLink::Handshake::done:
      watch(EPOLLIN);
      return greet(arrived);
    case TlsLink::Handshake::wants_read:
      return watch(EPOLLIN);
    case TlsLink::Handshake::wants_write:
      return watch(EPOLLIN | EPOLLOUT);
    case TlsLink::Handshake::failed:
      return lose("TLS handshake: " + tls_->failure(), arrived);
  }
}

void Connection::greet(Arrived& arrived) {
  phase_ = Phase::proving;
  Buffer hello;
  login_->greet(hello);
  send(hello, arrived);
}

void Connection::on_event(std::uint32_t events, std::span<std::byte> scratch, Arrived& arrived) {
  if (phase_ == Phase::closed) return;
  if (phase_ == Phase::connecting) return on_connected(arrived);
  if (phase_ == Phase::asking) return on_tls_answer(arrived);
  if (phase_ == Phase::securing) return shake_hands(arrived);
  if (events & EPOLLOUT) flush(arrived);
  if (phase_ != Phase::closed && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
    receive(scratch, arrived);
}

void Connection::receive(std::span<std::byte> scratch, Arrived& arrived) {
  do {
    const ssize_t got = receive_some(scratch);
    if (got < 0) {
      if (errno != EAGAIN && errno != EINTR) lose("receive: " + reason(), arrived);
      return;
    }
    if (got == 0) return lose("the server closed the connection", arrived);
    arrived.bytes += static_cast<std::uint64_t>(got);
    take_all(scratch.first(static_cast<std::size_t>(got)), arrived);
  } while (phase_ != Phase::closed && tls_ && tls_->holds_bytes());
}

void Connection::take_all(Bytes input, Arrived& arrived) {
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
  const ssize_t taken = send_some(bytes);
  if (taken < 0 && errno != EAGAIN && errno != EINTR) {
    // Reading first, so that the server's last words explain the loss.
    if (errno == EPIPE || errno == ECONNRESET) return;
    lose("send: " + reason(), arrived);
    return;
  }
  const std::size_t done = taken < 0 ? 0 : static_cast<std::size_t>(taken);
  if (done == bytes.size()) return;
  append(outbox_, bytes.subspan(done));
  watch(EPOLLIN | EPOLLOUT);
}

void Connection::flush(Arrived& arrived) {
  if (outbox_.empty()) return;
  const ssize_t taken = send_some(Bytes(outbox_).subspan(sent_));
  if (taken < 0) {
    if (errno != EAGAIN && errno != EINTR) lose("send: " + reason(), arrived);
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
    (void)send_some(goodbye);
    if (tls_) tls_->leave();
  }
  close();
}

ssize_t Connection::receive_some(std::span<std::byte> into) {
  return tls_ ? tls_->receive(into) : recv(fd_.get(), into.data(), into.size(), 0);
}

ssize_t Connection::send_some(Bytes bytes) {
  return tls_ ? tls_->send(bytes) : ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

std::string Connection::reason() const {
  const std::string text = std::strerror(errno);
  return tls_ && !tls_->failure().empty() ? "TLS: " + tls_->failure() : text;
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
  tls_.reset();
  fd_.reset();
  login_.reset();
  outbox_ = Buffer();
  sent_ = 0;
  phase_ = Phase::closed;
}

}  // namespace pgweir::bench
