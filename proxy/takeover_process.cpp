#include "proxy/takeover_process.h"

#include <sys/socket.h>

#include "protocol/backend.h"
#include "protocol/compose.h"
#include "protocol/framer.h"
#include "protocol/wire.h"
#include "proxy/core/log.h"
#include "proxy/core/version.h"
#include "proxy/net/address.h"

namespace pgweir {
namespace {

DetachedSocket& socket_of(Detached& detached) { return static_cast<DetachedSocket&>(detached); }

std::unique_ptr<Detached> socket_from(Fd fd, bool tcp) { return std::make_unique<DetachedSocket>(std::move(fd), tcp, true); }

bool is_tcp(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  return getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 && address.ss_family != AF_UNIX;
}

// name, file: `unix:/tmp/.s.PGSQL.6432`, `/tmp/.s.PGSQL.6432`
std::string body_of(const Listener& listener) { return listener.name() + '\0' + listener.file(); }

}  // namespace

// --- the old process

TakeoverSender::TakeoverSender(Fd console, const std::vector<Listener>& listeners, Events events)
    : channel_(std::move(console)), events_(std::move(events)) {
  for (const Listener& listener : listeners) {
    Outgoing out{'L', body_of(listener), {}};
    out.fds.emplace_back(::dup(listener.fd()));
    listeners_.push_back(std::move(out));
  }
  thread_ = std::thread([this] { run(); });
}

TakeoverSender::~TakeoverSender() {
  {
    std::lock_guard lock(mutex_);
    over_ = true;
    if (!started_) channel_.shut_down();
  }
  changed_.notify_all();
  thread_.join();
}

void TakeoverSender::give(char kind, std::unique_ptr<Detached> first, std::unique_ptr<Detached> second, const Buffer& record) {
  DetachedSocket& socket = socket_of(*first);
  Outgoing out{kind, {}, {}};
  Buffer head;
  WireWriter(head).u32(static_cast<std::uint32_t>(socket.unread.size()));
  out.body = std::string(as_text(head)) + socket.unread + std::string(as_text(record));
  out.fds.push_back(std::move(socket.fd));
  if (second) out.fds.push_back(std::move(socket_of(*second).fd));
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(out));
  }
  changed_.notify_all();
}

void TakeoverSender::give_client(std::unique_ptr<Detached> client, std::unique_ptr<Detached> server, Buffer record) {
  give('C', std::move(client), std::move(server), record);
}

void TakeoverSender::give_server(std::unique_ptr<Detached> server, Buffer record) {
  give('S', std::move(server), nullptr, record);
}

// True: the new process has said that it could start.
bool TakeoverSender::agree() {
  if (!channel_.send('V', PGWEIR_VERSION)) return false;
  for (const Outgoing& listener : listeners_) {
    const int fd = listener.fds[0].get();
    if (!channel_.send('L', listener.body, {&fd, 1})) return false;
  }
  listeners_.clear();
  if (!channel_.send('R', {})) return false;
  const auto answer = channel_.receive();
  return answer && answer->kind == 'G';
}

void TakeoverSender::run() {
  if (!agree()) return events_.failed();
  events_.go();
  std::unique_lock lock(mutex_);
  started_ = true;
  lock.unlock();
  bool alive = channel_.send('D', {});
  lock.lock();
  while (true) {
    changed_.wait(lock, [this] { return over_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const Outgoing out = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    std::vector<int> fds;
    for (const Fd& fd : out.fds) fds.push_back(fd.get());
    if (alive && !channel_.send(out.kind, out.body, fds)) {
      alive = false;
      log::line(log::Level::error, "the process that takes over is gone; clients are closed");
    }
    lock.lock();
  }
}

// --- the new process

std::unique_ptr<TakeoverReceiver> TakeoverReceiver::begin(const std::string& path, std::string& error) {
  const auto address = unix_address(path);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!address || !socket || ::connect(socket.get(), address->raw(), address->length) != 0) return nullptr;
  const timeval patience{10, 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::unique_ptr<TakeoverReceiver> receiver(new TakeoverReceiver(std::move(socket)));
  error = receiver->log_in();
  if (error.empty()) error = receiver->read_listeners();
  if (!error.empty()) return nullptr;
  return receiver;
}

TakeoverReceiver::~TakeoverReceiver() {
  channel_.shut_down();
  if (thread_.joinable()) thread_.join();
}

// As a console client, up to the answer to TAKEOVER, which is no message of the protocol any more.
std::string TakeoverReceiver::log_in() {
  Buffer out;
  const compose::Parameter parameters[] = {{"user", "pgbouncer"}, {"database", "pgbouncer"}};
  compose::startup_message(out, parameters);
  if (::send(channel_.fd(), out.data(), out.size(), MSG_NOSIGNAL) < 0) return "the old process closed its console";
  bool asked = false;
  while (true) {
    std::byte head[header_bytes];
    if (recv(channel_.fd(), head, 1, MSG_PEEK) != 1) return "the old process does not answer";
    if (asked && head[0] == std::byte{'V'}) return {};
    if (recv(channel_.fd(), head, sizeof head, MSG_WAITALL) != sizeof head) return "the old process closed its console";
    Buffer body(load_be32(head + 1) - 4);
    if (recv(channel_.fd(), body.data(), body.size(), MSG_WAITALL) != static_cast<ssize_t>(body.size())) {
      return "the old process closed its console";
    }
    if (head[0] == std::byte{'E'}) return std::string(ReportView(body).message());
    if (head[0] == std::byte{'R'} && load_be32(body.data()) != 0) return "the old process asks for a password: it runs as another user";
    if (head[0] != std::byte{'Z'}) continue;
    if (asked) return "the old process did not understand";
    asked = true;
    out.clear();
    compose::query(out, "TAKEOVER");
    if (::send(channel_.fd(), out.data(), out.size(), MSG_NOSIGNAL) < 0) return "the old process closed its console";
  }
}

std::string TakeoverReceiver::read_listeners() {
  while (auto parcel = channel_.receive()) {
    if (parcel->kind == 'R') return {};
    if (parcel->kind == 'V') {
      log::line(log::Level::log, "taking over from pgweir {}", parcel->body);
      continue;
    }
    const std::size_t end = parcel->body.find('\0');
    if (parcel->kind != 'L' || parcel->fds.size() != 1 || end == std::string::npos) break;
    const bool tcp = is_tcp(parcel->fds[0].get());
    listeners_.emplace_back(std::move(parcel->fds[0]), tcp, parcel->body.substr(0, end));
    files_.push_back(parcel->body.substr(end + 1));
  }
  return "the old process broke off";
}

std::string TakeoverReceiver::go() {
  if (!channel_.send('G', {})) return "the old process is gone";
  const timeval patience{30, 0};
  setsockopt(channel_.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const auto answer = channel_.receive();
  if (!answer || answer->kind != 'D') return "the old process broke off";
  const timeval endless{};
  setsockopt(channel_.fd(), SOL_SOCKET, SO_RCVTIMEO, &endless, sizeof endless);
  return {};
}

void TakeoverReceiver::start(Events events) {
  events_ = std::move(events);
  thread_ = std::thread([this] { run(); });
}

void TakeoverReceiver::run() {
  while (auto parcel = channel_.receive()) {
    if (parcel->fds.empty() || parcel->body.size() < 4) continue;
    WireReader reader(as_bytes(parcel->body));
    const std::string unread(as_text(reader.bytes(reader.u32())));
    const Bytes record = reader.rest();
    std::unique_ptr<Detached> sockets[ParcelChannel::fds_max];
    for (std::size_t i = 0; i < parcel->fds.size(); ++i) {
      const bool tcp = is_tcp(parcel->fds[i].get());
      sockets[i] = socket_from(std::move(parcel->fds[i]), tcp);
    }
    if (parcel->kind == 'C') {
      if (auto client = decode_client(record)) events_.client(std::move(*client), std::move(sockets[0]), std::move(sockets[1]), unread);
      else log::line(log::Level::error, "a client of the old process could not be read, it is closed");
    } else if (auto server = decode_server(record); parcel->kind == 'S' && server && unread.empty()) {
      events_.server(std::move(*server), std::move(sockets[0]));
    }
  }
  events_.over();
}

}  // namespace pgweir
