#include "proxy/net/listener.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "proxy/net/address.h"
#include "proxy/net/resolver.h"
#include "proxy/net/socket_options.h"
#include "proxy/net/unix_listener.h"

namespace pgweir {
namespace {

std::string failure(const SocketAddress& address, const char* call) {
  return fmt::format("cannot listen on {}: {}(): {}", to_text(address), call, std::strerror(errno));
}

bool switch_on(int fd, int level, int option) {
  const int on = 1;
  return setsockopt(fd, level, option, &on, sizeof on) == 0;
}

// Returns what is wrong, or nothing.
std::string open_tcp(const SocketAddress& address, const ListenSettings& settings, Fd& out) {
  Fd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return failure(address, "socket");
  if (!switch_on(fd.get(), SOL_SOCKET, SO_REUSEADDR)) return failure(address, "setsockopt");
  // One socket per family: 0.0.0.0 and :: may both be asked for.
  if (address.family() == AF_INET6 && !switch_on(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY)) {
    return failure(address, "setsockopt");
  }
  if (settings.so_reuseport && !switch_on(fd.get(), SOL_SOCKET, SO_REUSEPORT)) {
    return failure(address, "setsockopt");
  }
  tune_listening(fd.get(), settings.tcp_keepalive);
  if (bind(fd.get(), address.raw(), address.length) != 0) return failure(address, "bind");
  if (listen(fd.get(), settings.backlog) != 0) return failure(address, "listen");
  if (settings.tcp_defer_accept > 0) defer_accept(fd.get(), settings.tcp_defer_accept);
  out = std::move(fd);
  return {};
}

std::vector<SocketAddress> addresses_of(const std::string& word, const ListenSettings& settings,
                                        ListenResult& result) {
  const std::uint16_t port = settings.listen_port;
  if (word == "*") return {*numeric_address("0.0.0.0", port), *numeric_address("::", port)};
  if (const auto numeric = numeric_address(word, port)) return {*numeric};
  DnsAnswer answer = resolve_now(word);
  if (answer.addresses.empty()) {
    result.warnings.push_back(
        fmt::format("getaddrinfo('{}', '{}') = {}", word, port, answer.error));
  }
  for (SocketAddress& address : answer.addresses) set_port(address, port);
  return std::move(answer.addresses);
}

void keep(ListenResult& result, Fd fd, bool tcp, std::string name, std::string file = {}) {
  result.opened.push_back("listening on " + name);
  result.listeners.emplace_back(std::move(fd), tcp, std::move(name), std::move(file));
}

void open_all_tcp(const ListenSettings& settings, ListenResult& result) {
  for (const std::string& word : settings.listen_addr) {
    for (const SocketAddress& address : addresses_of(word, settings, result)) {
      Fd fd;
      const std::string wrong = open_tcp(address, settings, fd);
      if (wrong.empty()) {
        // Port 0 asks for any free one, so the name is the one we got.
        SocketAddress ours = address;
        set_port(ours, local_endpoint(fd.get()).port);
        keep(result, std::move(fd), true, to_text(ours));
      } else {
        result.warnings.push_back(wrong);
      }
    }
  }
}

}  // namespace

Listener::Listener(Fd socket, bool tcp, std::string name, std::string file)
    : socket_(std::move(socket)), tcp_(tcp), name_(std::move(name)), file_(std::move(file)) {}

Listener::~Listener() {
  if (socket_ && !file_.empty()) remove_socket_file(file_);
}

ListenResult open_listeners(const ListenSettings& settings) {
  ListenResult result;
  open_all_tcp(settings, result);
  if (!settings.listen_addr.empty() && result.listeners.empty()) {
    result.error = "failed to listen on any address in listen_addr list";
    return result;
  }
  if (!settings.unix_socket_dir.empty()) {
    UnixSocket opened = open_unix_socket(settings);
    for (std::string& line : opened.warnings) result.warnings.push_back(std::move(line));
    result.error = std::move(opened.error);
    if (!result.error.empty()) return result;
    keep(result, std::move(opened.fd), false, "unix:" + opened.path, std::move(opened.file));
  }
  if (result.listeners.empty()) result.error = "nowhere to listen on";
  return result;
}

namespace {

// The packet is seen from its TCP header on: a SYN without an ACK is dropped.
bool drop_first_packets(int fd) {
  constexpr std::uint32_t flags_at = 13, syn = 0x02, ack = 0x10;
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, flags_at),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, syn | ack),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, syn, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffff),
  };
  const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
}

// Whose packets may have passed a router. The kernel does not measure those of a handshake that it knows, but the
// connection that comes of it inherits the rule: tune_tcp lifts it.
bool drop_packets_from_afar(int fd) {
  const int hops = 255;
  // An IPv6 socket takes the first as well, and has no use for it.
  const bool v4 = setsockopt(fd, IPPROTO_IP, IP_MINTTL, &hops, sizeof hops) == 0;
  const bool v6 = setsockopt(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, &hops, sizeof hops) == 0;
  return v4 || v6;
}

}  // namespace

// Some kernels want a privilege for the first; whoever sends with the highest TTL passes the second.
// Only what shares its port: tune_tcp lifts it for clients of such ones (inherited_options).
bool ignore_newcomers(int fd) {
  int shared = 0;
  socklen_t size = sizeof shared;
  if (getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shared, &size) != 0 || shared == 0) return false;
  return drop_first_packets(fd) || drop_packets_from_afar(fd);
}

ListenResult take_listeners(int first, int count) {
  ListenResult result;
  for (int number = first; number < first + count; ++number) {
    Fd fd(number);
    SocketAddress address;
    address.length = sizeof address.storage;
    if (getsockname(number, address.raw(), &address.length) != 0) {
      result.warnings.push_back(
          fmt::format("inherited descriptor {} is no socket: {}", number, std::strerror(errno)));
      fd.release();
      continue;
    }
    fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK);
    fcntl(number, F_SETFD, FD_CLOEXEC);
    keep(result, std::move(fd), address.is_tcp(), to_text(address));
  }
  if (result.listeners.empty()) result.error = "nowhere to listen on";
  return result;
}

}  // namespace pgweir
