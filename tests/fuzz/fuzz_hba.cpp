// Fuzzes everything that reads HBA text: rules, ident maps, LDAP options, and who meets which rule.
//
// The input is the file `f`, which may include itself in every way.
// links: pgweir_config
#include <cstddef>
#include <cstdint>
#include <string>

#include "config/hba.h"

using namespace pgweir;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size > 4096) return 0;
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  int left = 200;  // a file that names itself often is read this often
  const FileReader reader = [&](const std::string& path) -> std::optional<std::string> {
    if (path != "f" || left-- <= 0) return std::nullopt;
    return text;
  };
  Mistakes mistakes;
  Hba hba;
  hba.rules = parse_hba("f", reader, mistakes);
  hba.maps = parse_ident("f", reader, mistakes);
  for (const Mistake& mistake : mistakes)
    if (!mistake.warning || mistake.text.empty() || mistake.line < 0) __builtin_trap();
  for (const HbaRule& rule : hba.rules)
    if (rule.databases.empty() || rule.users.empty() || rule.line < 1) __builtin_trap();
  HbaFacts facts;
  facts.address = ip_bytes("10.1.2.3");
  facts.database = "db";
  facts.user = "u";
  for (const bool local : {true, false}) {
    facts.unix_socket = local;
    facts.host_name.reset();
    facts.roles.reset();
    HbaMatch match = match_hba(hba, facts);
    if (match.need == HbaMatch::Need::host_name) facts.host_name = "";
    if (match.need == HbaMatch::Need::roles) facts.roles.emplace();
    match = match_hba(hba, facts);
    // A rule is met only by a connection of its kind.
    if (match.rule && (match.rule->from == HbaRule::From::local) != local) __builtin_trap();
  }
  (void)ident_allows(hba.maps, "m", "anna@example.org", "anna");
  LdapOptions options;
  (void)parse_ldap_options(text, options);
  return 0;
}
