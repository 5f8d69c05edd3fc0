"""Connections that vanish, hang or turn useless, and places in a pool that must come back (scenarios T09, T44, T47, T49, T59, T60, T68)."""
import os
import signal
import socket
import subprocess
import threading
import time

import pytest
from wire import SYNC, Conn, PgError, bind, describe, eventually, execute, msg, parse, query, startup_packet


def test_T09_two_executions_and_a_describe_under_one_sync_leave_the_server_free(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, log_min_duration_statement=0)
    with p.wire() as conn:
        conn.send(parse("", "select 1") + bind() + describe() + execute() + bind() + describe() + execute() + SYNC)
        assert "".join(m.tag for m in conn.until()) == "12TDC2TDCZ"
        conn.send(msg("X"))
        conn.closed()
    with p.wire() as other:
        assert other.value("select 2") == "2"
    assert p.pool()["sv_active"] == 0


def test_T10_a_begin_by_the_extended_protocol_has_its_no_data(pooler):
    p = pooler()
    with p.wire() as conn:
        conn.send(parse("", "begin") + bind() + describe() + execute() + SYNC)
        assert "".join(m.tag for m in conn.until()) == "12nCZ"
        assert conn.status == "T"


def test_T44_after_very_many_hand_overs_the_pool_still_has_all_its_places(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=8)

    def ask(count):
        with p.wire() as conn:
            for _ in range(count):
                assert conn.value("select 1") == "1"

    threads = [threading.Thread(target=ask, args=(150,)) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sleepers = [p.wire() for _ in range(8)]
    for conn in sleepers:
        conn.send(query("select pg_sleep(1)"))
    eventually(lambda: p.pool()["sv_active"] == 8, 0.9)
    for conn in sleepers:
        conn.until()
    assert p.pool()["cl_waiting"] == 0


def test_T47_a_backend_that_says_nothing_any_more_is_given_up(pooler, own_cluster):
    p = pooler(own_cluster, pool_mode="transaction", query_timeout=1, default_pool_size=1)
    with p.wire() as conn:
        pid = int(conn.value("select pg_backend_pid()"))
        os.kill(pid, signal.SIGSTOP)
        try:
            conn.send(query("select 1"))
            assert conn.closed()[-1].fields()["M"] == "query timeout"
            with p.wire() as other:
                assert other.value("select 2") == "2"
        finally:
            os.kill(pid, signal.SIGCONT)


def test_T47_a_server_that_accepts_and_says_nothing_fails_the_login_in_time(pooler):
    with socket.create_server(("127.0.0.1", 0)) as hole:
        port = hole.getsockname()[1]
        p = pooler(databases={"hole": f"host=127.0.0.1 port={port}", "p0": ""}, server_connect_timeout=1, query_wait_timeout=3)
        begin = time.monotonic()
        with pytest.raises(PgError):
            p.wire("hole")
        assert time.monotonic() - begin < 20
        with p.wire() as conn:
            assert conn.value("select 1") == "1"


def run(*command):
    return subprocess.run(command, capture_output=True, text=True).returncode == 0


@pytest.fixture
def far_host():
    """A network namespace with a wire to this machine: (its name, our address, the name of our end)."""
    name, ours = f"pgwns{os.getpid()}", f"pgwv{os.getpid() % 100000}"
    if os.getuid() != 0 or not run("ip", "netns", "add", name):
        pytest.skip("needs root and network namespaces")
    try:
        if not (run("ip", "link", "add", ours, "type", "veth", "peer", "name", "far", "netns", name)
                and run("ip", "addr", "add", "10.213.7.1/30", "dev", ours) and run("ip", "link", "set", ours, "up")
                and run("ip", "-n", name, "addr", "add", "10.213.7.2/30", "dev", "far")
                and run("ip", "-n", name, "link", "set", "far", "up")):
            pytest.skip("needs virtual network devices")
        yield name, "10.213.7.1", ours
    finally:
        run("ip", "netns", "del", name)
        run("ip", "link", "del", ours)


def test_T47_a_client_whose_host_lost_its_power_is_noticed_by_keepalive(pooler, far_host):
    namespace, address, device = far_host
    p = pooler(listen_addr=f"127.0.0.1,{address}", tcp_keepidle=1, tcp_keepintvl=1, tcp_keepcnt=2, default_pool_size=1)
    script = ("import socket, sys, time; s = socket.create_connection((sys.argv[1], int(sys.argv[2])));"
              "s.sendall(bytes.fromhex(sys.argv[3])); s.recv(9999); time.sleep(0.5); print(1, flush=True); time.sleep(60)")
    opening = startup_packet("bouncer", "p0") + query("begin")
    far = subprocess.Popen(["ip", "netns", "exec", namespace, "python3", "-c", script, address, str(p.port), opening.hex()],
                           stdout=subprocess.PIPE)
    try:
        assert far.stdout.readline() == b"1\n"
        assert eventually(lambda: p.pool())["sv_active"] == 1
        assert run("ip", "link", "set", device, "down")
        eventually(lambda: p.pool()["cl_active"] == 0, 15)
        with p.wire() as conn:
            assert conn.value("select 1") == "1"
    finally:
        far.kill()
        far.wait()


def test_T49_whatever_a_connection_was_used_for_it_is_closed_when_it_has_been_idle_for_long(pooler):
    def quietly(conn):
        conn.value("select 1")

    def with_an_error(conn):
        conn.ask("select 1/0")

    def rolled_back(conn):
        conn.ask("begin")
        conn.ask("rollback")

    def prepared(conn):
        conn.send(parse("s", "select 1") + bind("", "s") + execute() + SYNC).until()

    uses = [quietly, with_an_error, rolled_back, prepared]
    p = pooler(pool_mode="transaction", server_idle_timeout=1, databases={f"d{i}": "dbname=p0" for i in range(len(uses))})
    conns = [p.wire(f"d{i}") for i in range(len(uses))]
    for use, conn in zip(uses, conns):
        use(conn)
    assert len(p.command("show servers")) == len(uses)
    eventually(lambda: not p.command("show servers"), 5)
    assert p.log().count("server idle timeout") == len(uses)


@pytest.mark.ours
def test_T59_a_connection_that_has_become_read_only_is_replaced(pooler, cluster):
    p = pooler(pool_mode="transaction", default_pool_size=1, databases={"p0": "", "ro": "dbname=p1"})
    with cluster.connect("p1") as direct:
        direct.execute("create table if not exists failover (x int)")
        direct.execute("grant all on failover to public")
        direct.execute("alter database p1 set default_transaction_read_only = on")
        try:
            with p.wire("ro") as conn:
                first = conn.value("select pg_backend_pid()")
                time.sleep(1.1)
                assert conn.ask("insert into failover values (1)")[0].fields()["C"] == "25006"
                direct.execute("set default_transaction_read_only = off; alter database p1 reset default_transaction_read_only")
                assert conn.ask("insert into failover values (1)")[0].tag == "C"
                assert conn.value("select pg_backend_pid()") != first
        finally:
            direct.execute("set default_transaction_read_only = off; alter database p1 reset default_transaction_read_only")
            direct.execute("drop table failover")
    p.log_has("read-only")


def test_T60_a_paused_database_keeps_nobody_else_waiting(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire("p0") as one, p.wire("p1") as two:
        assert one.value("select 1") == two.value("select 1") == "1"
        p.command("pause p1")
        two.send(query("select 2"))
        eventually(lambda: p.pool("p1")["cl_waiting"] == 1)
        for _ in range(50):
            assert one.value("select 1") == "1"
        p.command("resume p1")
        assert two.until()[1].values() == ["2"]
        for _ in range(50):
            assert one.value("select 1") == "1"
        assert p.pool("p0")["cl_waiting"] == 0


def test_T68_an_ipv6_literal_is_a_host_and_an_address_to_listen_on(pooler):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    inner = pooler(listen_addr="127.0.0.1, ::1")
    outer = pooler(databases={"p0": f"host=::1 port={inner.port}"})
    with outer.wire() as conn:
        assert conn.value("select 1") == "1"
    assert "[::1]" in inner.log() or "::1" in inner.log()
