"""pgbench through the pool: many clients, few servers, no errors."""
import contextlib
import os
import re
import resource
import socket
import subprocess
import threading
import time

import pytest
import servers
from wire import Conn, eventually, query, startup_packet


@pytest.fixture(scope="module")
def bench_database(cluster):
    subprocess.run([servers.PG_BIN / "pgbench", "-i", "-q", "-s", "1", "-h", "127.0.0.1", "-p", str(cluster.port), "-U", "bouncer",
                    "p1"], check=True, capture_output=True)
    return "p1"


def run_pgbench(pooler, *arguments, database="p1"):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    done = subprocess.run([servers.PG_BIN / "pgbench", "-n", "-h", "127.0.0.1", "-p", str(pooler.port), "-U", "bouncer",
                           *arguments, database], capture_output=True, text=True, timeout=50,
                          env=dict(os.environ, PGPASSWORD="zzzz"),
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard)))
    assert done.returncode == 0, done.stderr[-2000:] + pooler.log()[-2000:]
    assert "aborted" not in done.stderr, done.stderr[-2000:]
    return {"processed": int(re.search(r"actually processed: (\d+)", done.stdout)[1]),
            "failed": int(re.search(r"failed transactions: (\d+)", done.stdout)[1])}


@pytest.mark.parametrize("protocol", ["simple", "extended", pytest.param("prepared", marks=pytest.mark.ours)])
@pytest.mark.parametrize("clients,transactions", [(1, 200), (64, 20), (1000, 2)])
def test_transaction_mode_serves_many_clients_with_twenty_servers(pooler, cluster, bench_database, protocol, clients,
                                                                  transactions):
    p = pooler(pool_mode="transaction", default_pool_size=20, max_client_conn=2000)
    done = run_pgbench(p, "-S", "-M", protocol, "-c", str(clients), "-j", "2", "-t", str(transactions))
    assert done == {"processed": clients * transactions, "failed": 0}
    assert cluster.backends("p1") <= 20


@pytest.mark.parametrize("protocol", ["simple", "extended", pytest.param("prepared", marks=pytest.mark.ours)])
def test_writing_transactions_do_not_mix(pooler, cluster, bench_database, protocol):
    p = pooler(pool_mode="transaction", default_pool_size=10)
    before = cluster.value("select count(*) from pgbench_history", "p1")
    done = run_pgbench(p, "-M", protocol, "-c", "32", "-j", "2", "-t", "10")
    assert done == {"processed": 320, "failed": 0}
    assert cluster.value("select count(*) from pgbench_history", "p1") - before == 320
    sums = cluster.connect("p1").execute("select (select sum(abalance) from pgbench_accounts), (select sum(bbalance) from "
                                         "pgbench_branches), (select sum(tbalance) from pgbench_tellers)").fetchone()
    assert len(set(sums)) == 1, "the books balance only if no transaction was torn apart"


def test_prepared_statements_work_in_session_mode(pooler, bench_database):
    p = pooler(pool_mode="session", default_pool_size=20)
    assert run_pgbench(p, "-S", "-M", "prepared", "-c", "16", "-j", "2", "-t", "50") == {"processed": 800, "failed": 0}


@pytest.mark.ours
def test_T76_more_clients_in_a_thread_than_servers_prepare_without_a_deadlock(pooler, bench_database):
    p = pooler(pool_mode="transaction", default_pool_size=5)
    assert run_pgbench(p, "-M", "prepared", "-c", "16", "-j", "2", "-t", "20") == {"processed": 320, "failed": 0}


def test_a_connection_per_transaction_works(pooler, bench_database):
    p = pooler(pool_mode="transaction", default_pool_size=5)
    assert run_pgbench(p, "-S", "-C", "-c", "8", "-j", "2", "-t", "40") == {"processed": 320, "failed": 0}


@pytest.fixture
def slow_to_greet(cluster):
    """The port of a relay to the cluster that keeps each connection waiting for 0.4 s before it is let through."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def pump(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve(near):
        time.sleep(0.4)
        far = socket.create_connection(cluster.address)
        threading.Thread(target=pump, args=(far, near), daemon=True).start()
        pump(near, far)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


@pytest.mark.ours
def test_a_cold_pool_opens_its_servers_side_by_side(pooler, slow_to_greet):
    """PgBouncer opens one at a time, which would take 32 x 0.4 s here, and the sleep."""
    p = pooler(pool_mode="transaction", default_pool_size=32, databases={"slow": f"host=127.0.0.1 port={slow_to_greet} dbname=p2"})
    begun = time.monotonic()
    clients = [Conn(p.address) for _ in range(32)]
    for client in clients:
        client.send(startup_packet("bouncer", "slow"))
    for client in clients:
        client.authenticate("bouncer", "").send(query("select pg_sleep(1)"))
    for client in clients:
        assert client.until()[-1].tag == "Z"
    assert time.monotonic() - begun < 0.5 * 32 * 0.4 + 1


def test_a_server_shared_by_threads_of_clients_never_swaps_answers(pooler):
    p, wrong = pooler(pool_mode="transaction", default_pool_size=4), []

    def work(number):
        with p.connect(prepare_threshold=None) as conn:
            for i in range(60):
                sent = f"{number}-{i}-" + "x" * (i * 37 % 3000)
                if conn.execute("select %s::text", (sent,)).fetchone()[0] != sent:
                    wrong.append(sent)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    eventually(lambda: p.pool()["sv_active"] == 0)
