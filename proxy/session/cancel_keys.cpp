#include "proxy/session/cancel_keys.h"

#include <openssl/crypto.h>

#include "protocol/auth/scram_keys.h"

namespace pgweir {
namespace {

constexpr std::uint32_t index_mask = 0x00ff'ffff;

std::string four_bytes(std::uint64_t value) {
  std::byte bytes[4];
  store_be32(bytes, static_cast<std::uint32_t>(value));
  return std::string(as_text(bytes));
}

bool same_key(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

CancelKey CancelKeys::issue(ClientSession& client, int peer_id, std::uint64_t random) {
  client.secret = random;
  if (peer_id > 0) {
    client.long_key = false;
    client.secret = make_peer_key(worker_, static_cast<unsigned>(peer_id), random);
    by_peer_key_[client.secret] = client.token;
    return {static_cast<std::uint32_t>(client.secret >> 32), four_bytes(client.secret)};
  }
  // 0 is no process id.
  return {worker_ << 24 | (client.token.index + 1), client.long_key ? long_key(client) : four_bytes(client.secret)};
}

void CancelKeys::adopt(const ClientSession& client, const CancelKey& key) {
  adopted_[four_bytes(key.pid) + key.key] = client.token;
  adopted_by_[client.token.index] = key;
}

CancelKey CancelKeys::key_of(const ClientSession& client) const {
  if (const auto found = adopted_by_.find(client.token.index); found != adopted_by_.end()) return found->second;
  if (by_peer_key_.contains(client.secret)) return {static_cast<std::uint32_t>(client.secret >> 32), four_bytes(client.secret)};
  return {worker_ << 24 | (client.token.index + 1), client.long_key ? long_key(client) : four_bytes(client.secret)};
}

void CancelKeys::forget(const ClientSession& client) {
  if (const auto found = adopted_by_.find(client.token.index); found != adopted_by_.end()) {
    adopted_.erase(four_bytes(found->second.pid) + found->second.key);
    adopted_by_.erase(found);
    return;
  }
  if (by_peer_key_.empty()) return;
  const auto found = by_peer_key_.find(client.secret);
  if (found != by_peer_key_.end() && found->second == client.token) by_peer_key_.erase(found);
}

ClientSession* CancelKeys::find(const Slab<ClientSession>& clients, int peer_id, std::uint32_t pid, Bytes key) const {
  if (!adopted_.empty()) {
    const PeerKey whole = PeerKey{pid} << 32 | (key.size() == 4 ? load_be32(key.data()) : 0);
    const bool peers = peer_id > 0 && key.size() == 4;
    const auto found = adopted_.find(four_bytes(pid) + (peers ? four_bytes(as_issued(whole)) : std::string(as_text(key))));
    if (found != adopted_.end()) return clients.find(found->second);
  }
  if (peer_id > 0) {
    if (key.size() != 4) return nullptr;
    const auto found = by_peer_key_.find(as_issued(PeerKey{pid} << 32 | load_be32(key.data())));
    return found == by_peer_key_.end() ? nullptr : clients.find(found->second);
  }
  const std::uint32_t index = pid & index_mask;
  ClientSession* client = index > 0 ? clients.at(index - 1) : nullptr;
  if (!client || !client->logged_in() || adopted_by_.contains(index - 1)) return nullptr;
  const std::string expected = client->long_key ? long_key(*client) : four_bytes(client->secret);
  return same_key(expected, as_text(key)) ? client : nullptr;
}

// Derived, so that a client costs eight bytes of memory for it and not forty.
std::string CancelKeys::long_key(const ClientSession& client) const {
  std::byte of[12];
  store_be32(of, static_cast<std::uint32_t>(client.secret >> 32));
  store_be32(of + 4, static_cast<std::uint32_t>(client.secret));
  store_be32(of + 8, client.token.index);
  const auto derived = hmac_sha256(as_bytes(process_secret_ + "cancel key"), of);
  return std::string(as_text(std::as_bytes(std::span(derived))));
}

}  // namespace pgweir
