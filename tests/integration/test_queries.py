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


class Walls:
    """How long each of several calls took here, in milliseconds: no part of it that the pooler tells can be longer."""

    def __init__(self):
        self.each = []

    def run(self, call, *arguments):
        begun = time.monotonic()
        result = call(*arguments)
        self.each.append((time.monotonic() - begun) * 1000)
        return result


def milliseconds(row, *names):
    return sum(float(row[f"{name}_ms"]) for name in names)


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
    proxy, walls = pooler(), Walls()
    with proxy.connect() as client:
        client.execute("select 1")     # the server is there: no wait for a connection below
        for ms in (300, 500, 700):
            walls.run(client.execute, f"select pg_sleep({ms / 1000})")
    row = queries(proxy)["select pg_sleep($1)"]
    assert milliseconds(row, "server") >= 1500
    assert milliseconds(row, "queue", "server", "stream", "client") <= sum(walls.each)
    low, high = milliseconds(row, "min_time"), milliseconds(row, "max_time")
    assert 300 <= low <= walls.each[0] and 700 <= high <= max(walls.each)
    # Of three values the deviation is between these parts of their range, whatever the one in the middle is.
    assert 0.4 * (high - low) < milliseconds(row, "stddev_time") < 0.6 * (high - low)
    assert milliseconds(row, "queue") == 0


def test_a_full_pool_shows_as_queue_time_and_as_wait_for_pool_size(pooler):
    proxy = pooler(default_pool_size=1, pool_mode="transaction")

    def sleeper():
        with proxy.connect() as client:
            client.execute("select pg_sleep(0.3)")
    with proxy.connect() as holder:
        holder.execute("begin")
        walls = Walls()
        threads = [threading.Thread(target=walls.run, args=(sleeper,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        eventually(lambda: proxy.pool()["cl_waiting"] == 3)
        assert {row["wait_reason"] for row in table(proxy, "SHOW ACTIVITY") if row["state"] == "waiting"} == {"pool_size"}
        time.sleep(0.4)
        holder.execute("commit")
    eventually(lambda: [(row["query"], int(row["server_pid"]) > 0) for row in table(proxy, "SHOW ACTIVITY") if row["state"] == "active"]
               == [("select pg_sleep($1)", True)])
    for thread in threads:
        thread.join()
    row = queries(proxy, "BY queue")["select pg_sleep($1)"]
    # All three wait for the holder, and one after the other for those in front of them.
    assert milliseconds(row, "queue") >= 3 * 400 + 300 + 600
    assert milliseconds(row, "server") >= 900 and milliseconds(row, "queue", "server") <= sum(walls.each)
    waits = {row["reason"]: row for row in table(proxy, "SHOW WAITS")}
    assert int(waits["pool_size"]["waits"]) == 3
    assert milliseconds(waits["pool_size"], "total_wait") == pytest.approx(milliseconds(row, "queue"), rel=0.01)


def test_a_slow_reader_shows_as_client_time(pooler, cluster):
    proxy = pooler()
    client = proxy.wire()
    client.send(query("select repeat('x', 1000) from generate_series(1, 60000)"))
    eventually(lambda: cluster.value("select wait_event from pg_stat_activity where query like 'select repeat%' and state = 'active'") == "ClientWrite")
    time.sleep(1.0)
    client.until("Z")
    client.close()
    row = queries(proxy)["select repeat($1, $2) from generate_series($3, $4)"]
    assert int(row["rows"]) == 60000 and int(row["bytes_out"]) > 60_000_000
    assert milliseconds(row, "client") > 900


def test_errors_count_with_their_sqlstate(pooler):
    proxy = pooler()
    with proxy.connect() as client:
        for _ in range(3):
            with pytest.raises(psycopg.Error):
                client.execute("select 1 / 0")
    row = queries(proxy, "BY errors LIMIT 1")["select $1 / $2"]
    assert (int(row["calls"]), int(row["errors"]), row["last_sqlstate"]) == (3, 3, "22012")


def test_time_idle_in_a_transaction_belongs_to_the_statement_before_it(pooler):
    proxy, first = pooler(pool_mode="transaction"), Walls()
    with proxy.connect() as client:
        first.run(lambda: [client.execute("begin"), client.execute("select 'held'")])
        time.sleep(0.3)
        states = [row["state"] for row in table(proxy, "SHOW ACTIVITY")]
        client.execute("commit")
    assert states == ["idle in transaction"]
    found = queries(proxy)
    assert milliseconds(found["select $1"], "idle_in_transaction") >= 300
    assert milliseconds(found["begin"], "idle_in_transaction") <= first.each[0]


def test_one_query_is_told_in_full_and_slow_ones_are_kept(pooler):
    proxy, walls = pooler(log_min_duration_statement=300), Walls()
    with proxy.connect() as client:
        client.execute("select 1")
        walls.run(client.execute, "select pg_sleep(0.6)")
    slow = table(proxy, "SHOW SLOW_QUERIES")
    assert [row["query"] for row in slow] == ["select pg_sleep($1)"]
    assert 600 <= milliseconds(slow[0], "server") <= walls.each[0] and slow[0]["user"] == "bouncer"
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
