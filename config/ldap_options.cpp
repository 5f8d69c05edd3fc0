#include "config/ldap_options.h"

#include <algorithm>
#include <array>
#include <vector>

#include "config/numbers.h"
#include "config/text.h"

namespace pgweir {
namespace {

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string set_port(LdapOptions& options, std::string_view value) {
  const auto number = parse_decimal(value);
  if (!number || *number < 1 || *number > 65535)
    return concat({"invalid LDAP port number: \"", value, "\""});
  options.port = static_cast<int>(*number);
  return "";
}

// ldap[s]://host[:port]/basedn[?attribute[?scope[?filter]]] (RFC 4516)
std::string set_url(LdapOptions& options, std::string_view url) {
  const auto colon = url.find("://");
  const std::string_view scheme = url.substr(0, colon);
  if (colon == std::string_view::npos || (scheme != "ldap" && scheme != "ldaps")) {
    return concat({"unsupported LDAP URL scheme in \"", url, "\""});
  }
  options.scheme = scheme;
  url.remove_prefix(colon + 3);
  const std::string_view host = url.substr(0, url.find('/'));
  url.remove_prefix(std::min(host.size() + 1, url.size()));
  const auto port_at = host.rfind(':');
  const bool has_port =
      port_at != std::string_view::npos && host.find(']', port_at) == std::string_view::npos;
  options.server = decoded(has_port ? host.substr(0, port_at) : host);
  if (has_port) {
    if (std::string wrong = set_port(options, host.substr(port_at + 1)); !wrong.empty())
      return wrong;
  }
  std::array<std::string_view, 4> parts{};
  for (std::string_view& part : parts) {
    part = url.substr(0, url.find('?'));
    url.remove_prefix(std::min(part.size() + 1, url.size()));
  }
  options.basedn = decoded(parts[0]);
  options.searchattribute = decoded(parts[1]);
  options.searchfilter = decoded(parts[3]);
  if (parts[2] == "base" || parts[2].empty())
    options.scope = LdapOptions::Scope::base;
  else if (parts[2] == "one")
    options.scope = LdapOptions::Scope::one;
  else if (parts[2] == "sub")
    options.scope = LdapOptions::Scope::sub;
  else
    return concat({"unknown scope in LDAP URL: ", parts[2]});
  return "";
}

}  // namespace

std::string set_ldap_option(LdapOptions& o, std::string_view name, std::string_view value) {
  if (name == "ldapserver")
    o.server = value;
  else if (name == "ldapport")
    return set_port(o, value);
  else if (name == "ldapprefix")
    o.prefix = value;
  else if (name == "ldapsuffix")
    o.suffix = value;
  else if (name == "ldapbasedn")
    o.basedn = value;
  else if (name == "ldapbinddn")
    o.binddn = value;
  else if (name == "ldapbindpasswd")
    o.bindpasswd = value;
  else if (name == "ldapsearchattribute")
    o.searchattribute = value;
  else if (name == "ldapsearchfilter")
    o.searchfilter = value;
  else if (name == "ldapurl")
    return set_url(o, value);
  else if (name == "ldaptls" && (value == "1" || value == "0"))
    o.start_tls = value == "1";
  else if (name == "ldapscheme" && (value == "ldap" || value == "ldaps"))
    o.scheme = value;
  else
    return concat({"invalid LDAP option: ", name, "=", value});
  return "";
}

std::string check_ldap_options(const LdapOptions& o) {
  const bool simple = !o.prefix.empty() || !o.suffix.empty();
  const bool search = !o.basedn.empty() || !o.binddn.empty() || !o.bindpasswd.empty() ||
                      !o.searchattribute.empty() || !o.searchfilter.empty();
  if (simple && search) {
    return "cannot use ldapbasedn, ldapbinddn, ldapbindpasswd, ldapsearchattribute, "
           "ldapsearchfilter, or ldapurl "
           "together with ldapprefix";
  }
  if (!simple && o.basedn.empty()) {
    return "authentication method \"ldap\" requires argument \"ldapbasedn\", \"ldapprefix\", or "
           "\"ldapsuffix\" to be set";
  }
  if (o.server.empty() && o.basedn.empty())
    return "authentication method \"ldap\" requires argument \"ldapserver\" to be set";
  if (!o.searchattribute.empty() && !o.searchfilter.empty())
    return "cannot use ldapsearchattribute together with ldapsearchfilter";
  if (o.start_tls && o.scheme == "ldaps") return "cannot use ldaptls together with ldaps";
  return "";
}

std::string parse_ldap_options(std::string_view text, LdapOptions& options) {
  for (text = trim(text); !text.empty(); text = trim(text)) {
    const auto equals = text.find('=');
    if (equals == std::string_view::npos)
      return concat({"LDAP option not in name=value format: ", text});
    const std::string_view name = trim(text.substr(0, equals));
    text.remove_prefix(equals + 1);
    std::string value;
    bool inside = false;
    std::size_t i = 0;
    for (; i < text.size() && (inside || !is_blank(text[i])); ++i) {
      if (text[i] == '"' && inside && i + 1 < text.size() && text[i + 1] == '"')
        value += text[i++];
      else if (text[i] == '"')
        inside = !inside;
      else
        value += text[i];
    }
    if (inside) return concat({"unterminated quoted string in LDAP option ", name});
    text.remove_prefix(i);
    if (std::string wrong = set_ldap_option(options, name, value); !wrong.empty()) return wrong;
  }
  return check_ldap_options(options);
}

}  // namespace pgweir
