"""shutdown_drain_timeout: on the way out each client is closed between two transactions, all of them at the deadline."""
import signal
import threading
import time

import pytest
import servers
from web import Site
from wire import Closed, Conn, PgError, errors, eventually, query, tags

pytestmark = pytest.mark.ours
ADMIN_SHUTDOWN = ("FATAL", "57P01", "terminating connection due to administrator command")


def farewell(conn):
    """The connection's last words: severity, SQLSTATE, text."""
    told = errors(conn.closed())
    return tuple(told[-1][field] for field in "SCM") if told else None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("pool_mode", ["transaction", "session"])
def test_idle_clients_are_closed_at_once_and_others_at_their_commit(pooler, number, pool_mode):
    p = pooler(pool_mode=pool_mode, shutdown_drain_timeout=30)
    with p.wire() as never_used, p.wire() as idle, p.wire() as busy:
        idle.value("select 1")
        busy.ask("begin")
        p.signal(number)
        assert farewell(idle) == farewell(never_used) == ADMIN_SHUTDOWN
        assert busy.value("select 41 + 1") == "42" and p.process.poll() is None
        assert tags(busy.ask("commit")) == "CZ"
        assert farewell(busy) == ADMIN_SHUTDOWN
    assert p.wait_exit() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_deadline_closes_transactions_too(pooler, cluster, number):
    p = pooler(pool_mode="transaction", shutdown_drain_timeout=1)
    with p.wire("p1") as busy:
        busy.ask("begin")
        begun = time.monotonic()
        p.signal(number)
        assert farewell(busy) == ADMIN_SHUTDOWN
        assert 0.9 <= time.monotonic() - begun
        assert p.wait_exit() == 0
    assert "shutdown_drain_timeout: closed 1 clients that were not done" in p.log()
    eventually(lambda: cluster.backends("p1") == 0)


def test_a_client_in_the_queue_has_its_transaction_first(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, shutdown_drain_timeout=30)
    with p.wire() as busy, p.wire() as queued:
        busy.ask("begin")
        queued.send(query("select 7"))
        eventually(lambda: p.pool()["cl_waiting"] == 1)
        p.signal(signal.SIGTERM)
        p.log_has("got SIGTERM")
        busy.ask("commit")
        replies = queued.closed()
        assert tags(replies) == "TDCZE" and replies[1].values() == ["7"]
    assert p.wait_exit() == 0


def test_a_slow_reader_has_its_answer_whole(pooler):
    p = pooler(pool_mode="transaction", shutdown_drain_timeout=30, tcp_socket_buffer=4096)
    with p.wire() as conn:
        conn.send(query("select repeat('x', 1000) from generate_series(1, 3000)"))
        eventually(lambda: p.pool()["cl_active"] == 1)
        p.signal(signal.SIGTERM)
        p.log_has("got SIGTERM")
        time.sleep(0.5)
        replies = conn.closed()
        assert len([m for m in replies if m.tag == "D"]) == 3000 and tags(replies[-3:]) == "CZE"
    assert p.wait_exit() == 0


def test_logins_are_refused_and_readyz_says_no(pooler):
    port = servers.free_port()
    p = pooler(pool_mode="transaction", shutdown_drain_timeout=30, tcp_defer_accept=0,
               metrics_listen=f"127.0.0.1:{port}")
    site = Site(port)
    p.log_has("metrics and page on")
    assert site.status("/readyz") == 200
    with p.wire() as busy, Conn(p.address) as silent:
        busy.ask("begin")
        p.signal(signal.SIGTERM)
        assert farewell(silent)[2] == "pooler is shutting down"
        eventually(lambda: site.status("/readyz") == 503)
        assert site.status("/healthz") == 200
        with pytest.raises((OSError, Closed, PgError)):
            p.wire()
        with p.console_over_unix() as console:
            assert console.rows("show version")
        busy.ask("commit")
    assert p.wait_exit() == 0


def test_it_can_be_asked_for_at_the_console(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire() as idle, p.console() as console:
        console.ask("set shutdown_drain_timeout = 20")
        console.send(query("shutdown wait_for_clients"))
        assert farewell(idle) == ADMIN_SHUTDOWN
        assert p.wait_exit() == 0


def test_under_load_no_transaction_is_cut(pooler, cluster):
    p = pooler(pool_mode="transaction", default_pool_size=3, shutdown_drain_timeout=30)
    with cluster.connect("p2") as conn:
        conn.execute("create table drained (id int)")
        conn.execute("grant all on drained to public")
    wrong, committed = [], []

    def work(number):
        inside = False
        try:
            with p.wire("p2") as conn:
                while True:
                    inside = False
                    conn.send(query("begin"))
                    told = errors(conn.until("ZE"))
                    if told:
                        assert told[0]["C"] == "57P01"
                        return
                    inside = True
                    conn.rows(f"insert into drained values ({number})")
                    conn.rows("commit")
                    inside = False
                    committed.append(number)
        except (OSError, Closed, PgError) as error:
            if inside:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(committed) > 200, 20)
    p.signal(signal.SIGTERM)
    for thread in threads:
        thread.join(20)
    assert wrong == [] and p.wait_exit() == 0
    assert cluster.value("select count(*) from drained", "p2") == len(committed)
