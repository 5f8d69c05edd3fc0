"""Reading without EXPLAIN: to whoever has the tables only, or the page's JSON only, a slow query, a full pool and a slow client
look different, though their clients see the same: an answer that takes long."""
import threading
import time

import pytest
import servers
from web import with_site
from wire import query

pytestmark = pytest.mark.skipif(servers.IS_PGBOUNCER, reason="PgBouncer does not tell")

PARTS = ("queue_ms", "state_ms", "server_ms", "stream_ms", "client_ms")


def reading(queries, waits):
    """What an operator says who knows nothing else: the statement that takes most time, and the part that most of it is."""
    worst = max(queries, key=lambda row: float(row["total_time_ms"]))
    part = max(PARTS, key=lambda name: float(worst[name]))
    if part == "queue_ms":
        wait = max(waits, key=lambda row: float(row["total_wait_ms"]))
        return f"full pool: {wait['reason']} of {wait['database']}/{wait['user']}"
    if part == "server_ms":
        return f"slow query: {worst['query']}"
    return f"slow client: {worst['query']}" if part == "client_ms" else part


def both_readings(proxy, site):
    console = reading(proxy.command("SHOW QUERIES"), proxy.command("SHOW WAITS"))
    page = reading(site.json("/api/show/queries?by=total")["rows"], site.json("/api/show/waits")["rows"])
    return console, page


def usual_load(proxy, until):
    with proxy.connect(application_name="usual") as client:
        while time.monotonic() < until:
            client.execute("select count(*) from pg_class where relname = 'x'")
            time.sleep(0.02)


def with_usual_load(proxy, seconds, task):
    thread = threading.Thread(target=usual_load, args=(proxy, time.monotonic() + seconds))
    thread.start()
    task()
    thread.join()


def test_a_slow_query_is_read_as_one(pooler):
    proxy, site = with_site(pooler, pool_mode="transaction", default_pool_size=4)

    def slow():
        with proxy.connect() as client:
            for _ in range(3):
                client.execute("select pg_sleep(0.5) from pg_class where relname = 'pg_class'")
    with_usual_load(proxy, 1.8, slow)
    expected = "slow query: select pg_sleep($1) from pg_class where relname = $2"
    assert both_readings(proxy, site) == (expected, expected)


def test_a_full_pool_is_read_as_one(pooler):
    """A transaction that does nothing keeps the only server; the statements that suffer are quick."""
    proxy, site = with_site(pooler, pool_mode="transaction", default_pool_size=1)

    def hold():
        with proxy.connect(application_name="hog") as client:
            client.execute("begin")
            client.execute("select 1 as held")
            time.sleep(1.5)
            waits = proxy.command("SHOW WAITS")
            row = next(row for row in waits if row["reason"] == "pool_size")
            assert int(row["waiting_now"]) == 1 and row["holders"].startswith("1 servers: hog (1); 100 % idle in transaction")
            assert next(row for row in site.json("/api/show/waits")["rows"] if row["reason"] == "pool_size")["holders"] == row["holders"]
            client.execute("commit")
    with_usual_load(proxy, 1.0, hold)
    expected = "full pool: pool_size of p0/bouncer"
    assert both_readings(proxy, site) == (expected, expected)
    # ... and the holder's statement tells of the time that it did nothing.
    held = next(row for row in proxy.command("SHOW QUERIES") if row["query"] == "select $1 as held")
    assert float(held["idle_in_transaction_ms"]) >= 1500 and float(held["server_ms"]) < 500


def test_a_slow_client_is_read_as_one(pooler):
    proxy, site = with_site(pooler, pool_mode="transaction", default_pool_size=4)

    def read_slowly():
        client = proxy.wire(timeout=30)
        client.send(query("select repeat('x', 1000) as line from generate_series(1, 60000)"))
        time.sleep(1.5)
        client.until("Z")
        client.close()
    with_usual_load(proxy, 1.0, read_slowly)
    expected = "slow client: select repeat($1, $2) as line from generate_series($3, $4)"
    assert both_readings(proxy, site) == (expected, expected)
