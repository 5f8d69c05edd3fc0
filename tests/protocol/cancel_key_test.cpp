#include "protocol/cancel_key.h"

#include <doctest/doctest.h>

using namespace pgweir;

TEST_CASE("a peer's key has PgBouncer's layout") {
  // As PgBouncer with peer_id 5 issues it: 0605 00.. .. .. .. ..11
  const PeerKey key = make_peer_key(6, 5, ~std::uint64_t{0});
  CHECK(key == 0x0605'00ff'ffff'ffff);
  CHECK(peer_of(key) == 5);
  CHECK(ttl_of(key) == 3);
  CHECK(peer_of(make_peer_key(0, 16383, 0)) == 16383);
  CHECK(make_peer_key(0, 0x1234, 0) == 0x0034'1200'0000'0003);
  CHECK((make_peer_key(200, 1, 0) >> 63) == 0);
}

TEST_CASE("a key may be forwarded three times, and its owner knows it after each") {
  const PeerKey issued = make_peer_key(1, 7, 0x12'3456'789a);
  PeerKey key = issued;
  for (unsigned left = 3; left-- > 0;) {
    key = forwarded(key);
    CHECK(ttl_of(key) == left);
    CHECK(peer_of(key) == 7);
    CHECK(as_issued(key) == issued);
  }
}
