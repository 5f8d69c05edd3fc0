"""Servers that die at the two ends of a client's turn: while its settings are replayed, and right behind its answer."""
import os
import signal
import socket
import threading
import time

import pytest
from wire import Closed, extended

pytestmark = pytest.mark.ours


def until_it_ends(conn, messages):
    """The tags that come for these messages, "closed" at last where the pooler closes."""
    tags = []
    conn.send(messages)
    try:
        while True:
            tags.append(conn.read().tag)
            if tags[-1] == "Z":
                return tags
    except Closed:
        return [*tags, "closed"]


@pytest.fixture
def slow_to_close(cluster):
    """The port of a relay to the cluster that tells the end of a server 0.3 s after its last words."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source, target, wait):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        time.sleep(wait)
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve():
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(cluster.address)
            threading.Thread(target=pump, args=(near, far, 0), daemon=True).start()
            threading.Thread(target=pump, args=(far, near, 0.3), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def test_a_server_that_dies_under_the_replay_is_an_answer_or_an_end_and_never_both(pooler, cluster, slow_to_close):
    p = pooler(databases={"p0": f"host=127.0.0.1 port={slow_to_close}"}, pool_mode="transaction", default_pool_size=1)
    with p.wire() as one, p.wire() as two:
        one.value("select set_config('app.tenant', 'one', false)")
        two.value("select set_config('app.tenant', 'two', false)")
        server = int(two.value("select pg_backend_pid()"))
        os.kill(server, signal.SIGSTOP)
        try:
            one.send(extended("select current_setting('app.tenant')"))
            time.sleep(0.2)  # the replay is on its way
            cluster.value(f"select pg_terminate_backend({server})")
        finally:
            os.kill(server, signal.SIGCONT)
        tags = until_it_ends(one, b"")
        assert tags in (["1", "2", "T", "D", "C", "Z"], ["E", "closed"]), tags


def test_a_server_that_dies_behind_the_answer_is_not_the_clients_loss(pooler, cluster):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as one:
        server = int(one.value("select pg_backend_pid()"))
        one.send(extended("select pg_sleep(0.3)"))
        time.sleep(0.1)
        p.signal(signal.SIGSTOP)  # so that the answer and the server's last words are read together
        try:
            time.sleep(0.4)
            cluster.value(f"select pg_terminate_backend({server})")
            time.sleep(0.1)
        finally:
            p.signal(signal.SIGCONT)
        assert until_it_ends(one, b"")[-1] == "Z"
        assert one.value("select 1") == "1"
