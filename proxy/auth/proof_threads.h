// The threads on which slow proofs run.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "proxy/session/proof_port.h"

namespace pgweir {

// Owned by the process. Threads are started when they are first needed. PAM and LDAP have their
// own, so that a directory that does not answer keeps nobody from proving himself by his system
// user.
//
//   ask -> [queue, bounded] -> thread -> callback
//
// The destructor waits for a moment; a thread that hangs in a library is then left behind, its
// answer dropped.
class ProofThreads final : public ProofPort {
 public:
  ProofThreads();
  ~ProofThreads() override;
  bool ask(ProofRequest request, std::function<void(ProofAnswer)> callback) override;
  const std::vector<IpNetwork>& own_networks() const override { return own_networks_; }

 private:
  struct Crew;
  std::shared_ptr<Crew> passwords_, names_;
  const std::vector<IpNetwork> own_networks_;
};

}  // namespace pgweir
