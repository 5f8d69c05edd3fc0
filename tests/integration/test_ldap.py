"""auth_type=ldap against a real slapd in a temporary folder: simple bind, search and bind, StartTLS, LDAPS."""
import os
import shutil
import socket
import subprocess
import threading
import time

import pytest
import servers
from wire import Conn, PgError

SLAPD = shutil.which("slapd") or ("/usr/sbin/slapd" if os.path.exists("/usr/sbin/slapd") else None)
SLAPADD = "/usr/sbin/slapadd"
pytestmark = [pytest.mark.ours, pytest.mark.skipif(
    not SLAPD or not os.path.exists(SLAPADD) or not os.path.exists("/etc/ldap/schema/core.schema"),
    reason="slapd is not installed")]

PEOPLE = [("alice", "apass"), ("scramuser1", "foo"), ("odd, name", "odd")]
LDIF = """dn: dc=example,dc=net
objectClass: dcObject
objectClass: organization
o: example
dc: example

""" + "".join(f"""dn: uid={name.replace(",", chr(92) + ",")},dc=example,dc=net
objectClass: account
objectClass: simpleSecurityObject
uid: {name}
description: person {name}
userPassword: {password}

""" for name, password in PEOPLE) + """dn: cn=reader,dc=example,dc=net
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: readerpass

"""


class Slapd:
    def __init__(self):
        self.folder = servers.new_folder("ldap")
        self.port, self.tls_port = servers.free_port(), servers.free_port()
        (self.folder / "db").mkdir()
        servers.own(self.folder / "db")
        self.ca = self.folder / "cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", self.folder / "key.pem",
                        "-out", self.ca], check=True, capture_output=True, **servers.identity())
        self.conf = self.folder / "slapd.conf"
        self.conf.write_text("".join(f"include /etc/ldap/schema/{name}.schema\n" for name in ("core", "cosine"))
                             + f"""modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {self.folder}/pid
TLSCertificateFile {self.ca}
TLSCertificateKeyFile {self.folder}/key.pem
database mdb
suffix dc=example,dc=net
directory {self.folder}/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=reader,dc=example,dc=net" read by anonymous auth by * none
""")
        (self.folder / "people.ldif").write_text(LDIF)
        for name in ("slapd.conf", "people.ldif"):
            servers.own(self.folder / name)
        added = subprocess.run([SLAPADD, "-f", self.conf, "-l", self.folder / "people.ldif"], capture_output=True,
                               text=True, **servers.identity())
        assert added.returncode == 0, added.stderr
        self.process = subprocess.Popen([SLAPD, "-f", self.conf, "-d", "0", "-h",
                                         f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **servers.identity())
        deadline = time.monotonic() + 10
        while True:
            try:
                return Conn(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, "slapd does not start"
                time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait(5)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def slapd():
    running = Slapd()
    yield running
    running.stop()


@pytest.fixture
def ldap(pooler, slapd, monkeypatch):
    def make(options, ca=True, **more):
        if ca:
            monkeypatch.setenv("LDAPTLS_CACERT", str(slapd.ca))
        if "hba" in more:
            return pooler(**more)
        more.setdefault("auth", {})
        return pooler(auth_type="ldap", auth_ldap_options=options, **more)
    return make


def words(pooler, *arguments, **options):
    with pytest.raises(PgError) as caught:
        pooler.wire(*arguments, **options)
    fields = caught.value.fields
    assert fields["C"] == "28P01" or "failed" not in fields["M"], fields
    return fields["M"]


def simple(slapd):
    return f'ldapserver=127.0.0.1 ldapport={slapd.port} ldapprefix="uid=" ldapsuffix=",dc=example,dc=net"'


def search(slapd, more=""):
    return (f'ldapserver=127.0.0.1 ldapport={slapd.port} ldapbasedn="dc=example,dc=net" '
            f'ldapbinddn="cn=reader,dc=example,dc=net" ldapbindpasswd=readerpass {more}')


def assert_it_works(one):
    with one.wire("p0", "scramuser1", "foo") as conn:
        assert conn.value("select current_user") == "scramuser1", "the password serves the server too"
    assert words(one, "p0", "alice", "wrong") == "LDAP authentication failed"
    assert words(one, "p0", "nosuchuser", "x") == "LDAP authentication failed"
    assert words(one, "p0", "alice", "") == "empty password returned by client"


def test_simple_bind(ldap, slapd):
    one = ldap(simple(slapd))
    assert_it_works(one)
    one.log_has("LDAP login failed for user .*: Invalid credentials")


@pytest.mark.parametrize("more", ["", "ldapsearchattribute=uid", 'ldapsearchfilter="(&(objectClass=account)(uid=$username))"'])
def test_search_and_bind(ldap, slapd, more):
    assert_it_works(ldap(search(slapd, more)))


def test_a_url_says_it_all(ldap, slapd):
    assert_it_works(ldap(f'ldapurl="ldap://127.0.0.1:{slapd.port}/dc=example,dc=net?uid?sub" '
                         'ldapbinddn="cn=reader,dc=example,dc=net" ldapbindpasswd=readerpass'))


def test_start_tls(ldap, slapd):
    assert_it_works(ldap(simple(slapd) + " ldaptls=1"))


def test_ldaps(ldap, slapd):
    assert_it_works(ldap(simple(slapd).replace(str(slapd.port), str(slapd.tls_port)) + " ldapscheme=ldaps"))


def test_a_certificate_that_nobody_vouches_for_is_refused(ldap, slapd):
    one = ldap(simple(slapd) + " ldaptls=1", ca=False)
    assert words(one, "p0", "alice", "apass") == "LDAP authentication failed"
    one.log_has("could not start LDAP TLS session")


def test_a_rule_may_name_ldap_with_its_options(ldap, slapd):
    one = ldap("", hba=f"host p0 all all ldap {simple(slapd)}\nhost all all all trust\n")
    one.wire("p0", "alice", "apass").close()
    assert words(one, "p0", "alice", "wrong") == "LDAP authentication failed"
    one.wire("p1", "bouncer", "").close()


def test_a_user_name_cannot_change_the_question(ldap, slapd):
    one = ldap(search(slapd))
    assert words(one, "p0", "*", "apass") == "LDAP authentication failed"
    assert words(one, "p0", "alice)(uid=*", "apass") == "LDAP authentication failed"
    plain = ldap(f'ldapserver=127.0.0.1 ldapport={slapd.port} ldapprefix="uid=" ldapsuffix=",dc=net"')
    assert words(plain, "p0", "alice,dc=example", "apass") == "LDAP authentication failed"
    commas = ldap(simple(slapd), databases={"p0": "user=bouncer"})
    commas.wire("p0", "odd, name", "odd").close()


def test_several_servers_are_tried_in_order(ldap, slapd):
    dead = servers.free_port()
    one = ldap(f'ldapserver="127.0.0.1:{dead} 127.0.0.1:{slapd.port}" ldapprefix="uid=" ldapsuffix=",dc=example,dc=net"')
    one.wire("p0", "alice", "apass").close()


def test_a_directory_that_does_not_answer_stalls_nobody(ldap):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        port = silent.getsockname()[1]
        one = ldap("", hba=f"host p0 all all ldap ldapserver=127.0.0.1 ldapport={port} ldapprefix=x\n"
                           "host all all all trust\n", workers=1, client_login_timeout=5)
        told = []
        threads = [threading.Thread(target=lambda: told.append(words(one, "p0", "alice", "apass"))) for _ in range(30)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for _ in range(20):
            with one.wire("p1", "bouncer", "") as conn:
                assert conn.value("select 1") == "1"
        assert told == [], "others log in and work meanwhile"
        for thread in threads:
            thread.join()
        assert told == ["client_login_timeout"] * 30
        started = time.monotonic()
        one.stop()
        assert one.process.returncode == 0 and time.monotonic() - started < 15, "the end does not wait for it"


def test_options_that_cannot_work_are_told_before_the_start(pooler):
    one = pooler(auth_type="ldap", auth_ldap_options="ldapserver=127.0.0.1", start=False)
    done = subprocess.run([one.binary, "--check", str(one.ini)], capture_output=True, text=True, cwd=one.folder,
                          **servers.identity())
    assert "requires argument" in done.stdout + done.stderr and done.returncode != 0
