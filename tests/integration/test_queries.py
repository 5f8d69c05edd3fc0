"""SHOW QUERIES and its neighbours: which statement is slow, and why, told by the pooler alone."""
import threading
import time

import psycopg
import pytest
import servers
from wire import PgError, eventually, query

pytestmark = pytest.mark.skipif(servers.IS_PGBOUNCER, reason="PgBouncer knows no statements")


def table(pooler, command):
    return pooler.command(command)


def queries(pooler, words="LIMIT 1000"):
    return {row["query"]: row for row in table(pooler, f"SHOW QUERIES {words}")}


def shapes():
    """50 statements of different shape, each with its number of rows, and how often it is run."""
    return [(f"select g as c{i} from generate_series(1, {{}}) g where g <> -{i + 1}", i % 7, i % 5 + 1) for i in range(50)]


@pytest.mark.parametrize("extended", [False, True])
def test_counts_and_rows_of_fifty_shapes_are_exact(pooler, extended):
    proxy = pooler(pool_mode="transaction")
    with proxy.connect() as client:
        for sql, rows, calls in shapes():
            for _ in range(calls):
                if extended:
                    assert len(client.execute(sql.format("%s"), (rows,)).fetchall()) == rows
                else:
                    assert len(client.execute(sql.format(rows)).fetchall()) == rows
    found = queries(proxy)
    for i, (_, rows, calls) in enumerate(shapes()):
        row = found[f"select g as c{i} from generate_series($1, $2) g where g <> - $3"]
        assert (int(row["calls"]), int(row["rows"]), int(row["errors"])) == (calls, rows * calls, 0)
        assert row["database"] == "p0" and row["user"] == "bouncer"


def test_the_servers_time_is_that_of_pg_sleep(pooler):
    proxy = pooler()
    with proxy.connect() as client:
        client.execute("select 1")     # the server is there: no wait for a connection below
        for ms in (600, 800, 1000):
            client.execute(f"select pg_sleep({ms / 1000})")
    row = queries(proxy)["select pg_sleep($1)"]
    assert float(row["server_ms"]) == pytest.approx(2400, rel=0.12)
    assert float(row["min_time_ms"]) == pytest.approx(600, rel=0.12)
    assert float(row["max_time_ms"]) == pytest.approx(1000, rel=0.12)
    assert float(row["stddev_time_ms"]) == pytest.approx(163.3, rel=0.3)
    assert float(row["queue_ms"]) < 50 and float(row["stream_ms"]) < 50


def test_a_full_pool_shows_as_queue_time_and_as_wait_for_pool_size(pooler):
    proxy = pooler(default_pool_size=1, pool_mode="transaction")

    def sleeper():
        with proxy.connect() as client:
            client.execute("select pg_sleep(0.3)")
    with proxy.connect() as client:
        client.execute("select 1")     # the server is there
    threads = [threading.Thread(target=sleeper) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert eventually(lambda: [row for row in table(proxy, "SHOW ACTIVITY") if row["state"] == "waiting"])
    activity = table(proxy, "SHOW ACTIVITY")
    active = [row for row in activity if row["state"] == "active"]
    assert [row["query"] for row in active] == ["select pg_sleep($1)"] and int(active[0]["server_pid"]) > 0
    assert {row["wait_reason"] for row in activity if row["state"] == "waiting"} == {"pool_size"}
    for thread in threads:
        thread.join()
    row = queries(proxy, "BY queue")["select pg_sleep($1)"]
    assert float(row["queue_ms"]) == pytest.approx(300 + 600 + 900, rel=0.2)
    assert float(row["server_ms"]) == pytest.approx(1200, rel=0.12)
    waits = {row["reason"]: row for row in table(proxy, "SHOW WAITS")}
    assert int(waits["pool_size"]["waits"]) == 3
    assert float(waits["pool_size"]["total_wait_ms"]) == pytest.approx(1800, rel=0.2)


def test_a_slow_reader_shows_as_client_time(pooler):
    proxy = pooler()
    client = proxy.wire()
    client.send(query("select repeat('x', 1000) from generate_series(1, 60000)"))
    time.sleep(1.0)
    client.until("Z")
    client.close()
    row = queries(proxy)["select repeat($1, $2) from generate_series($3, $4)"]
    assert int(row["rows"]) == 60000 and int(row["bytes_out"]) > 60_000_000
    assert float(row["client_ms"]) > 500
    assert float(row["server_ms"]) < 500


def test_errors_count_with_their_sqlstate(pooler):
    proxy = pooler()
    with proxy.connect() as client:
        for _ in range(3):
            with pytest.raises(psycopg.Error):
                client.execute("select 1 / 0")
    row = queries(proxy, "BY errors LIMIT 1")["select $1 / $2"]
    assert (int(row["calls"]), int(row["errors"]), row["last_sqlstate"]) == (3, 3, "22012")


def test_time_idle_in_a_transaction_belongs_to_the_statement_before_it(pooler):
    proxy = pooler(pool_mode="transaction")
    with proxy.connect() as client:
        client.execute("begin")
        client.execute("select 'held'")
        time.sleep(0.3)
        states = [row["state"] for row in table(proxy, "SHOW ACTIVITY")]
        client.execute("commit")
    assert states == ["idle in transaction"]
    found = queries(proxy)
    assert float(found["select $1"]["idle_in_transaction_ms"]) == pytest.approx(300, rel=0.2)
    assert float(found["begin"]["idle_in_transaction_ms"]) < 100


def test_one_query_is_told_in_full_and_slow_ones_are_kept(pooler):
    proxy = pooler(log_min_duration_statement=300)
    with proxy.connect() as client:
        client.execute("select pg_sleep(0.6)")
        client.execute("select 1")
    slow = table(proxy, "SHOW SLOW_QUERIES")
    assert [row["query"] for row in slow] == ["select pg_sleep($1)"]
    assert float(slow[0]["server_ms"]) == pytest.approx(600, rel=0.1) and slow[0]["user"] == "bouncer"
    told = {row["name"]: row["value"] for row in table(proxy, f"SHOW QUERY {slow[0]['queryid']}")}
    assert told["query"] == "select pg_sleep($1)" and told["calls"] == "1"
    assert any(name.startswith("calls from ") for name in told)


def test_the_order_and_the_limit_are_those_asked_for(pooler):
    proxy = pooler()
    with proxy.connect() as client:
        for _ in range(5):
            client.execute("select 'often'")
        client.execute("select pg_sleep(0.1)")
    assert [row["query"] for row in table(proxy, "SHOW QUERIES BY calls LIMIT 1")] == ["select $1"]
    assert [row["query"] for row in table(proxy, "SHOW QUERIES BY max LIMIT 1")] == ["select pg_sleep($1)"]
    with proxy.console() as console:
        for wrong in ("SHOW QUERIES BY nothing", "SHOW QUERIES LIMIT x", "SHOW QUERIES BY", "SHOW QUERY",
                      "RESET", "SHOW POOLS BY x"):
            with pytest.raises(PgError):
                console.table(wrong)


def test_reset_forgets(pooler):
    proxy = pooler()
    with proxy.connect() as client:
        client.execute("select 1")
    assert queries(proxy)
    proxy.command("RESET QUERIES")
    assert not queries(proxy)


def test_switched_off_nothing_is_counted(pooler):
    proxy = pooler(query_digests=0)
    with proxy.connect() as client:
        client.execute("select 1")
    assert not queries(proxy)
    proxy.command("SET query_digests = 1")
    with proxy.connect() as client:
        client.execute("select 1")
    assert "select $1" in queries(proxy)


def test_distinct_statements_stay_within_the_bound(pooler):
    proxy = pooler(query_digests_max=50)
    with proxy.connect() as client:
        for i in range(300):
            client.execute(f"select 1 as c{i}")
    found = queries(proxy)
    assert len(found) == 50
    assert {int(row["evicted"]) for row in found.values()} == {250}
