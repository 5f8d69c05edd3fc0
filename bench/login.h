// The client's side of a login: trust, password, md5 and SCRAM-SHA-256.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "bench/target.h"
#include "protocol/auth/scram_client.h"
#include "protocol/auth/scram_keys.h"
#include "protocol/bytes.h"

namespace pgweir::bench {

// Keys by password, salt and iterations, so that a churn of SCRAM logins measures the pooler and
// not our PBKDF2. One per thread.
class ScramKeyCache {
 public:
  // `salt_and_iterations` is the text `s=...,i=...` of a server-first-message. Null when it makes
  // no sense. Valid as long as the cache.
  const ScramLoginKeys* keys_for(const std::string& password, std::string_view salt_and_iterations);

 private:
  std::map<std::string, ScramLoginKeys, std::less<>> keys_;
};

// One login, from the StartupMessage to AuthenticationOk. Owned by its connection.
class Login {
 public:
  // Both must outlive the login.
  Login(const Target& target, ScramKeyCache& cache) : target_(target), cache_(cache) {}

  void greet(Buffer& out) const;
  // Answers an Authentication message. False: this login cannot go on; failure() says why.
  bool on_authentication(Bytes body, Buffer& out);
  const std::string& failure() const { return failure_; }

 private:
  bool on_sasl(Buffer& out);
  bool on_sasl_continue(std::string_view data, Buffer& out);
  bool fail(std::string why);

  const Target& target_;
  ScramKeyCache& cache_;
  std::string nonce_;
  std::unique_ptr<ScramClient> scram_;
  std::string failure_;
};

}  // namespace pgweir::bench
