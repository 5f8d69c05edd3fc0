"""Cancelling: it reaches the query it was meant for, and no other."""
import os
import random
import signal
import subprocess
import threading
import time

import pytest
from wire import Conn, eventually, errors, msg, query, rows, send_cancel, tags

SLEEP = query("select pg_sleep(30)")


def is_active(pooler, count=1, database="p0"):
    eventually(lambda: (pooler.pool(database) or {}).get("sv_active") == count)
    # A backend that has yet to read the query would ignore the cancel, as it does directly.
    eventually(lambda: pooler.cluster.running("pg_sleep", database) == count)


def test_a_cancel_ends_the_query_it_was_sent_for(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire() as conn, p.wire() as other:
        conn.send(SLEEP)
        other.send(query("select pg_sleep(3), 'untouched'"))
        is_active(p, 2)
        send_cancel(p.address, conn.key)
        assert errors(conn.until())[0]["C"] == "57014"
        assert rows(other.until())[0][1] == "untouched"
        assert conn.value("select 1") == "1"


def test_a_cancel_on_the_unix_socket_works(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire(unix=True) as conn:
        conn.send(SLEEP)
        is_active(p)
        send_cancel(p.unix_path, conn.key)
        assert errors(conn.until())[0]["C"] == "57014"


def test_the_cancellers_connection_is_closed_without_a_word(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire() as conn, Conn(p.address) as canceller:
        conn.send(SLEEP)
        is_active(p)
        canceller.send(b"\0\0\0\x10\x04\xd2\x16\x2e" + conn.key)
        assert canceller.closed() == []
        assert tags(conn.until()) in ("TEZ", "EZ")


@pytest.mark.parametrize("key", [b"\0" * 8, b"\xff" * 8, b"wrongkey"])
def test_a_cancel_with_an_unknown_key_is_harmless(pooler, key):
    p = pooler(pool_mode="transaction")
    with p.wire() as conn:
        conn.send(query("select pg_sleep(2), 'done'"))
        is_active(p)
        send_cancel(p.address, key)
        assert rows(conn.until())[0][1] == "done"


@pytest.mark.ours
@pytest.mark.parametrize("length", [0, 1, 3, 257, 5000])
def test_a_cancel_request_with_an_impossible_key_is_closed(pooler, length):
    p = pooler()
    with Conn(p.address, timeout=3) as conn:
        conn.send((8 + length).to_bytes(4, "big") + b"\x04\xd2\x16\x2e" + b"k" * length)
        assert all(message.tag == "E" for message in conn.closed())
    p.wire().close()


def test_T33_a_late_cancel_never_reaches_the_next_client(pooler):
    """h2: One server, two clients: whoever's cancel comes late must not hit the other's query."""
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as early, p.wire() as late:
        for _ in range(25):
            early.send(query("select 1"))
            canceller = threading.Thread(target=send_cancel, args=(p.address, early.key))
            canceller.start()
            late.send(query("select pg_sleep(0.03), 'mine'"))
            early.until()
            assert rows(late.until())[0][1] == "mine"
            canceller.join()


def test_a_cancel_for_an_idle_client_cancels_nothing(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as idle, p.wire() as busy:
        idle.ask("select 1")
        busy.send(query("select pg_sleep(2), 'mine'"))
        is_active(p)
        send_cancel(p.address, idle.key)
        assert rows(busy.until())[0][1] == "mine"


def test_T34_a_cancel_gets_through_when_the_pool_is_full(pooler):
    """h2."""
    p = pooler(pool_mode="transaction", default_pool_size=2)
    clients = [p.wire() for _ in range(2)]
    waiting = [p.wire() for _ in range(5)]
    for client in clients:
        client.send(SLEEP)
    is_active(p, 2)
    for client in waiting:
        client.send(query("select 'next'"))
    begun = time.monotonic()
    send_cancel(p.address, clients[0].key)
    assert errors(clients[0].until())[0]["C"] == "57014"
    assert [rows(client.until()) for client in waiting] == [[["next"]]] * 5
    assert time.monotonic() - begun < 15, "they did not wait for the sleeps to end"
    send_cancel(p.address, clients[1].key)
    clients[1].until()


def test_T35_a_storm_of_cancels_takes_no_places_in_the_pool(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=4)
    clients = [p.wire() for _ in range(20)]

    def work(client):
        for _ in range(8):
            client.send(query("select pg_sleep(5)"))
            time.sleep(0.02)
            deadline = time.monotonic() + 15
            while client.quiet(0.05):
                send_cancel(p.address, client.key)
                assert time.monotonic() < deadline
            client.until()

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - begun < 30
    assert all(client.status == "I" for client in clients)
    eventually(lambda: p.pool()["sv_active"] == 0 and p.pool()["cl_waiting"] == 0)
    assert [client.value("select 1") for client in clients] == ["1"] * 20


@pytest.mark.ours
def test_T36_clients_that_vanish_while_their_cancel_is_on_its_way_leave_the_pool_whole(pooler):
    p, random_source = pooler(pool_mode="transaction", default_pool_size=3), random.Random(36)
    for _ in range(60):
        client = p.wire()
        if random_source.random() < 0.8:
            client.send(query(f"select pg_sleep({random_source.random() / 20})"))
        cancel = Conn(p.address)
        cancel.send(b"\0\0\0\x10\x04\xd2\x16\x2e" + client.key)
        order = [client, cancel]
        random_source.shuffle(order)
        for conn in order:
            conn.reset() if random_source.random() < 0.5 else conn.close()
    eventually(lambda: p.pool()["sv_active"] == 0, 10)
    with p.wire() as conn:
        assert [conn.value(f"select {i}") for i in range(20)] == [str(i) for i in range(20)]


def test_a_cancelled_transaction_keeps_its_server(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=2)
    with p.wire() as conn:
        conn.ask("begin")
        pid = conn.value("select pg_backend_pid()")
        conn.send(SLEEP)
        is_active(p)
        send_cancel(p.address, conn.key)
        assert errors(conn.until())[0]["C"] == "57014" and conn.status == "E"
        conn.ask("rollback")
        assert conn.value("select pg_backend_pid()") == pid


@pytest.mark.ours
def test_T37_a_cancel_takes_a_waiting_client_out_of_the_queue(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as holder, p.wire() as waiting:
        holder.ask("begin")
        waiting.send(query("select 1"))
        eventually(lambda: p.pool()["cl_waiting"] == 1)
        send_cancel(p.address, waiting.key)
        assert waiting.read().fields()["C"] == "57014"
        eventually(lambda: p.pool()["cl_waiting"] == 0)
        holder.ask("commit")
        assert holder.value("select 1") == "1"


def test_keys_are_random_and_differ(pooler):
    p = pooler(pool_mode="transaction")
    clients = [p.wire() for _ in range(50)]
    keys = {client.key for client in clients}
    assert len(keys) == 50 and all(len(key) == 8 for key in keys)


def test_ctrl_c_in_psql_cancels_its_query(pooler):
    p = pooler(pool_mode="transaction")
    psql = subprocess.Popen(["psql", "-X", "-h", "127.0.0.1", "-p", str(p.port), "-U", "bouncer", "-d", "p0", "-c",
                             "select pg_sleep(30)"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=dict(os.environ, PGPASSWORD="zzzz"))
    is_active(p)
    psql.send_signal(signal.SIGINT)
    assert "canceling statement due to user request" in psql.communicate(timeout=10)[1]


@pytest.mark.ours
def test_a_cancel_sent_in_pieces_is_understood(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire() as conn, Conn(p.address) as canceller:
        conn.send(SLEEP)
        is_active(p)
        raw = b"\0\0\0\x10\x04\xd2\x16\x2e" + conn.key
        canceller.send(raw[:10])
        time.sleep(0.1)
        canceller.send(raw[10:])
        assert errors(conn.until())[0]["C"] == "57014"


def test_leaving_while_a_query_runs_closes_its_server(pooler, cluster):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    conn = p.wire("p7")
    conn.send(SLEEP)
    is_active(p, 1, "p7")
    conn.close()
    p.log_has("client disconnected with query in progress|client disconnect while server was not ready|"
              "client unexpected eof")
    with p.wire("p7") as other:
        assert other.value("select 'free'") == "free"
        other.send(msg("X"))
