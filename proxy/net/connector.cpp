#include "proxy/net/connector.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "proxy/core/log.h"
#include "proxy/net/socket_state.h"

namespace pgweir {
namespace {

constexpr const char* connect_failed = "connect failed";
constexpr const char* lookup_failed = "server DNS lookup failed";

// A unix socket whose backlog is full says EAGAIN and offers nothing to wait for (connect(2)).
constexpr milliseconds backlog_pause{20};

bool is_unix(const std::string& host) {
  return host.empty() || host[0] == '/' || host[0] == '@';
}

}  // namespace

// One connect under way, from the lookup to the answer.
class SocketConnector::Attempt final : public Watch {
 public:
  enum class Outcome { connected, waiting, full_backlog, failed };

  Attempt(SocketConnector& owner, std::uint64_t number, Token wanted, const ServerAddress& where)
      : connector_(owner), serial(number), token(wanted), port_(where.port), name_(where.host) {}
  ~Attempt() { stop(); }

  void ready(std::uint32_t) override;
  // Takes up the next address that can be tried at all; `failed` when there is none left.
  Outcome start_next();
  Fd take_socket();
  bool is_tcp() const { return tcp_; }

 private:
  Outcome start(const SocketAddress& address);
  Outcome refuse(const SocketAddress& address, const char* call, int error);
  void stop();

  SocketConnector& connector_;

 public:
  const std::uint64_t serial;
  const Token token;
  std::vector<SocketAddress> addresses;
  std::size_t next = 0;  // index into addresses

 private:
  std::uint16_t port_;
  std::string name_;
  Fd socket_;
  bool watching_ = false;
  bool tcp_ = false;
};

void SocketConnector::Attempt::ready(std::uint32_t) {
  const int error = pending_error(socket_.get());
  if (error == 0) return connector_.connected(*this);
  refuse(addresses[next - 1], "connect", error);
  connector_.begin(serial);
}

SocketConnector::Attempt::Outcome SocketConnector::Attempt::start_next() {
  while (next < addresses.size()) {
    const Outcome outcome = start(addresses[next++]);
    if (outcome == Outcome::full_backlog) --next;
    if (outcome != Outcome::failed) return outcome;
  }
  return Outcome::failed;
}

SocketConnector::Attempt::Outcome SocketConnector::Attempt::start(const SocketAddress& address) {
  socket_ = Fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_) return refuse(address, "socket", errno);
  tcp_ = address.is_tcp();
  if (tcp_) tune_tcp(socket_.get(), connector_.loop_.options());
  if (::connect(socket_.get(), address.raw(), address.length) == 0) return Outcome::connected;
  if (errno == EAGAIN) {
    stop();
    return Outcome::full_backlog;
  }
  if (errno != EINPROGRESS && errno != EINTR) return refuse(address, "connect", errno);
  watching_ = connector_.loop_.watch(socket_.get(), EPOLLOUT, *this);
  return watching_ ? Outcome::waiting : refuse(address, "watch", errno);
}

SocketConnector::Attempt::Outcome SocketConnector::Attempt::refuse(const SocketAddress& address,
                                                                   const char* call, int error) {
  const std::string where = to_text(address);
  const bool looked_up = !is_unix(name_) && where.find(name_) == std::string::npos;
  log::line(log::Level::log, "cannot connect to {}{}{}: {}(): {}", looked_up ? name_ : "",
            looked_up ? " at " : "", where, call, std::strerror(error));
  stop();
  return Outcome::failed;
}

Fd SocketConnector::Attempt::take_socket() {
  if (std::exchange(watching_, false)) connector_.loop_.unwatch(socket_.get(), *this);
  return std::move(socket_);
}

void SocketConnector::Attempt::stop() {
  take_socket().reset();
}

SocketConnector::SocketConnector(SocketLoop& loop, Resolver& resolver, std::string unix_socket_dir)
    : loop_(loop),
      resolver_(resolver),
      unix_socket_dir_(std::move(unix_socket_dir)),
      alive_(std::make_shared<SocketConnector*>(this)) {}

SocketConnector::~SocketConnector() = default;

void SocketConnector::connect(const ServerAddress& where, Token token) {
  const std::uint64_t serial = ++last_serial_;
  attempts_.push_back(std::make_unique<Attempt>(*this, serial, token, where));
  Attempt& attempt = *attempts_.back();
  std::optional<SocketAddress> address;
  if (is_unix(where.host)) {
    const std::string& dir = where.host.empty() ? unix_socket_dir_ : where.host;
    if (!dir.empty()) address = unix_address(unix_socket_path(dir, where.port));
    if (!address) log::line(log::Level::warning, "no usable unix socket path below '{}'", dir);
  } else {
    address = numeric_address(where.host, where.port);
    if (!address) {
      resolver_.resolve(where.host, [mailbox = loop_.mailbox(), alive = std::weak_ptr(alive_),
                                     serial, port = where.port](DnsAnswer answer) {
        mailbox->post([alive, serial, port, answer = std::move(answer)] {
          if (const auto self = alive.lock()) (*self)->resolved(serial, answer, port);
        });
      });
      return;
    }
  }
  if (address) attempt.addresses.push_back(*address);
  begin_later(serial);
}

void SocketConnector::abandon(Token token) {
  std::erase_if(attempts_, [token](const auto& attempt) { return attempt->token == token; });
}

void SocketConnector::resolved(std::uint64_t serial, DnsAnswer answer, std::uint16_t port) {
  Attempt* attempt = find(serial);
  if (!attempt) return;
  if (answer.addresses.empty()) return failed(*attempt, lookup_failed);
  attempt->addresses = std::move(answer.addresses);
  for (SocketAddress& address : attempt->addresses) set_port(address, port);
  begin(serial);
}

void SocketConnector::begin(std::uint64_t serial) {
  Attempt* attempt = find(serial);
  if (!attempt) return;
  switch (attempt->start_next()) {
    case Attempt::Outcome::connected:
      return connected(*attempt);
    case Attempt::Outcome::waiting:
      return;
    case Attempt::Outcome::full_backlog:
      loop_.run_after(backlog_pause, [alive = std::weak_ptr(alive_), serial] {
        if (const auto self = alive.lock()) (*self)->begin(serial);
      });
      return;
    case Attempt::Outcome::failed:
      return failed(*attempt, connect_failed);
  }
}

void SocketConnector::begin_later(std::uint64_t serial) {
  loop_.mailbox()->post([alive = std::weak_ptr(alive_), serial] {
    if (const auto self = alive.lock()) (*self)->begin(serial);
  });
}

void SocketConnector::connected(Attempt& attempt) {
  const std::unique_ptr<Attempt> done = take(attempt);
  auto socket = std::make_unique<DetachedSocket>(done->take_socket(), done->is_tcp(), true);
  loop_.events().on_connected(done->token, loop_.adopt(std::move(socket), done->token));
}

void SocketConnector::failed(Attempt& attempt, const char* reason) {
  const std::unique_ptr<Attempt> done = take(attempt);
  loop_.events().on_connect_failed(done->token, reason);
}

SocketConnector::Attempt* SocketConnector::find(std::uint64_t serial) {
  const auto at = std::ranges::find(attempts_, serial, [](const auto& a) { return a->serial; });
  return at == attempts_.end() ? nullptr : at->get();
}

std::unique_ptr<SocketConnector::Attempt> SocketConnector::take(const Attempt& attempt) {
  const auto at = std::ranges::find(attempts_, &attempt, [](const auto& a) { return a.get(); });
  std::unique_ptr<Attempt> taken = std::move(*at);
  attempts_.erase(at);
  return taken;
}

}  // namespace pgweir
