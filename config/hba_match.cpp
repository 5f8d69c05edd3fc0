// Which rule of the HBA file a client meets.
#include <algorithm>

#include "config/hba.h"

namespace pgweir {
namespace {

enum class Fits : std::uint8_t { no, yes, needs_host_name, needs_roles };

Fits fits_origin(const HbaRule& rule, const HbaFacts& facts) {
  using From = HbaRule::From;
  if ((rule.from == From::local) != facts.unix_socket) return Fits::no;
  if (rule.from == From::local) return Fits::yes;
  if (rule.from == From::hostssl && !facts.is_tls) return Fits::no;
  if (rule.from == From::hostnossl && facts.is_tls) return Fits::no;
  if (rule.where == HbaRule::Where::anywhere) return Fits::yes;
  if (!facts.address) return Fits::no;
  switch (rule.where) {
    case HbaRule::Where::network:
      return rule.network.contains(*facts.address) ? Fits::yes : Fits::no;
    case HbaRule::Where::same_host:
    case HbaRule::Where::same_net: {
      if (!facts.own_networks) return Fits::no;
      const bool host = rule.where == HbaRule::Where::same_host;
      const auto own = [&](const IpNetwork& net) {
        return host ? net.address == *facts.address : net.contains(*facts.address);
      };
      return std::any_of(facts.own_networks->begin(), facts.own_networks->end(), own) ? Fits::yes
                                                                                      : Fits::no;
    }
    case HbaRule::Where::host_name:
      if (!facts.host_name) return Fits::needs_host_name;
      if (facts.host_name->empty()) return Fits::no;
      if (rule.host.starts_with('.'))
        return facts.host_name->ends_with(rule.host) ? Fits::yes : Fits::no;
      return *facts.host_name == rule.host ? Fits::yes : Fits::no;
    case HbaRule::Where::anywhere:
      break;
  }
  return Fits::yes;
}

Fits member(const HbaFacts& facts, std::string_view role) {
  if (facts.user == role) return Fits::yes;
  if (!facts.roles) return Fits::needs_roles;
  return facts.roles->contains(std::string(role)) ? Fits::yes : Fits::no;
}

Fits fits_name(const HbaName& name, std::string_view asked, const HbaFacts& facts, bool database) {
  // A physical replication connection has no database: only the keyword stands for it.
  const bool physical = database && facts.replication == HbaFacts::Replication::physical;
  if (physical) return name.kind == HbaName::Kind::replication ? Fits::yes : Fits::no;
  switch (name.kind) {
    case HbaName::Kind::all:
      return Fits::yes;
    case HbaName::Kind::replication:
      return Fits::no;
    case HbaName::Kind::same_user:
      return facts.database == facts.user ? Fits::yes : Fits::no;
    case HbaName::Kind::same_role:
      return member(facts, facts.database);
    case HbaName::Kind::member_of:
      return member(facts, name.text);
    case HbaName::Kind::pattern:
      return std::regex_search(asked.begin(), asked.end(), *name.regex) ? Fits::yes : Fits::no;
    case HbaName::Kind::exact:
      break;
  }
  return name.text == asked ? Fits::yes : Fits::no;
}

Fits fits_list(const std::vector<HbaName>& names, std::string_view asked, const HbaFacts& facts,
               bool database) {
  Fits best = Fits::no;
  for (const HbaName& name : names) {
    const Fits one = fits_name(name, asked, facts, database);
    if (one == Fits::yes) return one;
    if (one != Fits::no) best = one;
  }
  return best;
}

// What is certain counts before what has to be asked for.
Fits fits(const HbaRule& rule, const HbaFacts& facts) {
  Fits all = Fits::yes;
  for (const Fits one :
       {fits_list(rule.databases, facts.database, facts, true),
        fits_list(rule.users, facts.user, facts, false), fits_origin(rule, facts)}) {
    if (one == Fits::no) return one;
    if (one != Fits::yes) all = one;
  }
  return all;
}

// PostgreSQL puts \1 in the database user; there is one capture at most.
std::string expand(const std::string& text, const std::cmatch& found) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '1') {
      out += found.size() > 1 ? found[1].str() : std::string{};
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

HbaMatch match_hba(const Hba& hba, const HbaFacts& facts) {
  for (const HbaRule& rule : hba.rules) {
    switch (fits(rule, facts)) {
      case Fits::no:
        continue;
      case Fits::yes:
        return {&rule, HbaMatch::Need::nothing};
      case Fits::needs_host_name:
        return {nullptr, HbaMatch::Need::host_name};
      case Fits::needs_roles:
        return {nullptr, HbaMatch::Need::roles};
    }
  }
  return {};
}

bool ident_allows(const IdentMaps& maps, std::string_view map, std::string_view system_user,
                  std::string_view user) {
  if (map.empty()) return system_user == user;
  const auto found = maps.find(map);
  if (found == maps.end()) return false;
  return std::any_of(found->second.begin(), found->second.end(), [&](const IdentLine& line) {
    std::string allowed = line.database_user;
    if (line.regex) {
      std::cmatch match;
      if (!std::regex_search(system_user.begin(), system_user.end(), match, *line.regex))
        return false;
      allowed = expand(allowed, match);
      return allowed == user || line.database_user == "all";
    }
    return line.system_user == system_user && (allowed == user || allowed == "all");
  });
}

}  // namespace pgweir
