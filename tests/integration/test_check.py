"""--check: every mistake of ini, userlist, HBA, ident and TLS files at once, each with file and line."""
import re
import subprocess

import pytest

from certificates import Authority, server_settings
from servers import identity

pytestmark = pytest.mark.ours

USERLIST = '"good" "secret"\nbroken\n"half" "\n"" "nameless"\n; a comment\n"good2" "secret"\n'
USERLIST_LINES = {2: "broken auth file", 3: "broken auth file", 4: "broken auth file"}
HBA = ("local all all peer map=here\nhost all all 1.2.3.4/40 md5\nwho all all all md5\nhost all all all magic\n"
       "host all all all gss\nhost all all all md5 colour=red\nhost all /( all md5\nhost all \"all all md5\nlocal all all peer map=none\n"
       "host @nowhere.txt all all md5\n")
HBA_LINES = {2: "invalid CIDR mask", 3: 'unknown connection type "who"', 4: 'unknown authentication method "magic"',
             5: '"gss" is not served: this rule rejects', 6: 'unrecognized authentication option name: "colour"',
             7: "invalid regular expression", 8: "unterminated quoted string", 9: 'there is no map "none"', 10: "nowhere.txt"}
IDENT = "here system user\nhere system\nhere /( user\n"
IDENT_LINES = {2: "map name, system user and database user expected", 3: "invalid regular expression"}


@pytest.fixture(scope="module")
def authority():
    return Authority()


def check(p):
    done = subprocess.run([p.binary, "--check", "pooler.ini"], capture_output=True, text=True, cwd=p.folder, **identity())
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def places(said, name, kind):
    """{line: text} of one file's mistakes of that kind."""
    return {int(line): text for line, text in re.findall(rf"^{re.escape(name)}:(\d+): {kind}: (.*)$", said, re.M)}


def assert_told(found, wanted):
    assert found.keys() == wanted.keys(), found
    for line, text in wanted.items():
        assert text in found[line], (line, found[line])


def write_files(p):
    for name, text in (("users.txt", USERLIST), ("hba.conf", HBA), ("ident.conf", IDENT)):
        p.write(name, text)
    p.write("garbage.crt", "this is no certificate\n")


def line_of(p, setting):
    return next(number for number, text in enumerate(p.ini.read_text().split("\n"), 1) if text.startswith(setting + " "))


def broken(p, authority, **more):
    """Settings under which every file is wrong; relative names, as in an ini that lies beside them."""
    tls = server_settings(authority)
    _, key_of_another = authority.issue("another")
    p.settings.update(auth_file="users.txt", auth_hba_file="hba.conf", auth_ident_file="ident.conf", **tls)
    p.settings.update(client_tls_key_file=key_of_another, client_tls_ca_file="garbage.crt", client_tls_ecdhcurve="flat",
                      server_tls_sslmode="verify-ca", server_tls_ca_file="/nowhere/ca.crt", server_tls_cert_file="garbage.crt",
                      server_tls_key_file="/nowhere/tls.key", server_tls13_ciphers="NONSENSE", **more)
    p.write_ini()
    write_files(p)


def test_every_mistake_of_every_file_is_named_at_once(pooler, authority):
    p = pooler(start=False, auth_type="hba", pool_mode="sometimes", nosuch="1", users={"alice": "pool_sise=3"},
               databases={"p0": "", "p1": "host=127.0.0.1 port=abc", "pgbouncer": ""})
    broken(p, authority)
    code, said = check(p)
    wanted = {line_of(p, "p1"): "port", line_of(p, "pgbouncer"): "reserved", line_of(p, "alice"): "pool_sise",
              line_of(p, "pool_mode"): 'invalid value "sometimes" for parameter pool_mode',
              line_of(p, "nosuch"): "unknown parameter: pgbouncer/nosuch",
              line_of(p, "client_tls_key_file"): "is not the key of the certificate in",
              line_of(p, "client_tls_ca_file"): 'cannot load CA certificates from "garbage.crt"',
              line_of(p, "client_tls_ecdhcurve"): 'unknown curve "flat"',
              line_of(p, "server_tls_ca_file"): 'cannot load CA certificates from "/nowhere/ca.crt": No such file',
              line_of(p, "server_tls_cert_file"): 'cannot load a certificate from "garbage.crt"',
              line_of(p, "server_tls_key_file"): 'cannot load a private key from "/nowhere/tls.key": No such file',
              line_of(p, "server_tls13_ciphers"): 'no usable TLS 1.3 cipher suite in "NONSENSE"'}
    assert_told(places(said, "pooler.ini", "error"), wanted)
    assert_told(places(said, "users.txt", "warning"), USERLIST_LINES)
    assert_told(places(said, "hba.conf", "warning"), HBA_LINES)
    assert_told(places(said, "ident.conf", "warning"), IDENT_LINES)
    told = len(USERLIST_LINES) + len(HBA_LINES) + len(IDENT_LINES)
    assert code == 1 and f"configuration is broken: {len(wanted)} errors, {told} warnings" in said, said


def test_files_that_are_not_in_force_are_looked_at_too(pooler, authority):
    """Whoever prepares rules and certificates wants to hear about them before the line that switches them on."""
    p = pooler(start=False, auth_type="md5", auth_ldap_options="ldapserver")
    broken(p, authority, client_tls_sslmode="disable", metrics_tls_cert_file="garbage.crt", metrics_tls_key_file="garbage.crt")
    p.settings["server_tls_sslmode"] = "disable"
    p.write_ini()
    code, said = check(p)
    assert code == 0 and "configuration is good: 0 errors" in said, said
    for name, lines in (("hba.conf", HBA_LINES), ("ident.conf", IDENT_LINES)):
        found = places(said, name, "warning")
        assert_told(found, lines)
        assert all("(not in force: auth_type is not hba)" in text for text in found.values())
    tls = {line_of(p, name): text for name, text in (
        ("client_tls_key_file", "is not the key"), ("client_tls_ca_file", "CA certificates"), ("client_tls_ecdhcurve", "flat"),
        ("server_tls_ca_file", "CA certificates"), ("server_tls_cert_file", "a certificate"), ("server_tls_key_file", "a private key"),
        ("server_tls13_ciphers", "NONSENSE"), ("metrics_tls_cert_file", "a certificate"), ("metrics_tls_key_file", "a private key"))}
    found = places(said, "pooler.ini", "warning")
    ldap = found.pop(line_of(p, "auth_ldap_options"))
    assert ldap.startswith("invalid auth_ldap_options: ") and ldap.endswith("(not in force: auth_type is not ldap)")
    assert_told(found, tls)
    assert all(("metrics" in text) != ("_sslmode = disable)" in text) for text in found.values()), found


@pytest.mark.parametrize("setting", ["auth_file", "auth_hba_file", "auth_ident_file"])
def test_a_file_that_is_not_there_is_told_at_its_setting(pooler, setting):
    p = pooler(start=False, hba="local all all peer\n")
    p.settings[setting] = "/nowhere/file"
    p.write_ini()
    _, said = check(p)
    assert_told(places(said, "pooler.ini", "warning"), {line_of(p, setting): "/nowhere/file"})


def test_what_is_good_is_told_as_good(pooler, authority):
    p = pooler(start=False, hba="local all all peer map=here\nhostssl all all all cert\n", **server_settings(authority))
    p.settings.update(auth_ident_file="ident.conf")
    p.write_ini()
    p.write("ident.conf", "here system user\n")
    assert check(p) == (0, "configuration is good: 0 errors, 0 warnings\n")
