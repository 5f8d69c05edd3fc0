#include <ldap.h>
#include <sys/time.h>

#include <cstdlib>
#include <memory>

#include "proxy/auth/proofs.h"

namespace pgweir {
namespace {

constexpr timeval network_timeout{10, 0};

// One connection to a directory.
class Directory {
 public:
  ~Directory() {
    if (ldap_) ldap_unbind_ext_s(ldap_, nullptr, nullptr);
  }
  Directory() = default;
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  bool open(const LdapOptions& options) {
    const std::string uris = addresses(options);
    if (uris.empty()) return false;
    if (!good(ldap_initialize(&ldap_, uris.c_str()), "could not initialize LDAP")) return false;
    const int version = LDAP_VERSION3;
    ldap_set_option(ldap_, LDAP_OPT_PROTOCOL_VERSION, &version);
    ldap_set_option(ldap_, LDAP_OPT_NETWORK_TIMEOUT, &network_timeout);
    ldap_set_option(ldap_, LDAP_OPT_TIMEOUT, &network_timeout);
    ldap_set_option(ldap_, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    return !options.start_tls ||
           good(ldap_start_tls_s(ldap_, nullptr, nullptr), "could not start LDAP TLS session");
  }

  bool bind(const std::string& dn, const std::string& password, const char* doing) {
    berval secret{password.size(), const_cast<char*>(password.data())};
    return good(
        ldap_sasl_bind_s(ldap_, dn.c_str(), LDAP_SASL_SIMPLE, &secret, nullptr, nullptr, nullptr),
        doing);
  }

  // The one entry that the filter finds; empty: none or several.
  std::string find(const LdapOptions& options, const std::string& filter) {
    const int scope = options.scope == LdapOptions::Scope::base  ? LDAP_SCOPE_BASE
                      : options.scope == LdapOptions::Scope::one ? LDAP_SCOPE_ONELEVEL
                                                                 : LDAP_SCOPE_SUBTREE;
    char no_attributes[] = LDAP_NO_ATTRS;
    char* attributes[] = {no_attributes, nullptr};
    timeval limit = network_timeout;
    LDAPMessage* found = nullptr;
    const int result =
        ldap_search_ext_s(ldap_, options.basedn.c_str(), scope, filter.c_str(), attributes, 0,
                          nullptr, nullptr, &limit, LDAP_NO_LIMIT, &found);
    const std::unique_ptr<LDAPMessage, int (*)(LDAPMessage*)> holder(found, ldap_msgfree);
    if (!good(result, "could not search LDAP for filter")) return {};
    if (const int count = ldap_count_entries(ldap_, found); count != 1) {
      failure_ = std::string(count == 0 ? "LDAP user does not exist" : "LDAP user is not unique") +
                 ": filter " + filter;
      return {};
    }
    char* dn = ldap_get_dn(ldap_, ldap_first_entry(ldap_, found));
    std::string name = dn ? dn : "";
    ldap_memfree(dn);
    return name;
  }

  const std::string& failure() const { return failure_; }

 private:
  bool good(int result, const char* doing) {
    if (result == LDAP_SUCCESS) return true;
    failure_ = std::string(doing) + ": " + ldap_err2string(result);
    return false;
  }

  // Several servers are tried in order. Without any, the domain of basedn is asked for its
  // _ldap._tcp records.
  std::string addresses(const LdapOptions& options) {
    std::string hosts = options.server, uris;
    if (hosts.empty()) {
      char *domain = nullptr, *list = nullptr;
      if (ldap_dn2domain(options.basedn.c_str(), &domain) == LDAP_SUCCESS && domain &&
          ldap_domain2hostlist(domain, &list) == LDAP_SUCCESS && list) {
        hosts = list;
      } else {
        failure_ = "could not look up a hostlist for " + options.basedn;
      }
      ldap_memfree(domain);
      ldap_memfree(list);
    }
    for (std::size_t at = 0; at < hosts.size();) {
      const auto end = std::min(hosts.find(' ', at), hosts.size());
      const std::string host = hosts.substr(at, end - at);
      at = end + 1;
      if (host.empty()) continue;
      const bool port = options.port > 0 && !options.server.empty();
      uris += (uris.empty() ? "" : " ") + options.scheme + "://" + host +
              (port ? ":" + std::to_string(options.port) : "");
    }
    return uris;
  }

  LDAP* ldap_ = nullptr;
  std::string failure_;
};

std::string hex_escape(unsigned char c) {
  static constexpr char digits[] = "0123456789abcdef";
  return {'\\', digits[c >> 4], digits[c & 15]};
}

// RFC 4515: what has a meaning in a filter; RFC 4514: what has one in a name.
std::string escaped(const std::string& text, std::string_view special) {
  std::string out;
  for (const char c : text)
    out += special.find(c) == special.npos ? std::string(1, c)
                                           : hex_escape(static_cast<unsigned char>(c));
  return out;
}

std::string filter_for(const LdapOptions& options, const std::string& user) {
  const std::string name = escaped(user, std::string_view("*()\\\0", 5));
  if (options.searchfilter.empty()) {
    return "(" + (options.searchattribute.empty() ? std::string("uid") : options.searchattribute) +
           "=" + name + ")";
  }
  static constexpr std::string_view place = "$username";
  std::string filter = options.searchfilter;
  for (auto at = filter.find(place); at != filter.npos; at = filter.find(place, at + name.size())) {
    filter.replace(at, place.size(), name);
  }
  return filter;
}

}  // namespace

ProofAnswer prove_by_ldap(const ProofRequest& request) {
  const LdapOptions& options = request.ldap;
  std::string dn;
  if (!options.basedn.empty()) {
    Directory directory;
    if (!directory.open(options) || !directory.bind(options.binddn, options.bindpasswd,
                                                    "could not perform initial LDAP bind")) {
      return {false, {}, directory.failure()};
    }
    dn = directory.find(options, filter_for(options, request.user));
    if (dn.empty()) return {false, {}, directory.failure()};
  } else {
    // Around a name of a directory the user's must not add parts of its own; DOMAIN\user and
    // user@domain are no such.
    const bool distinguished = (options.prefix + options.suffix).find('=') != std::string::npos;
    dn = options.prefix + (distinguished ? escaped(request.user, ",+\"\\<>;=") : request.user) +
         options.suffix;
  }
  Directory directory;
  const std::string doing = "LDAP login failed for user \"" + dn + "\"";
  if (!directory.open(options) || !directory.bind(dn, request.password, doing.c_str()))
    return {false, {}, directory.failure()};
  return {true, {}, {}};
}

}  // namespace pgweir
