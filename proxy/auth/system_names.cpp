#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <pwd.h>
#include <sys/socket.h>

#include <array>
#include <memory>

#include "proxy/auth/proofs.h"

namespace pgweir {
namespace {

std::string digits(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (!address) return {};
  if (address->sa_family == AF_INET)
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof text);
  else if (address->sa_family == AF_INET6)
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text,
              sizeof text);
  return text;
}

std::unique_ptr<addrinfo, void (*)(addrinfo*)> lookup(const std::string& name, int flags) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_flags = flags;
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) found = nullptr;
  return {found, freeaddrinfo};
}

}  // namespace

ProofAnswer find_system_user(const ProofRequest& request) {
  passwd entry{}, *found = nullptr;
  std::array<char, 16384> space;
  const int error = getpwuid_r(request.uid, &entry, space.data(), space.size(), &found);
  if (error != 0 || !found)
    return {false, {}, "no system user has the id " + std::to_string(request.uid)};
  return {true, found->pw_name, {}};
}

ProofAnswer find_host_name(const ProofRequest& request) {
  const auto numeric = lookup(request.address, AI_NUMERICHOST);
  if (!numeric) return {false, {}, "not an address: " + request.address};
  char name[NI_MAXHOST];
  if (getnameinfo(numeric->ai_addr, numeric->ai_addrlen, name, sizeof name, nullptr, 0,
                  NI_NAMEREQD) != 0) {
    return {false, {}, "no host name for " + request.address};
  }
  const auto wanted = ip_bytes(request.address);
  const auto forward = lookup(name, 0);
  for (const addrinfo* at = forward.get(); at; at = at->ai_next) {
    if (ip_bytes(digits(at->ai_addr)) != wanted) continue;
    std::string lower(name);
    for (char& c : lower)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return {true, lower, {}};
  }
  return {
      false, {}, std::string("host name ") + name + " does not lead back to " + request.address};
}

std::vector<IpNetwork> find_own_networks() {
  std::vector<IpNetwork> networks;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return networks;
  for (const ifaddrs* at = all; at; at = at->ifa_next) {
    const auto address = ip_bytes(digits(at->ifa_addr)), mask = ip_bytes(digits(at->ifa_netmask));
    if (!at->ifa_addr || !address || !mask) continue;
    IpNetwork network{*address, *mask};
    if (at->ifa_addr->sa_family == AF_INET)
      std::fill_n(network.mask.begin(), 12, std::uint8_t{0xff});
    networks.push_back(network);
  }
  freeifaddrs(all);
  return networks;
}

}  // namespace pgweir
