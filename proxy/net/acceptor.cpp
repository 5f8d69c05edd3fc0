#include "proxy/net/acceptor.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "proxy/core/log.h"
#include "proxy/net/address.h"

namespace pgweir {
namespace {

constexpr int accepts_per_event = 64;  // a storm of clients must not starve those that are in
constexpr milliseconds rest_period{100};
constexpr seconds complaint_period{5};

// These say something about one client, who is gone; the next one may be fine (accept(2)).
bool concerns_one_client(int error) {
  return error == EINTR || error == ECONNABORTED || error == EPROTO || error == EPERM ||
         error == ENETDOWN || error == EHOSTUNREACH || error == ENETUNREACH;
}

}  // namespace

Acceptor::Acceptor(SocketLoop& loop, int fd, bool tcp)
    : loop_(loop), fd_(fd), tcp_(tcp), inherited_(tcp ? inherited_options(fd) : InheritedOptions{}), alive_(std::make_shared<Acceptor*>(this)) {
  begin();
}

Acceptor::~Acceptor() {
  if (watching_) loop_.unwatch(fd_, *this);
}

void Acceptor::begin() {
  watching_ = loop_.watch(fd_, EPOLLIN, *this);
  if (!watching_) begin_later();
}

void Acceptor::begin_later() {
  loop_.run_after(rest_period, [alive = std::weak_ptr<Acceptor*>(alive_)] {
    if (const auto acceptor = alive.lock()) (*acceptor)->begin();
  });
}

void Acceptor::ready(std::uint32_t) {
  const std::weak_ptr<Acceptor*> alive = alive_;
  for (int count = 0; count < accepts_per_event; ++count) {
    SocketAddress peer;
    peer.length = sizeof peer.storage;
    const int client = accept4(fd_, tcp_ ? peer.raw() : nullptr, tcp_ ? &peer.length : nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) {
      if (errno == EAGAIN) return;
      if (concerns_one_client(errno)) continue;
      return rest(errno);
    }
    if (tcp_) tune_tcp(client, loop_.options(), inherited_);
    loop_.report_accepted(std::make_unique<DetachedSocket>(Fd(client), tcp_, true), tcp_ ? &peer : nullptr);
    if (alive.expired()) return;  // the client's turn removed this listener
  }
}

void Acceptor::rest(int error) {
  if (complained_ == TimePoint{} || loop_.now() - complained_ >= complaint_period) {
    complained_ = loop_.now();
    log::line(log::Level::error, "accept() failed: {}", std::strerror(error));
  }
  loop_.unwatch(fd_, *this);
  watching_ = false;
  begin_later();
}

}  // namespace pgweir
