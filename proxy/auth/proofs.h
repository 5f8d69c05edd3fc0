// One function per kind of proof. Each blocks for as long as the other side takes; none throws.
// Thread-safe.
#pragma once

#include <vector>

#include "proxy/session/proof_port.h"

namespace pgweir {

// Source: PostgreSQL's "LDAP Authentication". A server that does not answer is given up after
// seconds.
ProofAnswer prove_by_ldap(const ProofRequest& request);
// Authentication and account management of a PAM service, the password being the answer to every
// hidden prompt.
ProofAnswer prove_by_pam(const ProofRequest& request);
ProofAnswer find_system_user(const ProofRequest& request);
// As PostgreSQL does: the name that the address has counts only if it leads back to the address.
ProofAnswer find_host_name(const ProofRequest& request);
std::vector<IpNetwork> find_own_networks();

}  // namespace pgweir
