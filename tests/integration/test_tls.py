"""TLS with clients: the modes, what is refused, what is shown, and that nothing of a stream is lost inside it."""
import asyncio
import contextlib
import hashlib
import os
import socket
import ssl
import struct
import subprocess
import time

import asyncpg
import psycopg
import pytest

from certificates import Authority, server_settings
from test_hostile import resident_kib
from wire import CANCEL_REQUEST, GSSENC_REQUEST, SSL_REQUEST, Conn, eventually, msg, query

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def tls_pooler(pooler, authority):
    def make(**settings):
        return pooler(**{**server_settings(authority), **settings})
    return make


def request(code):
    return struct.pack("!II", 8, code)


def context(authority=None, certificate=None, alpn=None):
    made = ssl.create_default_context(cafile=authority.file if authority else None)
    if authority is None:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if certificate:
        made.load_cert_chain(*certificate)
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


def secure(p, tls=None, direct=False, timeout=10.0):
    """A Conn inside TLS, before its startup packet."""
    conn = Conn(p.address, timeout)
    if not direct:
        conn.sock.sendall(request(SSL_REQUEST))
        assert conn.sock.recv(1) == b"S"
    conn.sock = (tls or context()).wrap_socket(conn.sock, server_hostname="localhost")
    return conn


def test_psql_verifies_certificate_and_host(tls_pooler, authority):
    p = tls_pooler()
    for mode in ("require", "verify-ca", "verify-full"):
        for host in ("localhost", "127.0.0.1"):
            where = f"host={host} hostaddr=127.0.0.1 port={p.port} dbname=p0 user=bouncer sslmode={mode} sslrootcert={authority.file}"
            done = subprocess.run(["psql", "-XAtq", where, "-c", "select 41 + 1"], capture_output=True, text=True)
            assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    where = where.replace("host=127.0.0.1 ", "host=elsewhere.example ")
    assert subprocess.run(["psql", "-XAtq", where, "-c", "select 1"], capture_output=True).returncode == 2


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"])
def test_each_mode_takes_whom_it_says(tls_pooler, authority, mode):
    p = tls_pooler(client_tls_sslmode=mode, client_tls_ca_file=authority.file)
    own, stranger = authority.issue("alice"), Authority("stranger").issue("alice")

    def works(**options):
        try:
            with p.connect(connect_timeout=5, **options) as conn:
                return conn.execute("select 1").fetchone() == (1,)
        except psycopg.OperationalError as problem:
            return str(problem)

    pair = lambda files: dict(sslcert=str(files[0]), sslkey=str(files[1]))
    plain, anonymous = works(sslmode="disable"), works(sslmode="require", sslcert="/nowhere")
    known, unknown = works(sslmode="require", **pair(own)), works(sslmode="require", **pair(stranger))
    if mode == "disable":
        assert plain is True and "does not support SSL" in anonymous and "does not support SSL" in known
    elif mode in ("allow", "prefer"):
        assert (plain, anonymous, known, unknown) == (True, True, True, True)
    elif mode == "require":
        assert "SSL required" in plain and (anonymous, known, unknown) == (True, True, True)
    else:
        assert "SSL required" in plain and known is True
        assert anonymous is not True and unknown is not True
        p.log_has("closing because: TLS handshake failed: peer did not return a certificate")
        p.log_has("closing because: TLS handshake failed: .*self.signed certificate|TLS handshake failed: .*unable to get")


def test_a_unix_socket_needs_no_tls_and_has_none(tls_pooler):
    p = tls_pooler()
    with p.wire(unix=True) as conn:
        assert conn.ask("select 1")[-1].tag == "Z"
    with Conn(p.unix_path) as conn:
        conn.sock.sendall(request(SSL_REQUEST))
        assert conn.sock.recv(1) == b"N"


@pytest.mark.parametrize("code", [SSL_REQUEST, GSSENC_REQUEST])
def test_what_comes_before_the_handshake_is_refused(tls_pooler, code):
    """CVE-2021-3935: a startup packet behind the SSLRequest, in one segment."""
    p = tls_pooler(client_tls_sslmode="allow")
    with Conn(p.address) as conn:
        startup = b"\0\3\0\0user\0bouncer\0database\0p0\0\0"
        conn.sock.sendall(request(code) + struct.pack("!I", len(startup) + 4) + startup)
        (error,) = conn.closed()
    assert error.fields()["M"].startswith("received unencrypted data after")


def test_ssl_request_within_tls_and_gss_before_it(tls_pooler):
    p = tls_pooler()
    with Conn(p.address) as conn:
        conn.sock.sendall(request(GSSENC_REQUEST))
        assert conn.sock.recv(1) == b"N"
        conn.sock.sendall(request(SSL_REQUEST))
        assert conn.sock.recv(1) == b"S"
        conn.sock = context().wrap_socket(conn.sock)
        conn.sock.sendall(request(SSL_REQUEST))
        assert conn.sock.recv(1) == b""
    p.log_has("closing because: SSL req inside SSL")


def test_direct_tls_with_and_without_alpn(tls_pooler):
    """h13."""
    p = tls_pooler()
    for alpn in (None, ["postgresql"], ["http/1.1", "postgresql"]):
        with secure(p, context(alpn=alpn), direct=True) as conn:
            assert conn.sock.selected_alpn_protocol() == (alpn and "postgresql")
            conn.login("bouncer", "p0", "")
            assert conn.ask("select 1")[-1].tag == "Z"
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        secure(p, context(alpn=["http/1.1"]), direct=True)
    with Conn(p.unix_path) as conn, pytest.raises((ssl.SSLError, OSError)):
        context().wrap_socket(conn.sock)


def test_garbage_in_the_handshake_closes_that_connection_only(tls_pooler):
    p = tls_pooler()
    with secure(p) as good:
        good.login("bouncer", "p0", "")
        for garbage in (b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\xff" * 70000, os.urandom(200), b"\x16"):
            with Conn(p.address) as bad:
                bad.sock.sendall(request(SSL_REQUEST))
                assert bad.sock.recv(1) == b"S"
                with contextlib.suppress(OSError):             # a reset, because nobody read it all
                    bad.sock.sendall(garbage)
                    bad.sock.shutdown(socket.SHUT_WR)
                    while bad.sock.recv(4096):
                        pass
            assert good.ask("select 1")[-1].tag == "Z"
    p.log_has("closing because: TLS handshake failed: ")


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00\x01"])
def test_a_handshake_that_stalls_ends_with_client_login_timeout(tls_pooler, said):
    p = tls_pooler(client_login_timeout=1)
    with Conn(p.address) as conn:
        conn.sock.sendall(request(SSL_REQUEST))
        assert conn.sock.recv(1) == b"S"
        conn.sock.sendall(said)
        began = time.monotonic()
        assert conn.sock.recv(100) == b""
        assert 0.5 < time.monotonic() - began < 15
    p.log_has("closing because: client_login_timeout")


def test_what_tls_speaks_is_logged_and_shown(tls_pooler):
    p = tls_pooler()
    with secure(p) as conn:
        conn.login("bouncer", "p0", "")
        conn.ask("select 1")
        version, cipher = conn.sock.version(), conn.sock.cipher()[0]
        with p.wire("pgbouncer", "admin", unix=True) as console:
            rows = console.table("show clients")
    shown = [row["tls"] for row in rows if row["database"] == "p0"]
    assert len(shown) == 1 and shown[0].startswith(f"{version}/{cipher}"), shown
    assert [row["tls"] for row in rows if row["database"] == "pgbouncer"] == [""]
    p.log_has(f"login attempt: db=p0 user=bouncer tls={version}/{cipher}\\S* replication=no")


@pytest.mark.parametrize("protocols, spoken", [("tlsv1.2", "TLSv1.2"), ("tlsv1.3", "TLSv1.3"), ("secure", "TLSv1.3"),
                                               ("all:!tlsv1.3", "TLSv1.2")])
def test_protocols_and_ciphers_are_those_of_the_ini(tls_pooler, protocols, spoken):
    p = tls_pooler(client_tls_protocols=protocols, client_tls_ciphers="ECDHE-ECDSA-AES128-GCM-SHA256",
                   client_tls13_ciphers="TLS_CHACHA20_POLY1305_SHA256", client_tls_ecdhcurve="secp384r1")
    with secure(p) as conn:
        assert conn.sock.version() == spoken
        cipher = "ECDHE-ECDSA-AES128-GCM-SHA256" if spoken == "TLSv1.2" else "TLS_CHACHA20_POLY1305_SHA256"
        assert conn.sock.cipher()[0] == cipher
        conn.login("bouncer", "p0", "")
    p.log_has("/ECDH=secp384r1 ")


def test_large_results_and_inserts_arrive_whole(tls_pooler):
    p = tls_pooler(pool_mode="transaction")
    with p.connect(sslmode="require") as conn:
        (rows,) = conn.execute("select count(*) from (select repeat('x', 1000), g from generate_series(1, 30000) g) s").fetchone()
        assert rows == 30000
        got = conn.execute("select g, repeat(md5(g::text), 30) from generate_series(1, 20000) g").fetchall()
        assert [hashlib.md5(str(g).encode()).hexdigest() * 30 for g, _ in got] == [text for _, text in got]
        big = os.urandom(8_000_000).hex()
        assert conn.execute("select md5(%s)", [big]).fetchone() == (hashlib.md5(big.encode()).hexdigest(),)
        conn.execute("create table tls_copy (n int, t text)")
        try:
            with conn.cursor().copy("copy tls_copy from stdin") as copy:
                for n in range(40000):
                    copy.write_row((n, "y" * (n % 300)))
            assert conn.execute("select count(*), sum(length(t)) from tls_copy").fetchone() == (
                40000, sum(n % 300 for n in range(40000)))
            with conn.cursor().copy("copy tls_copy to stdout") as copy:
                assert sum(len(bytes(part)) for part in copy) > 40000 * 150
        finally:
            conn.execute("drop table tls_copy")


def test_asyncpg_in_parallel(tls_pooler, authority):
    p = tls_pooler(pool_mode="transaction", default_pool_size=3)

    async def one(number):
        conn = await asyncpg.connect(host="127.0.0.1", port=p.port, user="bouncer", database="p0", password="",
                                     ssl=context(authority), statement_cache_size=0)
        found = [await conn.fetchval("select $1::int * 2", number + i) for i in range(20)]
        await conn.close()
        return found == [2 * (number + i) for i in range(20)]

    async def all_of_them():
        return await asyncio.gather(*(one(number) for number in range(30)))

    assert all(asyncio.run(all_of_them()))


def test_a_slow_reader_holds_back_its_server_and_gets_everything(tls_pooler):
    p = tls_pooler(pool_mode="transaction")
    with secure(p, timeout=30) as conn:
        conn.login("bouncer", "p0", "")
        conn.send(query("select repeat('z', 1000) from generate_series(1, 100000)"))
        time.sleep(1.0)
        with open(f"/proc/{p.process.pid}/statm") as statm:
            assert int(statm.read().split()[1]) * 4096 < 80_000_000
        rows = sum(1 for message in conn.until() if message.tag == "D")
        assert rows == 100000


def test_T38_cancel_requests_inside_tls_and_plain(tls_pooler):
    p = tls_pooler()
    for plainly in (False, True):
        with secure(p) as conn:
            conn.login("bouncer", "p0", "")
            conn.send(query("select pg_sleep(20), 'T38 in TLS'"))
            eventually(lambda: p.cluster.running("T38 in TLS") == 1)
            canceller = Conn(p.address) if plainly else secure(p)
            canceller.sock.sendall(struct.pack("!II", 8 + len(conn.key), CANCEL_REQUEST) + conn.key)
            assert canceller.sock.recv(1) == b""
            canceller.close()
            assert [message.fields()["C"] for message in conn.until() if message.tag == "E"] == ["57014"]


def test_a_close_is_announced(tls_pooler):
    """close_notify goes out when the pooler closes: the client's TLS does not see a truncation."""
    p = tls_pooler()
    with secure(p) as conn:
        conn.sock.suppress_ragged_eofs = False
        conn.login("bouncer", "p0", "")
        conn.send(msg("X"))
        assert conn.sock.recv(10) == b""          # a truncation would raise


def test_sessions_are_resumed_by_ticket(tls_pooler):
    p = tls_pooler(client_tls_protocols="tlsv1.2")
    tls = context()
    with secure(p, tls) as conn:
        session = conn.sock.session
        assert session is not None and session.has_ticket
    conn = Conn(p.address)
    conn.sock.sendall(request(SSL_REQUEST))
    assert conn.sock.recv(1) == b"S"
    conn.sock = tls.wrap_socket(conn.sock, session=session)
    assert conn.sock.session_reused
    conn.login("bouncer", "p0", "")
    conn.close()


def test_an_idle_client_inside_tls_is_cheap(tls_pooler):
    """bench/idle measured 16 to 17 KB with OpenSSL 3.0; a buffer that stays behind would be 16 KiB more."""
    p = tls_pooler(pool_mode="transaction", max_client_conn=1500, log_connections=0)
    def crowd(count):
        clients = [secure(p, shared).login("bouncer", "p0") for _ in range(count)]
        for conn in clients:
            conn.ask("select 1")
        return clients

    shared = context()
    first = crowd(100)
    before = resident_kib(p)
    rest = crowd(300)
    assert (resident_kib(p) - before) / len(rest) < 24
    assert first[0].value("select 2") == rest[-1].value("select 2") == "2"


def test_a_thousand_handshakes_leave_memory_flat(tls_pooler):
    p = tls_pooler(max_client_conn=100)

    def resident():
        with open(f"/proc/{p.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * 4096

    tls = context()

    def shake(count):
        for number in range(count):
            with secure(p, tls) as conn:
                if number % 10 == 0:
                    conn.login("bouncer", "p0", "")
    shake(100)
    before = resident()
    shake(1000)
    assert resident() - before < 2_000_000
