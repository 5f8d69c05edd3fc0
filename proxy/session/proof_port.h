// Questions about a client that must not be asked on a worker's thread, since the answer may take
// seconds: LDAP, PAM, the system's user database, names of addresses. Implemented by proxy/auth.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "config/hba.h"

namespace pgweir {

struct ProofRequest {
  enum class Kind : std::uint8_t {
    ldap,
    pam,          // does the password fit?
    system_user,  // the name of `uid`
    host_name,    // the name of `address`, if that name leads back to it
  };
  Kind kind = Kind::pam;
  std::string user, password;
  std::string address;  // of the client, in digits; empty: a unix socket
  std::string pam_service;
  LdapOptions ldap;
  std::uint32_t uid = ~0u;
};

struct ProofAnswer {
  bool good = false;
  std::string name;    // system_user, host_name
  std::string detail;  // why not, for the log
};

class ProofPort {
 public:
  virtual ~ProofPort() = default;
  // Thread-safe. The callback runs on another thread. False: too many wait already, and the
  // callback will not be run.
  virtual bool ask(ProofRequest request, std::function<void(ProofAnswer)> callback) = 0;
  // The networks of this machine's interfaces, as they were at the start. Thread-safe.
  virtual const std::vector<IpNetwork>& own_networks() const = 0;
};

}  // namespace pgweir
