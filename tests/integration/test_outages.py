"""PostgreSQL restarted, killed and black-holed under load: clients may get an error, never a wrong answer, and it heals."""
import os
import signal
import socket
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
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        serial = 0
        while not self.ending:
            try:
                with self.p.connect("p0", connect_timeout=20, prepare_threshold=3 if number % 2 else None) as conn:
                    while not self.ending:
                        serial += 1
                        self.ask(conn, number, serial)
                        self.good[number] += 1
            except psycopg.Error:
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
