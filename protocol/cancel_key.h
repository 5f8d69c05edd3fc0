// How PgBouncer's peers lay out the eight bytes of a cancel key, so that any of them can tell whose it is:
//
//   0                    1           2            3 ... 6   7
//   top bit 0, random    id, low     id, high     random    random, the two lowest bits: time to live
//
// Ours has the number of a worker in byte 0. Source: PgBouncer, "peer_id", from 1.21 on; protocol 3.2 for the length of others.
#pragma once

#include <cstdint>
#include <string>

namespace pgweir {

inline constexpr std::uint16_t protocol_3_2_minor = 2;

// What a client sends to cancel its statement.
struct CancelKey {
  std::uint32_t pid = 0;
  std::string key;                     // 4 to 256 bytes
};

// The eight bytes, first byte highest.
using PeerKey = std::uint64_t;

inline constexpr unsigned peer_ttl_max = 3;
inline constexpr unsigned peer_key_workers = 128;

constexpr PeerKey make_peer_key(unsigned worker, unsigned peer, std::uint64_t random) {
  return PeerKey{worker & (peer_key_workers - 1)} << 56 | PeerKey{peer & 0xff} << 48 | PeerKey{peer >> 8 & 0xff} << 40 |
         (random & 0x3f'ffff'ffff) << 2 | peer_ttl_max;
}
constexpr unsigned peer_of(PeerKey key) { return static_cast<unsigned>((key >> 48 & 0xff) | (key >> 40 & 0xff) << 8); }
// How many more times it may be forwarded.
constexpr unsigned ttl_of(PeerKey key) { return static_cast<unsigned>(key & peer_ttl_max); }
constexpr PeerKey forwarded(PeerKey key) { return key - 1; }
// As it was issued.
constexpr PeerKey as_issued(PeerKey key) { return key | peer_ttl_max; }

}  // namespace pgweir
