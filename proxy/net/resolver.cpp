#include "proxy/net/resolver.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "proxy/net/asio.h"
#include "proxy/net/clock.h"

namespace pgweir {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

// No flags: with AI_ADDRCONFIG a host that has only its loopback would not find "localhost".
constexpr auto no_flags = tcp::resolver::flags{};

DnsAnswer answer_of(const error_code& error, const tcp::resolver::results_type& results) {
  DnsAnswer answer;
  if (error) answer.error = error.message();
  for (const auto& result : results) {
    SocketAddress address;
    const auto endpoint = result.endpoint();
    std::memcpy(&address.storage, endpoint.data(), endpoint.size());
    address.length = static_cast<socklen_t>(endpoint.size());
    const auto same = [&](const SocketAddress& other) {
      return other.length == address.length &&
             std::memcmp(&other.storage, &address.storage, address.length) == 0;
    };
    if (std::ranges::none_of(answer.addresses, same)) answer.addresses.push_back(address);
  }
  return answer;
}

struct Entry {
  DnsAnswer answer;
  TimePoint valid_until;
  std::size_t next = 0;                     // the address the next answer begins with
  bool looking = false;                     // a lookup is under way
  std::vector<Resolver::Callback> waiting;  // for the end of that lookup

  DnsAnswer turned() {
    DnsAnswer copy = answer;
    if (copy.addresses.size() > 1) {
      const auto shift = static_cast<std::ptrdiff_t>(next++ % copy.addresses.size());
      std::rotate(copy.addresses.begin(), copy.addresses.begin() + shift, copy.addresses.end());
    }
    return copy;
  }
};

}  // namespace

struct Resolver::Impl {
  explicit Impl(const DnsTimes& initial) : times(initial) {
    thread = std::thread([this] { io.run(); });
  }
  ~Impl() {
    io.stop();
    thread.join();
  }

  // The three below run on the resolver's thread.
  void look_up(const std::string& name, Callback callback);
  void keep(const std::string& name, DnsAnswer answer);
  void start(const std::string& name);

  mutable std::mutex mutex;  // guards entries and times
  std::map<std::string, Entry> entries;
  DnsTimes times;
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  tcp::resolver resolver{io};
  std::thread thread;
};

void Resolver::Impl::look_up(const std::string& name, Callback callback) {
  std::unique_lock lock(mutex);
  Entry& entry = entries[name];
  if (!entry.looking && monotonic_now() < entry.valid_until) {
    DnsAnswer answer = entry.turned();
    lock.unlock();
    return callback(std::move(answer));
  }
  entry.waiting.push_back(std::move(callback));
  if (std::exchange(entry.looking, true)) return;
  lock.unlock();
  start(name);
}

void Resolver::Impl::start(const std::string& name) {
  resolver.async_resolve(
      name, "", no_flags,
      [this, name](const error_code& error, const tcp::resolver::results_type& results) {
        keep(name, answer_of(error, results));
      });
}

void Resolver::Impl::keep(const std::string& name, DnsAnswer answer) {
  std::vector<std::pair<Callback, DnsAnswer>> calls;
  {
    const std::lock_guard lock(mutex);
    Entry& entry = entries[name];
    const bool failed = answer.addresses.empty();
    entry.answer = std::move(answer);
    entry.valid_until = monotonic_now() + (failed ? times.nxdomain_ttl : times.ttl_max);
    entry.looking = false;
    for (auto& callback : std::exchange(entry.waiting, {})) {
      calls.emplace_back(std::move(callback), entry.turned());
    }
  }
  for (auto& [callback, turned] : calls) callback(std::move(turned));
}

Resolver::Resolver(const DnsTimes& times) : impl_(std::make_unique<Impl>(times)) {}
Resolver::~Resolver() = default;

void Resolver::resolve(const std::string& name, Callback callback) {
  boost::asio::post(impl_->io,
                    [impl = impl_.get(), name, callback = std::move(callback)]() mutable {
                      impl->look_up(name, std::move(callback));
                    });
}

void Resolver::set_times(const DnsTimes& times) {
  const std::lock_guard lock(impl_->mutex);
  impl_->times = times;
}

std::vector<DnsHost> Resolver::hosts() const {
  const std::lock_guard lock(impl_->mutex);
  const TimePoint now = monotonic_now();
  std::vector<DnsHost> list;
  for (const auto& [name, entry] : impl_->entries) {
    list.push_back(
        {name, std::max(Duration::zero(), entry.valid_until - now), entry.answer.addresses});
  }
  return list;
}

DnsAnswer resolve_now(const std::string& name) {
  boost::asio::io_context io{1};
  tcp::resolver resolver{io};
  error_code error;
  const auto results = resolver.resolve(name, "", no_flags, error);
  return answer_of(error, results);
}

}  // namespace pgweir
