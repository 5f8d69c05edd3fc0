"""PostgreSQL restarted, killed and black-holed under load: clients may get an error, never a wrong answer, and it heals."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import psycopg
import pytest
from wire import eventually

pytestmark = [pytest.mark.ours, pytest.mark.timeout(120)]
CLIENTS = 12


class Hole:
    """A relay before PostgreSQL that can stop passing anything on, without closing anything."""

    def __init__(self, target):
        self.target, self.open, self.sockets = target, threading.Event(), []
        self.open.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.open.wait()
            try:
                server = socket.create_connection(self.target)
            except OSError:
                client.close()
                continue
            self.sockets += [client, server]
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source, sink):
        try:
            while data := source.recv(65536):
                self.open.wait()
                sink.sendall(data)
        except OSError:
            pass
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.open.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.sockets:
            sock.close()


class Load:
    """Clients that ask what only they can be answered; each reconnects when it is cut off."""

    def __init__(self, p):
        self.p, self.wrong, self.good, self.lost, self.ending = p, [], [0] * CLIENTS, [0] * CLIENTS, False
        self.told = []                                          # [(seconds until it was told, what)]
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        serial = 0
        while not self.ending:
            asked = time.monotonic()
            try:
                with self.p.connect("p0", connect_timeout=20, prepare_threshold=3 if number % 2 else None) as conn:
                    while not self.ending:
                        serial += 1
                        asked = time.monotonic()
                        self.ask(conn, number, serial)
                        self.good[number] += 1
            except psycopg.Error as error:
                self.told.append((time.monotonic() - asked, str(error)))
                self.lost[number] += 1
                time.sleep(0.05)

    def ask(self, conn, number, serial):
        mine = f"{number}:{serial}"
        if serial % 3:
            answers = [conn.execute("select %s::text", [mine]).fetchone()[0]]
        else:
            with conn.transaction():
                answers = [conn.execute("select %s::text", [mine]).fetchone()[0] for _ in range(3)]
        if any(answer != mine for answer in answers):
            self.wrong.append((mine, answers))

    def moves(self, seconds):
        """All clients are answered again."""
        before = list(self.good)
        eventually(lambda: all(now > then + 3 for now, then in zip(self.good, before)), seconds)

    def end(self):
        self.ending = True
        for thread in self.threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self.threads)


def test_restarted_killed_and_black_holed_under_load_nobody_is_answered_wrongly(pooler, own_cluster):
    hole = Hole(own_cluster.address)
    p = pooler(own_cluster, databases={"p0": f"host=127.0.0.1 port={hole.port}"}, pool_mode="transaction", default_pool_size=4,
               server_login_retry=1, query_timeout=2, server_connect_timeout=2, query_wait_timeout=20, log_connections=0,
               log_disconnections=0)
    load = Load(p)
    try:
        load.moves(30)
        for mode in ("fast", "immediate"):
            own_cluster.stop(mode)
            time.sleep(0.3)
            own_cluster.start()
            load.moves(40)
        with own_cluster.connect() as conn:                     # the postmaster starts all of them anew
            pids = [row[0] for row in conn.execute("select pid from pg_stat_activity where datname = 'p0'")]
        for pid in pids[:1]:
            os.kill(pid, signal.SIGKILL)
        load.moves(40)
        hole.open.clear()                                       # nothing is closed, nothing comes any more
        time.sleep(3)
        hole.open.set()
        load.moves(40)
    finally:
        hole.open.set()
        load.end()
        hole.close()
    assert load.wrong == []
    assert sum(load.lost) > 0                                   # it has been an outage
    eventually(lambda: p.pool()["cl_waiting"] == 0 and p.pool()["sv_active"] == 0, 10)


def run_nft(script, check=True):
    return subprocess.run(["nft", "-f", "-"], input=script, text=True, capture_output=True, check=check)


@contextlib.contextmanager
def dropped(cluster):
    """No packet from or to that PostgreSQL arrives; nobody is told."""
    table = f"inet pgweir_test_{cluster.port}"
    run_nft(f"table {table} {{ chain lost {{ type filter hook input priority 0; "
            f"tcp dport {cluster.port} drop; tcp sport {cluster.port} drop; }}; }}\n")
    try:
        yield
    finally:
        run_nft(f"delete table {table}", check=False)


@contextlib.contextmanager
def stopped(cluster):
    """The kernel goes on taking what is sent; nobody reads it."""
    postmaster = int((cluster.data / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGSTOP)
    pids = [postmaster, *map(int, subprocess.run(["pgrep", "-P", str(postmaster)], capture_output=True, text=True).stdout.split())]
    for pid in pids[1:]:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def can_drop():
    if shutil.which("nft") is None:
        return False
    name = f"inet pgweir_test_{os.getpid()}"
    done = run_nft(f"table {name} {{ chain lost {{ type filter hook input priority 0; }}; }}\ndelete table {name}\n", check=False)
    return done.returncode == 0


CLEAR = "server conn crashed|query[ _]timeout|query_wait_timeout|server login has been failing|connect timeout|connect failed"


@pytest.mark.parametrize("hole, bounds", [
    (dropped, {"tcp_user_timeout": 2000, "tcp_keepidle": 1, "tcp_keepintvl": 1, "tcp_keepcnt": 2}),
    (dropped, {"query_timeout": 2}), (stopped, {"query_timeout": 2})],
    ids=["packets lost, TCP notices", "packets lost, query_timeout", "processes stopped, query_timeout"])
def test_T47_in_a_black_hole_clients_are_told_in_time_and_the_pool_recovers(pooler, own_cluster, hole, bounds):
    if hole is dropped and not can_drop():
        pytest.skip("nft is missing or not permitted here")
    p = pooler(own_cluster, databases={"p0": ""}, pool_mode="transaction", default_pool_size=4, server_login_retry=1,
               server_connect_timeout=2, query_wait_timeout=4, **bounds)
    load = Load(p)
    try:
        load.moves(30)
        with hole(own_cluster):
            before, begun = list(load.lost), len(load.told)
            eventually(lambda: all(now > then for now, then in zip(load.lost, before)), 25)
            told = load.told[begun:]
        load.moves(40)
    finally:
        load.end()
    assert load.wrong == []
    assert [text for _, text in told if not re.search(CLEAR, text)] == []
    # The longest way: a query in a transaction, up to the bound; or a wait for a server and what is left of the last one's login.
    assert max(seconds for seconds, _ in told) < 4 + 2 + 4, max(told)
    eventually(lambda: p.pool()["cl_waiting"] == 0 and p.pool()["sv_active"] == 0, 10)
