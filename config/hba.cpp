#include "config/hba.h"

// inet_pton is a function from text to bytes; it touches no socket.
#include <arpa/inet.h>

#include <algorithm>

#include "config/hba_tokens.h"
#include "config/numbers.h"
#include "config/text.h"

namespace pgweir {
namespace {

constexpr std::size_t v4_offset = 12;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

IpBytes mask_of(unsigned bits) {
  IpBytes mask{};
  for (std::size_t i = 0; i < mask.size(); ++i) {
    const unsigned here = std::min(bits, 8u);
    mask[i] = static_cast<std::uint8_t>(0xff00u >> here);
    bits -= here;
  }
  return mask;
}

bool is_v4(std::string_view text) {
  return text.find(':') == std::string_view::npos;
}

// A regular expression after its slash; null and a text when it is none.
std::shared_ptr<const std::regex> compile(const std::string& pattern, std::string& wrong) {
  try {
    return std::make_shared<const std::regex>(pattern,
                                              std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error& error) {
    wrong = concat({"invalid regular expression \"", pattern, "\": ", error.what()});
    return nullptr;
  }
}

// Turns one line into a rule; `wrong` says what keeps it from being one.
class RuleReader {
 public:
  explicit RuleReader(const HbaLine& line) : line_(line) {
    rule.file = line.file;
    rule.line = line.line;
  }

  bool read() {
    const auto& fields = line_.fields;
    if (!read_type(fields[0])) return false;
    if (fields.size() < 3) return fail("syntax error: database and user expected");
    if (!read_names(fields[1], rule.databases, true) || !read_names(fields[2], rule.users, false))
      return false;
    std::size_t next = 3;
    if (rule.from != HbaRule::From::local && !read_address(next)) return false;
    if (next >= fields.size()) return fail("syntax error: authentication method expected");
    if (!read_method(fields[next])) return false;
    return read_options(next + 1);
  }

  HbaRule rule;
  std::string wrong;  // also when the rule can be used, as one that rejects

 private:
  bool fail(std::string text) {
    wrong = std::move(text);
    return false;
  }

  bool read_type(const HbaField& field) {
    const std::string& word = field[0].text;
    if (word == "local")
      rule.from = HbaRule::From::local;
    else if (word == "host" || word == "hostnogssenc")
      rule.from = HbaRule::From::host;
    else if (word == "hostssl")
      rule.from = HbaRule::From::hostssl;
    else if (word == "hostnossl")
      rule.from = HbaRule::From::hostnossl;
    else
      return fail(concat({"unknown connection type \"", word, "\""}));
    return true;
  }

  bool read_names(const HbaField& field, std::vector<HbaName>& names, bool databases) {
    for (const HbaToken& token : field) {
      HbaName name{HbaName::Kind::exact, token.text, nullptr};
      if (!token.quoted) {
        if (token.text == "all")
          name.kind = HbaName::Kind::all;
        else if (databases && token.text == "sameuser")
          name.kind = HbaName::Kind::same_user;
        else if (databases && (token.text == "samerole" || token.text == "samegroup"))
          name.kind = HbaName::Kind::same_role;
        else if (databases && token.text == "replication")
          name.kind = HbaName::Kind::replication;
        else if (!databases && token.text.size() > 1 && token.text[0] == '+') {
          name.kind = HbaName::Kind::member_of;
          name.text.erase(0, 1);
        } else if (token.text.size() > 1 && token.text[0] == '/') {
          name.kind = HbaName::Kind::pattern;
          name.regex = compile(token.text.substr(1), wrong);
          if (!name.regex) return false;
        }
      }
      names.push_back(std::move(name));
    }
    return true;
  }

  bool read_address(std::size_t& next) {
    if (next >= line_.fields.size()) return fail("syntax error: address expected");
    const HbaToken& token = line_.fields[next++][0];
    const std::string& text = token.text;
    if (!token.quoted && text == "all") return true;
    if (!token.quoted && (text == "samehost" || text == "samenet")) {
      rule.where = text == "samehost" ? HbaRule::Where::same_host : HbaRule::Where::same_net;
      return true;
    }
    const auto slash = text.find('/');
    const auto ip = ip_bytes(std::string_view(text).substr(0, slash));
    if (!ip) {
      if (slash != std::string::npos || text.find(':') != std::string::npos)
        return fail(concat({"invalid address \"", text, "\""}));
      rule.where = HbaRule::Where::host_name;
      rule.host = lower(text);
      return true;
    }
    rule.where = HbaRule::Where::network;
    rule.network.address = *ip;
    const bool v4 = is_v4(text);
    if (slash != std::string::npos) {
      const auto bits = parse_decimal(std::string_view(text).substr(slash + 1));
      if (!bits || *bits < 0 || *bits > (v4 ? 32 : 128))
        return fail(concat({"invalid CIDR mask in address \"", text, "\""}));
      rule.network.mask = mask_of(static_cast<unsigned>(*bits) + (v4 ? 96 : 0));
      return true;
    }
    if (next >= line_.fields.size()) return fail("syntax error: netmask expected");
    const std::string& mask_text = line_.fields[next++][0].text;
    const auto mask = ip_bytes(mask_text);
    if (!mask || is_v4(mask_text) != v4)
      return fail(concat({"invalid netmask \"", mask_text, "\""}));
    rule.network.mask = *mask;
    if (v4) std::fill_n(rule.network.mask.begin(), v4_offset, std::uint8_t{0xff});
    return true;
  }

  bool read_method(const HbaField& field) {
    static const std::map<std::string, AuthType, std::less<>> methods = {
        {"trust", AuthType::trust}, {"reject", AuthType::reject},
        {"md5", AuthType::md5},     {"password", AuthType::plain},
        {"plain", AuthType::plain}, {"scram-sha-256", AuthType::scram_sha_256},
        {"peer", AuthType::peer},   {"cert", AuthType::cert},
        {"ldap", AuthType::ldap},   {"pam", AuthType::pam}};
    static const std::set<std::string, std::less<>> others = {"ident",  "gss", "sspi",
                                                              "radius", "bsd", "oauth"};
    const std::string& word = field[0].text;
    if (const auto found = methods.find(word); found != methods.end()) {
      rule.method = found->second;
    } else if (others.contains(word)) {
      wrong = concat({"authentication method \"", word, "\" is not served: this rule rejects"});
    } else {
      return fail(concat({"unknown authentication method \"", word, "\""}));
    }
    if (rule.method == AuthType::peer && rule.from != HbaRule::From::local)
      return fail("peer authentication is only supported on local sockets");
    if (rule.method == AuthType::cert && rule.from != HbaRule::From::hostssl)
      return fail("cert authentication is only supported on hostssl connections");
    return true;
  }

  bool read_options(std::size_t next) {
    std::string ldap;
    for (; next < line_.fields.size(); ++next) {
      // Commas are a list's, but an option's value may have them: ldapsuffix=",dc=example".
      std::string text;
      for (const HbaToken& token : line_.fields[next])
        text += (text.empty() ? "" : ",") + token.text;
      const auto equals = text.find('=');
      if (equals == std::string::npos)
        return fail(concat({"authentication option not in name=value format: ", text}));
      const std::string name = text.substr(0, equals), value = text.substr(equals + 1);
      if (name == "map" && (rule.method == AuthType::peer || rule.method == AuthType::cert))
        rule.map = value;
      else if (name == "pamservice" && rule.method == AuthType::pam)
        rule.pam_service = value;
      else if (name.starts_with("ldap") && rule.method == AuthType::ldap) {
        if (std::string bad = set_ldap_option(rule.ldap, name, value); !bad.empty())
          return fail(bad);
      } else if (wrong.empty()) {
        return fail(concat({"unrecognized authentication option name: \"", name, "\""}));
      }
    }
    if (rule.method == AuthType::ldap) {
      if (std::string bad = check_ldap_options(rule.ldap); !bad.empty()) return fail(bad);
    }
    return true;
  }

  const HbaLine& line_;
};

}  // namespace

std::optional<IpBytes> ip_bytes(std::string_view text) {
  const std::string digits(text.substr(0, text.find('%')));
  IpBytes bytes{};
  if (is_v4(digits)) {
    bytes[10] = bytes[11] = 0xff;
    if (inet_pton(AF_INET, digits.c_str(), bytes.data() + v4_offset) != 1) return std::nullopt;
  } else if (inet_pton(AF_INET6, digits.c_str(), bytes.data()) != 1) {
    return std::nullopt;
  }
  return bytes;
}

bool IpNetwork::contains(const IpBytes& ip) const {
  for (std::size_t i = 0; i < ip.size(); ++i)
    if ((ip[i] ^ address[i]) & mask[i]) return false;
  return true;
}

std::vector<HbaRule> parse_hba(const std::string& path, const FileReader& reader,
                               Mistakes& mistakes) {
  std::vector<HbaRule> rules;
  for (const HbaLine& line : read_hba_lines(path, reader, mistakes)) {
    RuleReader reading(line);
    const bool good = reading.read();
    if (!reading.wrong.empty()) mistakes.push_back({line.file, line.line, reading.wrong, true});
    if (good) rules.push_back(std::move(reading.rule));
  }
  return rules;
}

IdentMaps parse_ident(const std::string& path, const FileReader& reader, Mistakes& mistakes) {
  IdentMaps maps;
  for (const HbaLine& line : read_hba_lines(path, reader, mistakes)) {
    std::string wrong;
    if (line.fields.size() != 3)
      wrong = "syntax error: map name, system user and database user expected";
    IdentLine entry;
    if (wrong.empty()) {
      const HbaToken& system = line.fields[1][0];
      entry.system_user = system.text;
      entry.database_user = line.fields[2][0].text;
      if (!system.quoted && system.text.size() > 1 && system.text[0] == '/')
        entry.regex = compile(system.text.substr(1), wrong);
    }
    if (wrong.empty())
      maps[line.fields[0][0].text].push_back(std::move(entry));
    else
      mistakes.push_back({line.file, line.line, wrong, true});
  }
  return maps;
}

}  // namespace pgweir
