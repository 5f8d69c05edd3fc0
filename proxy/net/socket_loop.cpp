#include "proxy/net/socket_loop.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "proxy/core/check.h"
#include "proxy/net/acceptor.h"
#include "proxy/net/clock.h"

namespace pgweir {

SocketLoop::SocketLoop(const SocketOptions& options)
    : options_(options),
      now_(monotonic_now()),
      mailbox_(std::make_shared<Mailbox>()),
      post_(*this) {}

SocketLoop::~SocketLoop() = default;

WallTime SocketLoop::wall_now() const {
  return wall_clock_now();
}

void SocketLoop::run() {
  while (!stopped()) turn(Duration::max());
  send_what_is_queued();
}

void SocketLoop::stop() {
  stopped_.store(true);
  mailbox_->ring();
}

void SocketLoop::report_accepted(std::unique_ptr<DetachedSocket> socket, const SocketAddress* peer) {
  accepted_fd_ = socket->fd.get();
  accepted_peer_ = peer;
  events_->on_accepted(std::move(socket));
  accepted_fd_ = -1;
  accepted_peer_ = nullptr;
  events_->on_turn_end();
}

int SocketLoop::take_fd(DetachedSocket& socket) const {
  PGWEIR_CHECK(socket.fd);
  if (socket.tcp && !socket.tuned) tune_tcp(socket.fd.get(), options_);
  return socket.fd.release();
}

void SocketLoop::report_bytes(SocketStream& stream, Bytes bytes) {
  if (stream.tls_) return decrypt(stream, bytes);
  events_->on_bytes(stream.token_, bytes);
  events_->on_turn_end();
}

void SocketLoop::report_writable(SocketStream& stream) {
  if (stream.tls_ && !stream.tls_->on_writable(stream)) return;
  events_->on_writable(stream.token_);
  events_->on_turn_end();
}

// Each report may end the stream, or send it to another loop; its TLS tells.
void SocketLoop::decrypt(SocketStream& stream, Bytes bytes) {
  const std::shared_ptr<TlsSession> tls = stream.tls_;
  const TlsSession::Fed fed = tls->feed(bytes, stream, tls_scratch_);
  const auto report = [&](auto&& tell) {
    if (tls->owner != &stream) return;
    tell();
    events_->on_turn_end();
  };
  const Token token = stream.token_;
  if (fed.secured) {
    report([&] { events_->on_secured(token); });
    if (tls->take_owed_writable()) report([&] { events_->on_writable(token); });
  }
  if (!fed.plain.empty()) report([&] { events_->on_bytes(token, fed.plain); });
  if (fed.over && tls->owner == &stream) end_stream(stream, tls->failed() ? EPROTO : 0);
}

void SocketLoop::read_mail() {
  const Mailbox::Mail mail = mailbox_->take();
  for (const auto& letter : mail.letters) {
    letter();
    events_->on_turn_end();
  }
  if (mail.woken) events_->on_wake();
}

void SocketLoop::ring_what_is_due() {
  if (!alarms_.empty()) ring_alarms();
  tick_if_due();
}

void SocketLoop::drop_listeners() {
  acceptors_.clear();
}

int SocketLoop::wait_ms(Duration longest_wait) const {
  if (stopped()) return 0;
  TimePoint until = TimePoint::max();
  if (tick_period_ > Duration::zero()) until = next_tick_;
  for (const Alarm& alarm : alarms_) until = std::min(until, alarm.due);
  if (until == TimePoint::max() && longest_wait == Duration::max()) return -1;
  const Duration wait = std::clamp(until == TimePoint::max() ? longest_wait : until - now_,
                                   Duration::zero(), std::max(longest_wait, Duration::zero()));
  const Duration wait_max = std::chrono::minutes(10);
  return static_cast<int>(std::chrono::ceil<milliseconds>(std::min(wait, wait_max)).count());
}

void SocketLoop::tick_every(Duration period) {
  tick_period_ = period;
  next_tick_ = now_ + period;
}

void SocketLoop::tick_if_due() {
  if (tick_period_ <= Duration::zero() || now_ < next_tick_) return;
  next_tick_ += tick_period_;
  if (next_tick_ <= now_)
    next_tick_ = now_ + tick_period_;  // after a stall: once, not once per missed tick
  events_->on_tick();
  events_->on_turn_end();
}

void SocketLoop::run_after(Duration delay, std::function<void()> action) {
  alarms_.push_back({now_ + delay, std::move(action)});
}

void SocketLoop::drop_left_later() {
  if (std::exchange(drops_left_, true)) return;
  run_after(left_limit_, [this] {
    drops_left_ = false;
    if (drop_left(now_ - left_limit_)) drop_left_later();
  });
}

void SocketLoop::ring_alarms() {
  const auto due = std::stable_partition(alarms_.begin(), alarms_.end(),
                                         [this](const Alarm& alarm) { return alarm.due > now_; });
  if (due == alarms_.end()) return;
  std::vector<Alarm> ringing(std::make_move_iterator(due), std::make_move_iterator(alarms_.end()));
  alarms_.erase(due, alarms_.end());
  for (const Alarm& alarm : ringing) {
    alarm.action();
    events_->on_turn_end();
  }
}

void SocketLoop::add_listener(int fd, bool tcp) {
  acceptors_.push_back(std::make_unique<Acceptor>(*this, fd, tcp));
}

void SocketLoop::remove_listener(int fd) {
  std::erase_if(acceptors_, [fd](const auto& acceptor) { return acceptor->fd() == fd; });
}

}  // namespace pgweir
