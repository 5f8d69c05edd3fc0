// How to ask an LDAP server about a password: auth_ldap_options, or the options of an HBA rule with
// the method ldap. Names as PostgreSQL and PgBouncer have them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pgweir {

struct LdapOptions {
  enum class Scope : std::uint8_t { base, one, sub };
  std::string server;  // host names apart by blanks; empty: looked up from basedn's SRV record
  int port = 0;        // 0: the scheme's own
  std::string scheme = "ldap";  // ldap or ldaps
  bool start_tls = false;
  std::string prefix, suffix;  // simple bind: the name is prefix + user + suffix
  std::string basedn, binddn, bindpasswd, searchattribute,
      searchfilter;  // search and bind, when basedn is given
  Scope scope = Scope::sub;
  bool operator==(const LdapOptions&) const = default;
};

// Each returns what is wrong, or "".
std::string set_ldap_option(LdapOptions& options, std::string_view name, std::string_view value);
std::string check_ldap_options(const LdapOptions& options);
// `name=value name="value with blanks"`, as in auth_ldap_options.
std::string parse_ldap_options(std::string_view text, LdapOptions& options);

}  // namespace pgweir
