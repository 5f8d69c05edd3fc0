"""TLS with servers: the modes against a PostgreSQL with ssl=on, host names, certificates, cancel, hand-over, reload."""
import socket
import struct
import threading
import time

import psycopg
import pytest

from certificates import Authority, serve_tls, server_settings
from servers import Cluster
from wire import CANCEL_REQUEST, Conn, PgError, eventually, query

pytestmark = pytest.mark.ours

TRUST_TLS_ONLY = "local all all trust\nhostnossl all postgres 127.0.0.1/32 trust\nhostssl all all 127.0.0.1/32 trust\n"
TRUST_PLAIN_ONLY = "local all all trust\nhost all postgres 127.0.0.1/32 trust\nhostnossl all all 127.0.0.1/32 trust\n"
SSL_OF_MINE = "select coalesce(version, 'none') from pg_stat_ssl where pid = pg_backend_pid()"


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def ssl_cluster(authority):
    """PostgreSQL with TLS; its certificate names localhost and 127.0.0.1."""
    running = Cluster()
    running.pair = serve_tls(running, authority)
    yield running
    running.remove()


@pytest.fixture
def make(pooler, ssl_cluster):
    return lambda **settings: pooler(behind=ssl_cluster, **settings)


def refusal(p, **options):
    with pytest.raises(PgError) as caught, p.wire(**options) as conn:
        conn.value("select 1")
    return caught.value.fields["M"]


@pytest.mark.parametrize("mode, spoken", [("disable", "none"), ("allow", "none"), ("prefer", "TLSv1.3"),
                                          ("require", "TLSv1.3"), ("verify-ca", "TLSv1.3"), ("verify-full", "TLSv1.3")])
def test_each_mode_against_a_server_with_tls(make, authority, mode, spoken):
    p = make(server_tls_sslmode=mode, server_tls_ca_file=authority.file)
    with p.wire() as conn:
        assert conn.value(SSL_OF_MINE) == spoken
        (row,) = [row for row in p.command("show servers") if row["database"] == "p0"]
        assert row["tls"].startswith(spoken) if spoken != "none" else row["tls"] == ""
    if spoken != "none":
        p.log_has("SSL established: TLSv1.3/TLS_AES_256_GCM_SHA384")


@pytest.mark.parametrize("mode", ["allow", "prefer"])
def test_allow_and_prefer_do_without_where_there_is_none(pooler, cluster, mode):
    p = pooler(server_tls_sslmode=mode)
    with p.wire() as conn:
        assert conn.value(SSL_OF_MINE) == "none"


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_require_refuses_a_server_without(pooler, cluster, mode):
    assert "server refused SSL" in refusal(pooler(server_tls_sslmode=mode))


def test_allow_and_prefer_try_the_other_way_when_the_server_refuses_the_first(pooler, own_cluster, authority):
    serve_tls(own_cluster, authority, hba=TRUST_TLS_ONLY)
    p = pooler(behind=own_cluster, server_tls_sslmode="allow")
    with p.wire() as conn:
        assert conn.value(SSL_OF_MINE) == "TLSv1.3"
    p.log_has("no pg_hba.conf entry .*; trying again with TLS")
    (own_cluster.data / "pg_hba.conf").write_text(TRUST_PLAIN_ONLY)
    own_cluster.run("pg_ctl", "-D", own_cluster.data, "-s", "reload")
    p = pooler(behind=own_cluster, server_tls_sslmode="prefer")
    with p.wire() as conn:
        assert conn.value(SSL_OF_MINE) == "none"
    p.log_has("no pg_hba.conf entry .*; trying again without TLS")
    (own_cluster.data / "pg_hba.conf").write_text("local all all trust\nhost all postgres 127.0.0.1/32 trust\n")
    own_cluster.run("pg_ctl", "-D", own_cluster.data, "-s", "reload")
    for mode in ("allow", "prefer"):
        assert "no pg_hba.conf entry" in refusal(pooler(behind=own_cluster, server_tls_sslmode=mode))


def test_verify_full_wants_the_name_that_was_asked_for(pooler, own_cluster, authority):
    serve_tls(own_cluster, authority, name="db.example", alternatives="DNS:localhost")
    port = own_cluster.port
    where = {"by_name": f"host=localhost port={port} dbname=p0", "by_address": f"host=127.0.0.1 port={port} dbname=p0"}
    p = pooler(behind=own_cluster, databases=where, server_tls_sslmode="verify-full", server_tls_ca_file=authority.file)
    with p.wire("by_name") as conn:
        assert conn.value(SSL_OF_MINE) == "TLSv1.3"
    assert "IP address mismatch" in refusal(p, database="by_address")
    p = pooler(behind=own_cluster, databases=where, server_tls_sslmode="verify-ca", server_tls_ca_file=authority.file)
    with p.wire("by_address") as conn:
        assert conn.value(SSL_OF_MINE) == "TLSv1.3"
    p = pooler(behind=own_cluster, databases=where, server_tls_sslmode="verify-ca", server_tls_ca_file=Authority("x").file)
    assert "certificate verify failed" in refusal(p, database="by_name")


def test_a_certificate_of_ours_proves_us_to_the_server(pooler, own_cluster, authority):
    serve_tls(own_cluster, authority, hba="local all all trust\nhost all postgres 127.0.0.1/32 trust\n"
                                          "hostssl all all 127.0.0.1/32 cert\n")
    certificate, key = authority.issue("bouncer")
    p = pooler(behind=own_cluster, server_tls_sslmode="require", server_tls_cert_file=certificate, server_tls_key_file=key)
    with p.wire() as conn:
        assert conn.value("select current_user") == "bouncer"
    assert 'certificate authentication failed for user "alice"' in refusal(p, user="alice")


def test_scram_to_the_server_is_bound_to_the_channel(pooler, own_cluster, authority):
    """PostgreSQL offers -PLUS inside TLS; with a certificate it can compute our binding, or refuse it."""
    serve_tls(own_cluster, authority, hba="local all all trust\nhost all postgres 127.0.0.1/32 trust\n"
                                          "hostssl all all 127.0.0.1/32 scram-sha-256\n")
    p = pooler(behind=own_cluster, server_tls_sslmode="require", auth_type="plain")
    with p.wire(user="scramuser1", password="foo") as conn:
        assert conn.value(SSL_OF_MINE) == "TLSv1.3"


def test_whoever_answers_more_than_one_byte_is_not_trusted(pooler):
    """CVE-2021-23222: bytes behind the S would be taken for the server's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def answer():
            while True:
                try:
                    conn, _ = listener.accept()
                except OSError:
                    return
                conn.recv(8)
                conn.sendall(b"S" + b"E\0\0\0\x08evil")
                conn.close()
        threading.Thread(target=answer, daemon=True).start()
        p = pooler(databases={"p0": f"host=127.0.0.1 port={listener.getsockname()[1]}"}, server_tls_sslmode="require")
        assert "received unencrypted data after SSL response" in refusal(p)


def test_a_server_that_stalls_in_the_handshake_is_bounded(pooler):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def answer():
            conns = []
            while True:
                try:
                    conns.append(listener.accept()[0])
                except OSError:
                    return
                conns[-1].recv(8)
                conns[-1].sendall(b"S")
        threading.Thread(target=answer, daemon=True).start()
        p = pooler(databases={"p0": f"host=127.0.0.1 port={listener.getsockname()[1]}"}, server_tls_sslmode="require",
                   server_connect_timeout=1, query_wait_timeout=3)
        refusal(p)
        p.log_has("closing because: connect timeout")


@pytest.mark.parametrize("direct", [0, 1])
def test_direct_tls_and_two_poolers_in_a_row(make, pooler, authority, direct):
    inner = make(server_tls_sslmode="require", pool_mode="transaction", **server_settings(authority))
    outer = pooler(databases={"p0": f"host=localhost port={inner.port}"}, server_tls_sslmode="verify-full",
                   server_tls_ca_file=authority.file, server_tls_direct=direct, pool_mode="transaction",
                   **{**server_settings(authority), "client_tls_sslmode": "allow"})
    with outer.connect(sslmode="require") as conn:
        rows = conn.execute("select g, repeat('q', 500) from generate_series(1, 20000) g").fetchall()
        assert len(rows) == 20000 and all(len(text) == 500 for _, text in rows)
    inner.log_has("login attempt: db=p0 user=bouncer tls=TLSv1.3")


def test_direct_tls_fails_where_the_server_knows_it_not(make):
    p = make(server_tls_sslmode="require", server_tls_direct=1)
    assert "TLS handshake failed" in refusal(p)


def test_T38_cancel_goes_through_tls_and_arrives(make, ssl_cluster):
    p = make(server_tls_sslmode="require")
    with p.wire() as conn:
        conn.send(query("select pg_sleep(20)"))
        eventually(lambda: ssl_cluster.running() == 1)
        with p.wire() as other:     # a second connection of the pool, so that the log's lines can be told apart
            other.value("select 1")
        with Conn(p.address) as canceller:
            canceller.send(struct.pack("!II", 8 + len(conn.key), CANCEL_REQUEST), conn.key)
            assert canceller.sock.recv(1) == b""
        assert [m.fields()["C"] for m in conn.until() if m.tag == "E"] == ["57014"]
        assert conn.value("select 7") == "7"


def test_cancel_never_goes_out_in_plain_text_where_tls_is_in_use(pooler, ssl_cluster):
    """A relay in front of PostgreSQL sees what is asked first on each connection."""
    firsts = []

    def pump(source, target, first=None):
        try:
            while data := source.recv(65536):
                if first is not None and len(first) == 0:
                    first.append(data[:8])
                    firsts.append(data[:8])
                target.sendall(data)
        except OSError:
            pass
        finally:
            for sock in (source, target):
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        def relay():
            while True:
                try:
                    conn, _ = listener.accept()
                except OSError:
                    return
                behind = socket.create_connection(ssl_cluster.address)
                threading.Thread(target=pump, args=(conn, behind, []), daemon=True).start()
                threading.Thread(target=pump, args=(behind, conn), daemon=True).start()
        threading.Thread(target=relay, daemon=True).start()
        p = pooler(databases={"p0": f"host=127.0.0.1 port={listener.getsockname()[1]}"}, server_tls_sslmode="require")
        with p.connect() as conn:
            timer = threading.Timer(0.3, conn.cancel)
            timer.start()
            with pytest.raises(psycopg.errors.QueryCanceled):
                conn.execute("select pg_sleep(20)")
            timer.join()
    assert len(firsts) == 2 and set(firsts) == {struct.pack("!II", 8, 80877103)}


def test_servers_with_tls_are_handed_from_worker_to_worker(make):
    """More workers than servers: every client is served, so the one connection must travel with its TLS."""
    p = make(server_tls_sslmode="require", pool_mode="transaction", default_pool_size=1, workers=4)
    errors = []

    def work(number):
        try:
            with p.connect() as conn:
                for i in range(100):
                    assert conn.execute("select %s::int, repeat('a', %s)", [number * i, i * 50]).fetchone() == (number * i, "a" * (i * 50))
        except Exception as problem:
            errors.append(problem)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert p.pool()["sv_idle"] + p.pool()["sv_used"] == 1


def test_copy_and_large_inserts_through_tls_on_both_sides(make, authority):
    p = make(server_tls_sslmode="verify-full", pool_mode="transaction",
             server_tls_ca_file=authority.file, **server_settings(authority))
    with p.connect(sslmode="require") as conn:
        conn.execute("create table tls_both (t text)")
        try:
            for size in (1, 16383, 16384, 16385, 65536, 5_000_000):
                assert conn.execute("insert into tls_both values (%s) returning length(t)", ["k" * size]).fetchone() == (size,)
            with conn.cursor().copy("copy tls_both from stdin") as copy:
                for n in range(3000):
                    copy.write(("w" * 2000) + "\n")
            with conn.cursor().copy("copy tls_both to stdout") as copy:
                got = sum(len(bytes(part)) for part in copy)
            assert got == 1 + 16383 + 16384 + 16385 + 65536 + 5_000_000 + 6 + 3000 * 2001
        finally:
            conn.execute("drop table tls_both")


def test_only_what_really_changed_makes_servers_anew(make, authority, ssl_cluster):
    """h15."""
    p = make(server_tls_sslmode="verify-ca", server_tls_ca_file=authority.file)
    with p.wire() as conn:
        first = conn.value("select pg_backend_pid()")
    p.command("reload")
    with p.wire() as conn:
        assert conn.value("select pg_backend_pid()") == first           # T55
    p.settings["server_tls_ciphers"] = "HIGH"
    p.write_ini()
    p.command("reload")
    with p.wire() as conn:
        second = conn.value("select pg_backend_pid()")
        assert second != first
    p.settings["server_tls_sslmode"] = "require"
    p.write_ini()
    p.command("reload")
    with p.wire() as conn:
        assert conn.value("select pg_backend_pid()") != second


def test_T55_a_ca_file_that_changes_makes_servers_anew_only_if_it_says_something_else(make, authority, ssl_cluster):
    """Looked at without a RELOAD; clients stay as they are."""
    p = make(server_tls_sslmode="verify-ca", server_tls_ca_file=authority.file, start=False, pool_mode="transaction")
    own_file = p.folder / "ca.crt"
    p.write("ca.crt", authority.file.read_text())
    p.settings["server_tls_ca_file"] = own_file
    p.write_ini()
    p.start()
    with p.wire() as conn:
        first = conn.value("select pg_backend_pid()")
        p.write("ca.crt", authority.file.read_text())           # a new time, the same words
        p.log_has("TLS files have changed, reading them again", 10)
        assert conn.value("select pg_backend_pid()") == first
        p.write("ca.crt", authority.file.read_text() + Authority("another").file.read_text())
        assert eventually(lambda: conn.value("select pg_backend_pid()") != first, 10)
    p.log_has("closing because: close_needed")
