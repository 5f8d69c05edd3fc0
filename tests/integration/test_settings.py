"""Settings of PgBouncer's that no other file tries."""
import grp
import os
import shutil
import signal
import socket
import stat
import time

import pytest
from certificates import Authority, serve_tls
from servers import Pooler, new_folder, own, server_user
from wire import Conn, PgError, errors, eventually, query, send_cancel

pytestmark = pytest.mark.ours


def config(p):
    return {row["key"]: row["value"] for row in p.command("show config")}


@pytest.fixture
def traced(cluster, binary):
    """A pooler under strace: traced(**settings) -> (pooler, text of the calls so far)."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    folder = new_folder("pgs")
    os.chmod(folder, 0o755)
    wrapper, calls = folder / "wrapper", folder / "calls"
    wrapper.write_text(f"#!/bin/sh\nexec strace -f -qq -e trace=setsockopt,listen -o {calls} {binary} \"$@\"\n")
    wrapper.chmod(0o755)
    made = []

    def make(**settings):
        made.append(Pooler(cluster, str(wrapper), **settings))
        return made[-1], calls.read_text

    own(folder)
    yield make
    for p in made:
        with p.console() as console:             # strace would take a signal for itself
            console.send(query("shutdown"))      # ends without an answer
        p.wait_exit()
        p.finish()
    shutil.rmtree(folder)


def test_sockets_get_their_options(traced):
    p, calls = traced(tcp_user_timeout=12345, tcp_keepalive=1, tcp_keepidle=77, tcp_keepintvl=7, tcp_keepcnt=5,
                      tcp_defer_accept=1, listen_backlog=99, so_reuseport=1, tcp_socket_buffer=8192)
    with p.wire() as conn:
        conn.value("select 1")
    text = calls()
    for option in ("TCP_USER_TIMEOUT, [12345]", "SO_KEEPALIVE, [1]", "TCP_KEEPIDLE, [77]", "TCP_KEEPINTVL, [7]",
                   "TCP_KEEPCNT, [5]", "TCP_DEFER_ACCEPT, [1]", "SO_REUSEPORT, [1]", "SO_SNDBUF, [8192]", "SO_RCVBUF, [8192]"):
        assert option in text, (option, text[-3000:])
    assert ", 99)" in text


def test_keepalive_may_be_switched_off(traced):
    p, calls = traced(tcp_keepalive=0)
    with p.wire() as conn:
        conn.value("select 1")
    assert "SO_KEEPALIVE, [1]" not in calls()


def test_the_unix_socket_has_its_mode_and_group(pooler):
    group = grp.getgrgid(server_user().pw_gid).gr_name if server_user() else grp.getgrgid(os.getgid()).gr_name
    p = pooler(unix_socket_mode="0750", unix_socket_group=group)
    facts = os.stat(p.unix_path)
    assert stat.S_IMODE(facts.st_mode) == 0o750
    assert grp.getgrgid(facts.st_gid).gr_name == group
    assert config(p)["unix_socket_mode"] == "488"


def test_disable_pqexec_refuses_simple_queries(pooler):
    p = pooler(disable_pqexec=1)
    with p.wire() as conn:
        conn.send(query("select 1"))
        assert [m.fields()["M"] for m in conn.closed() if m.tag == "E"] == ["PQexec disallowed"]
    with p.connect(prepare_threshold=None) as conn:
        assert conn.execute("select %s::int", [7]).fetchone() == (7,)


def test_users_of_the_console_and_what_they_may(pooler):
    p = pooler(admin_users="boss, admin", stats_users="stats,viewer", auth={name: "x" for name in ("boss", "admin", "viewer", "bob")})
    for user in ("boss", "viewer"):
        with p.wire("pgbouncer", user, "x") as console:
            console.table("show pools")
            refused = [error["M"] for error in errors(console.ask("reload"))]
            assert refused == ([] if user == "boss" else ["admin access needed"])
    with pytest.raises(PgError, match="not allowed"):
        p.wire("pgbouncer", "bob", "x")


def test_the_auth_file_is_read_again(pooler):
    p = pooler(auth_type="plain", auth={"admin": "adminpass", "bouncer": "old"})
    p.write_auth({"admin": "adminpass", "bouncer": "new"})
    p.command("reload")
    p.wire(password="new").close()
    with pytest.raises(PgError):
        p.wire(password="old")


def test_the_log_goes_where_logfile_says_after_a_reload(pooler):
    p = pooler()
    p.settings["logfile"] = p.folder / "other"
    p.write_ini()
    p.command("reload")
    p.wire().close()
    eventually(lambda: (p.folder / "other").exists() and "login attempt" in (p.folder / "other").read_text())


def test_conffile_is_what_the_next_reload_reads(pooler):
    p = pooler()
    p.write("second.ini", p.ini.read_text().replace("max_client_conn = 1000", "max_client_conn = 555"))
    p.command(f"set conffile = '{p.folder / 'second.ini'}'")
    p.command("reload")
    assert config(p)["max_client_conn"] == "555"


def test_pool_idle_timeout_forgets_a_pool(pooler):
    p = pooler(pool_idle_timeout=1, server_idle_timeout=1)
    with p.wire() as conn:
        conn.value("select 1")
    eventually(lambda: p.pool() is None, 15)
    p.log_has("cleaning up idle pool for user bouncer on db p0 because: pool idle timeout")


def test_scram_iterations_are_those_of_secrets_made_from_passwords(pooler):
    p = pooler(auth_type="scram-sha-256", scram_iterations=5555)
    seen = []
    with Conn(p.address) as conn:
        final = conn.scram_final
        conn.scram_final = lambda server_first, password: seen.append(server_first) or final(server_first, password)
        conn.login("bouncer", "p0", "zzzz")
    assert seen[0].endswith(",i=5555")


def test_cancel_wait_timeout_ends_a_cancel_that_cannot_be_delivered(pooler, own_cluster):
    postmaster = int((own_cluster.data / "postmaster.pid").read_text().split()[0])
    p = pooler(own_cluster, cancel_wait_timeout=1, pool_mode="session")
    with p.wire() as conn:
        conn.send(query("select pg_sleep(3)"))
        eventually(lambda: p.pool()["sv_active"] == 1)
        os.kill(postmaster, signal.SIGSTOP)      # the kernel takes connections, and nobody reads them
        try:
            begin = time.monotonic()
            send_cancel(p.address, conn.key, 20)
            assert time.monotonic() - begin > 0.9
        finally:
            os.kill(postmaster, signal.SIGCONT)
        conn.until()


def test_server_fast_close_ends_session_clients_with_servers_that_shall_go(pooler):
    p = pooler(pool_mode="session", server_fast_close=1)
    with p.wire() as conn:
        conn.value("select 1")
        p.command("reconnect")
        assert [m.fields()["M"] for m in conn.closed() if m.tag == "E"] == ["database configuration changed"]


def test_without_server_fast_close_they_stay(pooler):
    p = pooler(pool_mode="session")
    with p.wire() as conn:
        conn.value("select 1")
        p.command("reconnect")
        assert conn.value("select 2") == "2"


def test_syslog_gets_the_lines_under_its_name(pooler, tmp_path):
    """/dev/log is a datagram socket; without one there is nobody to send to."""
    if os.path.exists("/dev/log") or os.getuid() != 0:
        pytest.skip("/dev/log is somebody else's")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind("/dev/log")
        os.chmod("/dev/log", 0o666)
        try:
            log.settimeout(10)
            p = pooler(syslog=1, syslog_ident="mypool", syslog_facility="local3")
            p.wire().close()
            lines = []
            while not any(b"login attempt" in line for line in lines):
                lines.append(log.recv(65536))
        finally:
            os.unlink("/dev/log")
    assert all(b" mypool" in line for line in lines), lines
    assert all(int(line[1:line.index(b">")]) >> 3 == 19 for line in lines), lines    # local3


@pytest.mark.parametrize("settings, spoken", [
    ({"server_tls_protocols": "tlsv1.2"}, r"TLSv1\.2/"),
    ({"server_tls13_ciphers": "TLS_AES_128_GCM_SHA256"}, r"TLSv1\.3/TLS_AES_128_GCM_SHA256")])
def test_tls_protocols_and_suites_towards_servers(pooler, own_cluster, settings, spoken):
    serve_tls(own_cluster, Authority())
    p = pooler(own_cluster, server_tls_sslmode="require", **settings)
    with p.wire() as conn:
        conn.value("select 1")
    p.log_has("SSL established: " + spoken)
