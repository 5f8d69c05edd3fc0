// Which client a cancel key names. One per worker, used on its thread.
//
//   alone                  pid: worker and place in the slab; key: 4 random bytes, or 32 derived ones with protocol 3.2
//   with peers (peer_id)   the eight bytes of protocol/cancel_key.h, for every client: other processes know no longer ones
#pragma once

#include <unordered_map>

#include "protocol/bytes.h"
#include "protocol/cancel_key.h"
#include "proxy/session/client_session.h"
#include "proxy/session/slab.h"

namespace pgweir {

class CancelKeys {
 public:
  // `process_secret` outlives it; nobody outside the process can guess it.
  CancelKeys(unsigned worker, const std::string& process_secret) : worker_(worker), process_secret_(process_secret) {}

  // Once per client, at its login. `random` is fresh and cannot be guessed.
  CancelKey issue(ClientSession& client, int peer_id, std::uint64_t random);
  // The client came from another process, with a key that was issued there.
  void adopt(const ClientSession& client, const CancelKey& key);
  // As it was issued, or adopted.
  CancelKey key_of(const ClientSession& client) const;
  void forget(const ClientSession& client);
  // Null: no client has that key. `peer_id` as it is in force.
  ClientSession* find(const Slab<ClientSession>& clients, int peer_id, std::uint32_t pid, Bytes key) const;

  static unsigned worker_of(std::uint32_t pid) { return pid >> 24 & (peer_key_workers - 1); }

 private:
  std::string long_key(const ClientSession& client) const;

  const unsigned worker_;
  const std::string& process_secret_;
  std::unordered_map<PeerKey, Token> by_peer_key_;   // empty without peers
  std::unordered_map<std::string, Token> adopted_;   // the pid's four bytes and the key
  std::unordered_map<std::uint32_t, CancelKey> adopted_by_;   // by the client's place
};

}  // namespace pgweir
