"""COPY gone wrong in each way it can: the server is released, and what comes late is discarded (T41, T42)."""
import time

import pytest
from wire import COPY_DONE, FLUSH, SYNC, bind, copy_data, copy_fail, errors, eventually, execute, msg, parse, query, rows, tags


@pytest.fixture
def one_server(pooler, cluster):
    with cluster.connect("p0") as conn:
        conn.execute("drop table if exists copied; create table copied(a int check (a < 1000)); grant all on copied to public")
    return pooler(pool_mode="transaction", default_pool_size=1)


def start_copy(conn):
    conn.send(query("copy copied from stdin"))
    assert conn.read().tag == "G"


def start_copy_extended(conn):
    conn.send(parse("", "copy copied from stdin"), bind(), execute(), FLUSH)
    assert tags(conn.until("G")) == "12G"


def is_whole(pooler):
    with pooler.wire() as conn:
        assert [conn.value(f"select {i}") for i in range(5)] == [str(i) for i in range(5)]
    eventually(lambda: pooler.pool()["sv_active"] == 0)


def count(conn):
    return int(conn.value("select count(*) from copied"))


def test_T42_copy_done_ends_a_copy(one_server):
    with one_server.wire() as conn:
        start_copy(conn)
        conn.send(copy_data("1\n2\n"), COPY_DONE)
        assert tags(conn.until()) == "CZ" and count(conn) == 2
    is_whole(one_server)


def test_T42_copy_fail_ends_a_copy_with_an_error(one_server):
    with one_server.wire() as conn:
        start_copy(conn)
        conn.send(copy_data("1\n"), copy_fail("changed my mind"))
        assert errors(conn.until())[0]["C"] == "57014" and count(conn) == 0
    is_whole(one_server)


def test_T42_a_bad_row_fails_a_copy_while_data_still_comes(one_server):
    with one_server.wire() as conn, one_server.wire() as other:
        start_copy(conn)
        conn.send(copy_data("not a number\n"))
        assert errors(conn.until())[0]["C"] == "22P02"
        assert other.value("select 'meanwhile'") == "meanwhile"
        conn.send(*[copy_data("5\n")] * 100, COPY_DONE)
        assert count(conn) == 0
    is_whole(one_server)


def test_T42_late_copy_data_is_discarded_without_a_server(one_server):
    with one_server.wire() as conn, one_server.wire() as holder:
        start_copy(conn)
        conn.send(copy_data("bad\n"))
        assert errors(conn.until())
        holder.ask("begin")
        conn.send(copy_data("1\n"), COPY_DONE)
        assert conn.quiet(0.3)
        assert holder.value("select 1") == "1"
        holder.ask("commit")
        assert conn.value("select 1") == "1"


def test_T42_late_copy_fail_is_discarded(one_server):
    with one_server.wire() as conn:
        start_copy(conn)
        conn.send(copy_data("5000\n"), copy_data("x\n"))
        assert errors(conn.until())
        conn.send(copy_fail())
        assert count(conn) == 0
    is_whole(one_server)


@pytest.mark.ours
def test_T42_everything_in_one_segment(one_server):
    with one_server.wire() as conn:
        conn.send(query("copy copied from stdin"), copy_data("1\n"), COPY_DONE, query("select 'next'"))
        assert tags(conn.until()) == "GCZ" and rows(conn.until()) == [["next"]]
    is_whole(one_server)


def test_T42_a_copy_that_never_starts_ignores_its_data(one_server):
    with one_server.wire() as conn:
        conn.send(query("copy nowhere from stdin"), copy_data("1\n"), COPY_DONE, query("select 'next'"))
        assert errors(conn.until())[0]["C"] == "42P01" and rows(conn.until()) == [["next"]]
    is_whole(one_server)


def test_T41_an_extended_copy_with_an_early_sync_ends_and_frees_its_server(one_server):
    with one_server.wire() as conn:
        for _ in range(20):
            conn.send(parse("", "copy copied from stdin"), bind(), execute(), SYNC)
            assert tags(conn.until("G")) == "12G"
            conn.send(copy_data("3\n"), COPY_DONE, SYNC)
            assert tags(conn.until()) == "CZ"
            eventually(lambda: one_server.pool()["sv_active"] == 0)
        assert count(conn) == 20
    is_whole(one_server)


def test_T42_an_extended_copy_that_fails_goes_on_after_sync(one_server):
    with one_server.wire() as conn:
        start_copy_extended(conn)
        conn.send(copy_data("bad\n"), copy_data("1\n"))
        assert errors(conn.until("E"))[0]["C"] == "22P02"
        conn.send(copy_data("2\n"), COPY_DONE, SYNC)
        assert tags(conn.until()) == "Z" and count(conn) == 0
    is_whole(one_server)


def test_T42_an_extended_copy_fail_is_answered_after_sync(one_server):
    with one_server.wire() as conn:
        start_copy_extended(conn)
        conn.send(copy_fail(), SYNC)
        assert tags(conn.until()) == "EZ"
    is_whole(one_server)


def test_T42_copy_inside_a_transaction_keeps_the_server(one_server):
    with one_server.wire() as conn:
        conn.ask("begin")
        start_copy(conn)
        conn.send(copy_data("bad\n"), COPY_DONE)
        assert errors(conn.until()) and conn.status == "E"
        assert one_server.pool()["sv_active"] == 1
        conn.ask("rollback")
    is_whole(one_server)


@pytest.mark.parametrize("start", [start_copy, start_copy_extended])
@pytest.mark.parametrize("how", ["close", "reset", "half a message"])
def test_T42_a_client_that_dies_while_copying_in_leaves_nothing_behind(one_server, start, how):
    conn = one_server.wire()
    start(conn)
    conn.send(copy_data("1\n"))
    if how == "half a message":
        conn.send(copy_data("22\n")[:6])
    time.sleep(0.02)
    conn.close() if how == "close" else conn.reset()
    is_whole(one_server)
    with one_server.wire() as other:
        assert count(other) == 0


def test_T42_a_client_that_dies_while_copying_out_frees_its_server(one_server):
    conn = one_server.wire()
    conn.send(query("copy (select repeat('x', 10000) from generate_series(1, 20000)) to stdout"))
    conn.take(50000)
    conn.reset()
    is_whole(one_server)


def test_two_copies_in_one_query_both_run(one_server):
    with one_server.wire() as conn:
        conn.send(query("copy copied from stdin; copy copied from stdin; select count(*) from copied"))
        assert conn.read().tag == "G"
        conn.send(copy_data("1\n"), COPY_DONE)
        assert tags(conn.until("G")) == "CG"
        conn.send(copy_data("2\n"), COPY_DONE)
        assert rows(conn.until()) == [["2"]]
    is_whole(one_server)


def test_flush_and_sync_during_a_copy_are_ignored(one_server):
    with one_server.wire() as conn:
        start_copy(conn)
        conn.send(copy_data("1\n"), FLUSH, SYNC, copy_data("2\n"), COPY_DONE)
        assert tags(conn.until()) == "CZ" and count(conn) == 2
    is_whole(one_server)


def test_a_query_during_a_copy_fails_it(one_server):
    with one_server.wire() as conn:
        start_copy(conn)
        conn.send(copy_data("1\n"), query("select 1"))
        assert errors([conn.read()])[0]["C"] == "08P01"
    is_whole(one_server)
    with one_server.wire() as other:
        assert count(other) == 0


def test_leaving_after_a_failed_copy_is_orderly(one_server):
    with one_server.wire() as conn:
        start_copy(conn)
        conn.send(copy_data("bad\n"))
        conn.until()
        conn.send(copy_data("1\n"), msg("X"))
        assert conn.closed() == []
    is_whole(one_server)
