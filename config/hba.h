// auth_hba_file: who may come from where, and how they have to prove who they are; auth_ident_file:
// whose certificate or system user is whose database user. Source: PostgreSQL's chapter "Client
// Authentication", and PgBouncer's subset.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/globals.h"
#include "config/ini.h"
#include "config/ldap_options.h"
#include "config/mistake.h"

namespace pgweir {

// An address of either family, IPv4 in its IPv6 form (::ffff:1.2.3.4), so that a client that came
// over a dual-stack socket is judged alike.
using IpBytes = std::array<std::uint8_t, 16>;
// Nothing when the text is no address in digits. A scope (`%eth0`) is left out.
std::optional<IpBytes> ip_bytes(std::string_view text);

struct IpNetwork {
  IpBytes address{}, mask{};
  bool contains(const IpBytes& ip) const;
  bool operator==(const IpNetwork&) const = default;
};

// A word of the database or user column.
struct HbaName {
  enum class Kind : std::uint8_t {
    exact,
    all,
    same_user,
    same_role,
    replication,
    member_of,
    pattern
  };
  Kind kind = Kind::exact;
  std::string text;                         // name, role, or regular expression
  std::shared_ptr<const std::regex> regex;  // pattern
};

struct HbaRule {
  enum class From : std::uint8_t { local, host, hostssl, hostnossl };
  enum class Where : std::uint8_t { anywhere, network, same_host, same_net, host_name };
  From from = From::local;
  Where where = Where::anywhere;
  IpNetwork network;
  std::string host;  // lower case; with a leading dot: any name below that domain
  std::vector<HbaName> databases, users;
  AuthType method = AuthType::reject;
  std::string map;          // of auth_ident_file; empty: names must be equal
  std::string pam_service;  // empty: pgbouncer
  LdapOptions ldap;
  std::string file;
  int line = 0;
};

struct IdentLine {
  std::string system_user, database_user;
  std::shared_ptr<const std::regex> regex;  // null: `system_user` is meant literally
};
using IdentMaps = std::map<std::string, std::vector<IdentLine>, std::less<>>;

struct Hba {
  std::vector<HbaRule> rules;
  IdentMaps maps;
};

// What the rules may ask about a client that wants in.
struct HbaFacts {
  enum class Replication : std::uint8_t { none, physical, logical };
  bool unix_socket = false;
  bool is_tls = false;
  std::optional<IpBytes> address;  // nothing: not known, then only rules without an address match
  std::string_view database, user;
  Replication replication = Replication::none;
  const std::vector<IpNetwork>* own_networks = nullptr;  // of this machine's interfaces
  // To be filled in when match_hba asks for it.
  std::optional<std::string>
      host_name;  // confirmed by a forward lookup, lower case; empty: it has none
  std::optional<std::set<std::string>>
      roles;  // those that the user is a member of, itself included
};

struct HbaMatch {
  enum class Need : std::uint8_t { nothing, host_name, roles };
  const HbaRule* rule = nullptr;  // null, and nothing needed: no rule matches
  Need need = Need::nothing;
};
// The first rule that fits. When that hangs on a fact that is not known yet, says which.
HbaMatch match_hba(const Hba& hba, const HbaFacts& facts);

// Whether `system_user` may log in as `user`. Without a map the two must be equal.
bool ident_allows(const IdentMaps& maps, std::string_view map, std::string_view system_user,
                  std::string_view user);

// Read a file and what it includes (@file in a list, include lines). Broken lines become mistakes
// (warnings: the other lines count, as in PgBouncer); rules with a method that PostgreSQL knows and
// we do not serve reject.
std::vector<HbaRule> parse_hba(const std::string& path, const FileReader& reader,
                               Mistakes& mistakes);
IdentMaps parse_ident(const std::string& path, const FileReader& reader, Mistakes& mistakes);

}  // namespace pgweir
