#include "proxy/net/dns_channel.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <sstream>

#include "proxy/core/log.h"

namespace pgweir {
namespace {

// What tells a resolv.conf from the one that was read last.
struct FileMark {
  std::int64_t seconds = 0, nanoseconds = 0;
  ino_t inode = 0;
  bool operator==(const FileMark&) const = default;
};

FileMark mark_of(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return {};
  return {facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec, facts.st_ino};
}

// The name servers of the file as ares_set_servers_ports_csv wants them, where one of them has a port (`10.0.0.2:8600`,
// `[::1]:8600`), which c-ares does not read there. Empty: none has.
std::string servers_with_ports(const std::string& path) {
  std::ifstream file(path);
  std::string list;
  bool any = false;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key, server;
    if (!(words >> key >> server) || key != "nameserver") continue;
    any = any || server[0] == '[' || std::ranges::count(server, ':') == 1;
    list += (list.empty() ? "" : ",") + server;
  }
  return any ? list : std::string{};
}

DnsFound found_in(int status, const ares_addrinfo* list) {
  DnsFound found;
  found.definite = status == ARES_ENOTFOUND || status == ARES_ENODATA;
  if (status != ARES_SUCCESS) found.error = ares_strerror(status);
  for (const auto* node = list ? list->nodes : nullptr; node; node = node->ai_next) {
    SocketAddress address;
    address.length = static_cast<socklen_t>(node->ai_addrlen);
    std::memcpy(&address.storage, node->ai_addr, address.length);
    set_port(address, 0);
    const auto same = [&](const SocketAddress& other) {
      return other.length == address.length && std::memcmp(&other.storage, &address.storage, address.length) == 0;
    };
    if (std::ranges::none_of(found.addresses, same)) found.addresses.push_back(address);
    const Duration ttl = seconds(std::max(node->ai_ttl, 0));
    found.ttl = std::min(found.ttl.value_or(ttl), ttl);
  }
  return found;
}

}  // namespace

struct DnsChannel::Impl {
  // A question on its way through c-ares, which owns it until it calls back.
  struct Question {
    Impl* channel;
    Found found;
    Serial serial;
    bool* at_once = nullptr;             // set while ares_getaddrinfo runs: what it tells now is from a file
  };

  explicit Impl(std::string resolv_conf) : path(std::move(resolv_conf)) { begin(); }
  ~Impl() { end(); }

  void begin() {
    mark = mark_of(path.empty() ? "/etc/resolv.conf" : path);
    ares_options options{};
    int given = 0;
    if (!path.empty()) {
      options.resolvconf_path = path.data();
      given |= ARES_OPT_RESOLVCONF;
    }
    const int status = ares_init_options(&channel, &options, given);
    if (status != ARES_SUCCESS) {
      channel = nullptr;
      log::line(log::Level::error, "cannot set up the DNS resolver: {}", ares_strerror(status));
      return;
    }
    const std::string servers = servers_with_ports(path);
    if (!servers.empty() && ares_set_servers_ports_csv(channel, servers.c_str()) != ARES_SUCCESS) {
      log::line(log::Level::error, "cannot use the name servers of {}: {}", path, servers);
    }
  }

  void end() {
    ending = true;
    if (channel) ares_destroy(channel);
    channel = nullptr;
    ending = false;
  }

  // A changed resolv.conf counts from the next question that finds none open.
  void follow_file() {
    if (open > 0 || mark == mark_of(path.empty() ? "/etc/resolv.conf" : path)) return;
    end();
    begin();
  }

  static void on_addresses(void* argument, int status, int, ares_addrinfo* list) {
    const std::unique_ptr<Question> question(static_cast<Question*>(argument));
    DnsFound found = found_in(status, list);
    if (question->at_once) {
      *question->at_once = true;
      found.ttl.reset();
    }
    if (list) ares_freeaddrinfo(list);
    --question->channel->open;
    if (!question->channel->ending) question->found(std::move(found));
  }

  static void on_soa(void* argument, int status, int, unsigned char* bytes, int size) {
    const std::unique_ptr<Question> question(static_cast<Question*>(argument));
    std::optional<std::uint32_t> serial;
    ares_soa_reply* reply = nullptr;
    if (status == ARES_SUCCESS && ares_parse_soa_reply(bytes, size, &reply) == ARES_SUCCESS) {
      serial = reply->serial;
      ares_free_data(reply);
    }
    --question->channel->open;
    if (!question->channel->ending) question->serial(serial);
  }

  std::string path;
  FileMark mark;
  ares_channel channel = nullptr;
  std::size_t open = 0;
  bool ending = false;
};

DnsChannel::DnsChannel(std::string resolv_conf) {
  ares_library_init(ARES_LIB_INIT_ALL);
  impl_ = std::make_unique<Impl>(std::move(resolv_conf));
}

DnsChannel::~DnsChannel() {
  impl_.reset();
  ares_library_cleanup();
}

std::size_t DnsChannel::open() const { return impl_->open; }

void DnsChannel::find(const std::string& name, Found done) {
  impl_->follow_file();
  if (!impl_->channel) return done({{}, {}, "no DNS resolver", false});
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT;       // whoever connects takes the addresses in turn
  // What c-ares finds in /etc/hosts it tells from within the call, and then the question is gone.
  bool at_once = false;
  auto* question = new Impl::Question{impl_.get(), std::move(done), {}, &at_once};
  ++impl_->open;
  ares_getaddrinfo(impl_->channel, name.c_str(), nullptr, &hints, &Impl::on_addresses, question);
  if (!at_once) question->at_once = nullptr;
}

void DnsChannel::find_serial(const std::string& zone, Serial done) {
  impl_->follow_file();
  if (!impl_->channel) return done({});
  ++impl_->open;
  ares_query(impl_->channel, zone.c_str(), ns_c_in, ns_t_soa, &Impl::on_soa,
             new Impl::Question{impl_.get(), {}, std::move(done)});
}

bool DnsChannel::wait(int bell, Duration at_most) {
  std::array<pollfd, ARES_GETSOCK_MAXNUM + 1> wanted{};
  std::size_t count = 0;
  wanted[count++] = {bell, POLLIN, 0};
  int limit = static_cast<int>(std::clamp<std::int64_t>(count_us(at_most) / 1000 + 1, 0, 3600 * 1000));
  if (impl_->channel) {
    std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
    const auto bits = static_cast<unsigned>(ares_getsock(impl_->channel, sockets.data(), ARES_GETSOCK_MAXNUM));
    for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
      short events = 0;
      if (ARES_GETSOCK_READABLE(bits, i)) events |= POLLIN;
      if (ARES_GETSOCK_WRITABLE(bits, i)) events |= POLLOUT;
      if (events) wanted[count++] = {sockets[i], events, 0};
    }
    timeval most{limit / 1000, limit % 1000 * 1000}, chosen{};
    if (const timeval* next = ares_timeout(impl_->channel, &most, &chosen)) {
      limit = static_cast<int>(next->tv_sec * 1000 + (next->tv_usec + 999) / 1000);
    }
  }
  const int ready = ::poll(wanted.data(), count, limit);
  if (impl_->channel) {
    if (ready <= 0) ares_process_fd(impl_->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    for (std::size_t i = 1; ready > 0 && i < count; ++i) {
      const auto& one = wanted[i];
      ares_process_fd(impl_->channel, one.revents & (POLLIN | POLLERR | POLLHUP) ? one.fd : ARES_SOCKET_BAD,
                      one.revents & POLLOUT ? one.fd : ARES_SOCKET_BAD);
    }
  }
  return ready > 0 && wanted[0].revents != 0;
}

}  // namespace pgweir
