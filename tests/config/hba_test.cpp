// HBA and ident files: what is read, what is refused, and which rule a client meets.
#include <doctest/doctest.h>

#include "config/change.h"
#include "config/hba.h"
#include "config/hba_tokens.h"
#include "tests/config/memory_files.h"

using namespace pgweir;

namespace {

struct Read {
  Hba hba;
  Lines mistakes;
};

Read read(const std::string& text, std::map<std::string, std::string> others = {}) {
  others["dir/hba"] = text;
  Mistakes mistakes;
  Read result;
  result.hba.rules = parse_hba("dir/hba", reader_of(std::move(others)), mistakes);
  result.mistakes = lines_of(mistakes);
  return result;
}

HbaFacts from(const char* address, std::string_view database = "db", std::string_view user = "u") {
  HbaFacts facts;
  facts.unix_socket = std::string_view(address) == "local";
  if (!facts.unix_socket) facts.address = ip_bytes(address);
  facts.database = database;
  facts.user = user;
  return facts;
}

// The line of the rule that is met; 0: none, -1: something has to be asked.
int line_met(const Hba& hba, const HbaFacts& facts) {
  const HbaMatch match = match_hba(hba, facts);
  if (match.need != HbaMatch::Need::nothing) return -1;
  return match.rule ? match.rule->line : 0;
}

}  // namespace

TEST_CASE("the first rule that fits decides, by type, database, user and address") {
  const Read r = read(
      "# comment\n"
      "local all postgres peer\n"
      "host db1,db2 u1, u2 10.0.0.0/8 md5\n"
      "host all all 10.1.2.3 255.255.255.255 reject\n"
      "hostssl all all 10.0.0.0/8 scram-sha-256\n"
      "hostnossl all all ::/0 trust # rest\n"
      "host sameuser all all password\n");
  CHECK(r.mistakes == Lines{});
  CHECK(line_met(r.hba, from("local", "x", "postgres")) == 2);
  CHECK(line_met(r.hba, from("local", "x", "other")) == 0);
  CHECK(line_met(r.hba, from("10.9.9.9", "db2", "u2")) == 3);
  CHECK(line_met(r.hba, from("10.1.2.3", "x", "u2")) == 4);
  HbaFacts tls = from("10.9.9.9", "x");
  tls.is_tls = true;
  CHECK(line_met(r.hba, tls) == 5);
  CHECK(line_met(r.hba, from("fe80::1%eth0", "x")) == 6);
  tls = from("192.168.0.1", "u", "u");
  tls.is_tls = true;
  CHECK(line_met(r.hba, tls) == 7);
}

TEST_CASE("an IPv4 client of a dual-stack socket meets the rules for IPv4") {
  const Read r = read("host all all 192.168.0.0/16 trust\n");
  CHECK(line_met(r.hba, from("::ffff:192.168.3.4")) == 1);
  CHECK(line_met(r.hba, from("::1")) == 0);
}

TEST_CASE("a client whose address is not known meets no rule with an address") {
  const Read r = read("host all all 0.0.0.0/0 trust\nhost all all all reject\n");
  HbaFacts facts = from("1.2.3.4");
  facts.address.reset();
  CHECK(line_met(r.hba, facts) == 2);
}

TEST_CASE("a quoted word is a name, not a keyword") {
  const Read r = read("local \"all\" \"+x\" trust\nlocal \"a \"\"b\"\", c\" all reject\n");
  CHECK(line_met(r.hba, from("local", "all", "+x")) == 1);
  CHECK(line_met(r.hba, from("local", "db", "+x")) == 0);
  CHECK(line_met(r.hba, from("local", "a \"b\", c")) == 2);
}

TEST_CASE("physical replication meets the keyword only, logical replication its database") {
  const Read r = read("local all all trust\nlocal replication all md5\n");
  HbaFacts facts = from("local");
  facts.replication = HbaFacts::Replication::physical;
  CHECK(line_met(r.hba, facts) == 2);
  facts.replication = HbaFacts::Replication::logical;
  CHECK(line_met(r.hba, facts) == 1);
}

TEST_CASE("lists come from files beside the one that names them, and lines from included files") {
  const Read r = read("local @dbs @users trust\ninclude more\ninclude_if_exists nothing\n",
                      {{"dir/dbs", "db1, db2\ndb3"},
                       {"dir/users", "u1\n@users2\n"},
                       {"dir/users2", "u2"},
                       {"dir/more", "local all all reject\n"}});
  CHECK(r.mistakes == Lines{});
  CHECK(line_met(r.hba, from("local", "db3", "u2")) == 1);
  const HbaMatch other = match_hba(r.hba, from("local", "db4", "u2"));
  REQUIRE(other.rule);
  CHECK(other.rule->file == "dir/more");
}

TEST_CASE("groups and host names are asked for only when the rule hangs on them") {
  const Read r = read(
      "host db1 +staff all md5\nhost samerole all all md5\nhost all all .example.org trust\nhost "
      "all all Box.example.net reject\n");
  HbaFacts facts = from("10.0.0.1", "db1", "u");
  CHECK(match_hba(r.hba, facts).need == HbaMatch::Need::roles);
  facts.roles = std::set<std::string>{"u", "staff"};
  CHECK(line_met(r.hba, facts) == 1);
  facts.roles = std::set<std::string>{"u", "db1"};
  CHECK(line_met(r.hba, facts) == 2);
  facts.roles->clear();
  CHECK(match_hba(r.hba, facts).need == HbaMatch::Need::host_name);
  facts.host_name = "a.example.org";
  CHECK(line_met(r.hba, facts) == 3);
  facts.host_name = "box.example.net";
  CHECK(line_met(r.hba, facts) == 4);
  facts.host_name = "";
  CHECK(line_met(r.hba, facts) == 0);
  CHECK(line_met(r.hba, from("10.0.0.1", "db1", "staff")) == 1);
}

TEST_CASE("samehost and samenet are about this machine's interfaces") {
  const Read r = read("host all all samehost trust\nhost all all samenet md5\n");
  const std::vector<IpNetwork> own{{*ip_bytes("10.0.0.5"), *ip_bytes("::ffff:255.255.255.0")}};
  std::vector<IpNetwork> nets = own;
  std::fill_n(nets[0].mask.begin(), 12, std::uint8_t{0xff});
  for (auto [address, line] : {std::pair{"10.0.0.5", 1}, {"10.0.0.9", 2}, {"10.0.1.9", 0}}) {
    HbaFacts facts = from(address);
    facts.own_networks = &nets;
    CHECK(line_met(r.hba, facts) == line);
  }
}

TEST_CASE("every broken line is told with its place, and the others count") {
  const Read r = read(
      "lokal all all trust\nlocal all all\nlocal all\nhost all all 10.0.0.0/33 md5\nhost all all "
      "10.0.0.0 md5\n"
      "host all all 10.0.0.0 255.x md5\nlocal all all magic\nlocal all \"a trust\nlocal @none all "
      "trust\n"
      "host all all all peer\nlocal all all md5 map=x\nlocal all all ident\nlocal all /( "
      "trust\nlocal \\\n all all trust\n");
  CHECK(r.mistakes.size() == 13);
  CHECK(r.mistakes[0] == "?dir/hba:8 syntax error: unterminated quoted string");
  CHECK(r.mistakes[2] == "?dir/hba:1 unknown connection type \"lokal\"");
  REQUIRE(r.hba.rules.size() == 2);
  CHECK(r.hba.rules[0].method == AuthType::reject);  // ident, which we do not serve, lets nobody in
  CHECK(r.hba.rules[1].line == 14);
}

TEST_CASE("a file that includes itself is told, not followed for ever") {
  CHECK(read("include hba\nlocal @hba all trust\n").mistakes.size() > 0);
}

TEST_CASE("LDAP options of a rule, with commas and quotes in them") {
  const Read r = read(
      "host all all all ldap ldapserver=a ldapprefix=\"cn=\" ldapsuffix=\", dc=x, dc=y\"\n"
      "host all all all ldap ldapurl=\"ldaps://b:1636/dc=x%20y?mail?sub\"\nhost all all all ldap "
      "ldapserver=a\n");
  CHECK(r.mistakes.size() == 1);
  REQUIRE(r.hba.rules.size() == 2);
  CHECK(r.hba.rules[0].ldap.suffix == ", dc=x, dc=y");
  const LdapOptions& url = r.hba.rules[1].ldap;
  CHECK(url.scheme == "ldaps");
  CHECK(url.port == 1636);
  CHECK(url.basedn == "dc=x y");
  CHECK(url.searchattribute == "mail");
  CHECK(url.scope == LdapOptions::Scope::sub);
}

TEST_CASE("auth_ldap_options are pairs apart by blanks") {
  LdapOptions options;
  CHECK(parse_ldap_options("ldapserver=\"a b\" ldapport=389 ldapprefix=\"DOM\\\"", options) == "");
  CHECK(options.server == "a b");
  CHECK(options.prefix == "DOM\\");
  for (const char* bad : {"ldapserver", "ldapport=x ldapserver=a", "what=1", "ldapserver=\"a",
                          "ldapserver=a ldapprefix=x ldapbasedn=y"}) {
    LdapOptions any;
    CHECK(parse_ldap_options(bad, any) != "");
  }
}

TEST_CASE("ident maps: names, all, regular expressions with one capture") {
  Mistakes mistakes;
  const IdentMaps maps = parse_ident("i",
                                     reader_of({{"i",
                                                 "m root admin\nm /^(.*)@example\\.org$ \\1\nm dba "
                                                 "all\n\"q r\" a b\nbroken line\nm /( x\n"}}),
                                     mistakes);
  CHECK(lines_of(mistakes).size() == 2);
  CHECK(ident_allows(maps, "m", "root", "admin"));
  CHECK_FALSE(ident_allows(maps, "m", "root", "root"));
  CHECK(ident_allows(maps, "m", "anna@example.org", "anna"));
  CHECK_FALSE(ident_allows(maps, "m", "anna@example.org", "otto"));
  CHECK_FALSE(ident_allows(maps, "m", "anna@exampleXorg", "anna"));
  CHECK(ident_allows(maps, "m", "dba", "anybody"));
  CHECK(ident_allows(maps, "q r", "a", "b"));
  CHECK_FALSE(ident_allows(maps, "none", "a", "a"));
  CHECK(ident_allows(maps, "", "a", "a"));
  CHECK_FALSE(ident_allows(maps, "", "a", "b"));
}

TEST_CASE("a reload with a broken HBA file keeps the rules that were in force") {
  const std::string ini = "[databases]\n[pgbouncer]\nauth_type = hba\nauth_hba_file = hba\n";
  const Loaded good = load_text(ini, {{"hba", "local all all trust\n"}});
  const Loaded broken = load_text(ini, {{"hba", "local all all trust\nlocal all all nonsense\n"}});
  REQUIRE(good.config);
  REQUIRE(broken.config);
  CHECK(broken.config->hba->rules.size() == 1);
  CHECK(apply_reload_rules(*good.config, *broken.config).hba == good.config->hba);
  const Loaded better = load_text(ini, {{"hba", "local all all md5\n"}});
  CHECK(apply_reload_rules(*good.config, *better.config).hba == better.config->hba);
}
