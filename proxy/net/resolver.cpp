#include "proxy/net/resolver.h"

#include <netdb.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "proxy/core/check.h"
#include "proxy/core/log.h"
#include "proxy/net/clock.h"
#include "proxy/net/dns_channel.h"
#include "proxy/net/fd.h"

namespace pgweir {
namespace {

// A name whose records may not be kept is not asked for more often by the watch.
constexpr Duration shortest_watch = seconds(1);
// How long who has addresses from before waits for fresh ones.
constexpr Duration patience = seconds(1);

struct Entry {
  DnsAnswer answer;
  std::vector<SocketAddress> known;         // the addresses it had last, also while it has none
  TimePoint valid_until;
  TimePoint asked_at;                       // of the lookup under way
  std::size_t next = 0;                     // the address the next answer begins with
  bool looking = false;                     // a lookup is under way
  bool silent = false;                      // the last lookup had no answer
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

struct Zone {
  std::optional<std::uint32_t> serial;
};

bool same(const SocketAddress& left, const SocketAddress& right) {
  return left.length == right.length && std::memcmp(&left.storage, &right.storage, left.length) == 0;
}

std::string zone_of(const std::string& name) {
  const auto dot = name.find('.');
  return dot == std::string::npos ? std::string{} : name.substr(dot + 1);
}

using Calls = std::vector<std::pair<Resolver::Callback, DnsAnswer>>;

}  // namespace

struct Resolver::Impl {
  Impl(const DnsTimes& initial, std::string resolv_conf, Moved on_moved)
      : times(initial), moved(std::move(on_moved)), channel(std::move(resolv_conf)),
        bell(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    PGWEIR_CHECK(bell);
    thread = std::thread([this] { run(); });
  }
  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      ending = true;
    }
    ring();
    thread.join();
  }
  void ring() {
    const std::uint64_t one = 1;
    (void)!write(bell.get(), &one, sizeof one);
  }

  // The rest runs on the resolver's thread.
  void run();
  void take_requests();
  void look_up(const std::string& name, Callback callback);
  void ask(const std::string& name);
  void keep(const std::string& name, DnsFound found);
  void store(Entry& entry, DnsFound&& found, std::vector<SocketAddress>& gone);
  Duration refresh();
  Duration check_zones();
  void on_serial(const std::string& name, std::optional<std::uint32_t> serial);

  mutable std::mutex mutex;  // guards everything up to `moved`
  std::map<std::string, Entry> entries;
  std::map<std::string, Zone> zones;
  std::set<std::string> watched;
  std::vector<std::pair<std::string, Callback>> requests;
  DnsTimes times;
  int lookups = 0;
  bool ending = false;
  const Moved moved;
  DnsChannel channel;
  TimePoint zones_checked_at;
  Fd bell;
  std::thread thread;
};

void Resolver::Impl::run() {
  while (true) {
    take_requests();
    const Duration limit = std::min(refresh(), check_zones());
    {
      const std::lock_guard lock(mutex);
      if (ending) return;
      lookups = static_cast<int>(channel.open());
    }
    if (channel.wait(bell.get(), limit)) {
      std::uint64_t count = 0;
      (void)!read(bell.get(), &count, sizeof count);
    }
  }
}

void Resolver::Impl::take_requests() {
  std::vector<std::pair<std::string, Callback>> taken;
  {
    const std::lock_guard lock(mutex);
    taken.swap(requests);
  }
  for (auto& [name, callback] : taken) look_up(name, std::move(callback));
}

void Resolver::Impl::look_up(const std::string& name, Callback callback) {
  std::unique_lock lock(mutex);
  Entry& entry = entries[name];
  if (monotonic_now() < entry.valid_until) {
    DnsAnswer answer = entry.turned();
    lock.unlock();
    return callback(std::move(answer));
  }
  entry.waiting.push_back(std::move(callback));
  lock.unlock();
  ask(name);
}

void Resolver::Impl::ask(const std::string& name) {
  {
    const std::lock_guard lock(mutex);
    Entry& entry = entries[name];
    if (std::exchange(entry.looking, true)) return;
    entry.asked_at = monotonic_now();
  }
  channel.find(name, [this, name](DnsFound found) { keep(name, std::move(found)); });
}

// Addresses from before stay where nobody has said that they are wrong.
void Resolver::Impl::store(Entry& entry, DnsFound&& found, std::vector<SocketAddress>& gone) {
  const bool failed = found.addresses.empty();
  const Duration time = failed ? times.nxdomain_ttl : std::min(found.ttl.value_or(times.ttl_max), times.ttl_max);
  entry.valid_until = monotonic_now() + time;
  entry.silent = failed && !found.definite;
  if (entry.silent && !entry.answer.addresses.empty()) return;
  if (!failed) {
    for (const SocketAddress& old : entry.known) {
      const auto is_old = [&](const SocketAddress& fresh) { return same(old, fresh); };
      if (std::ranges::none_of(found.addresses, is_old)) gone.push_back(old);
    }
    entry.known = found.addresses;
  }
  entry.answer.addresses = std::move(found.addresses);
  entry.answer.error = std::move(found.error);
}

void Resolver::Impl::keep(const std::string& name, DnsFound found) {
  Calls calls;
  std::vector<SocketAddress> gone;
  {
    const std::lock_guard lock(mutex);
    Entry& entry = entries[name];
    const bool was_silent = entry.silent;
    const std::string error = found.error;
    store(entry, std::move(found), gone);
    entry.looking = false;
    if (entry.silent && !was_silent) log::line(log::Level::warning, "no answer from DNS for {}: {}", name, error);
    for (auto& callback : std::exchange(entry.waiting, {})) calls.emplace_back(std::move(callback), entry.turned());
  }
  if (moved && !gone.empty()) moved(name, gone);
  for (auto& [callback, answer] : calls) callback(std::move(answer));
}

// Asks anew for what is watched and over, forgets what nobody watches, and answers those who have waited long enough
// with what was known before. Returns for how long there is nothing more to do.
Duration Resolver::Impl::refresh() {
  Calls calls;
  std::vector<std::string> over;
  Duration limit = seconds(3600);
  {
    const std::lock_guard lock(mutex);
    const TimePoint now = monotonic_now();
    std::erase_if(entries, [&](const auto& one) {
      return !one.second.looking && one.second.valid_until <= now && !watched.contains(one.first);
    });
    for (auto& [name, entry] : entries) {
      if (entry.looking) {
        if (entry.waiting.empty() || entry.answer.addresses.empty()) continue;
        const Duration left = entry.asked_at + patience - now;
        if (left > Duration{}) limit = std::min(limit, left);
        else for (auto& callback : std::exchange(entry.waiting, {})) calls.emplace_back(std::move(callback), entry.turned());
        continue;
      }
      const TimePoint next = std::max(entry.valid_until, entry.asked_at + shortest_watch);
      if (next <= now) over.push_back(name);
      else limit = std::min(limit, next - now);
    }
  }
  for (auto& [callback, answer] : calls) callback(std::move(answer));
  for (const std::string& name : over) ask(name);
  // What /etc/hosts had to say is here already, and has another time to be looked at.
  return over.empty() ? limit : Duration{};
}

Duration Resolver::Impl::check_zones() {
  std::vector<std::string> names;
  Duration left{};
  {
    const std::lock_guard lock(mutex);
    const Duration period = times.zone_check;
    if (period == Duration{}) {
      zones.clear();
      return seconds(3600);
    }
    left = zones_checked_at == TimePoint{} ? Duration{} : zones_checked_at + period - monotonic_now();
    if (left > Duration{}) return left;
    left = period;
    std::map<std::string, Zone> fresh;
    for (const auto& [name, entry] : entries) {
      const std::string zone = zone_of(name);
      if (!zone.empty()) fresh.emplace(zone, zones[zone]);
    }
    zones.swap(fresh);
    for (const auto& [name, zone] : zones) names.push_back(name);
  }
  zones_checked_at = monotonic_now();
  for (const std::string& name : names) {
    channel.find_serial(name, [this, name](std::optional<std::uint32_t> serial) { on_serial(name, serial); });
  }
  return left;
}

void Resolver::Impl::on_serial(const std::string& name, std::optional<std::uint32_t> serial) {
  if (!serial) return;
  std::vector<std::string> changed;
  {
    const std::lock_guard lock(mutex);
    const auto found = zones.find(name);
    if (found == zones.end()) return;
    const std::optional<std::uint32_t> before = std::exchange(found->second.serial, serial);
    if (!before || before == serial) return;
    for (const auto& [host, entry] : entries) {
      if (zone_of(host) == name) changed.push_back(host);
    }
  }
  log::line(log::Level::log, "zone {} has changed, looking up its {} names again", name, changed.size());
  for (const std::string& host : changed) ask(host);
}

Resolver::Resolver(const DnsTimes& times, std::string resolv_conf, Moved moved)
    : impl_(std::make_unique<Impl>(times, std::move(resolv_conf), std::move(moved))) {}
Resolver::~Resolver() = default;

void Resolver::resolve(const std::string& name, Callback callback) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->requests.emplace_back(name, std::move(callback));
  }
  impl_->ring();
}

void Resolver::set_times(const DnsTimes& times) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->times = times;
  }
  impl_->ring();
}

void Resolver::watch(std::set<std::string> names) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->watched = std::move(names);
  }
  impl_->ring();
}

DnsState Resolver::state() const {
  const std::lock_guard lock(impl_->mutex);
  const TimePoint now = monotonic_now();
  DnsState state;
  state.lookups = impl_->lookups;
  for (const auto& [name, entry] : impl_->entries) {
    state.hosts.push_back({name, std::max(Duration::zero(), entry.valid_until - now), entry.answer.addresses});
    if (!entry.waiting.empty()) ++state.waiting;
  }
  for (const auto& [name, zone] : impl_->zones) {
    const auto in_zone = [&name = name](const auto& entry) { return zone_of(entry.first) == name; };
    state.zones.push_back({name, zone.serial.value_or(0),
                           static_cast<int>(std::ranges::count_if(impl_->entries, in_zone))});
  }
  return state;
}

DnsAnswer resolve_now(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  DnsAnswer answer;
  const int status = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
  if (status != 0) answer.error = ::gai_strerror(status);
  for (const addrinfo* node = list; node; node = node->ai_next) {
    SocketAddress address;
    address.length = node->ai_addrlen;
    std::memcpy(&address.storage, node->ai_addr, address.length);
    const auto known = [&](const SocketAddress& other) { return same(other, address); };
    if (std::ranges::none_of(answer.addresses, known)) answer.addresses.push_back(address);
  }
  if (list) ::freeaddrinfo(list);
  return answer;
}

}  // namespace pgweir
