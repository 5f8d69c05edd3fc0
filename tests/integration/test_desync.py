"""No client ever gets an answer that is another's: failures, deaths and leftovers at every point."""
import time

import pytest
from wire import (COPY_DONE, FLUSH, SYNC, Conn, bind, close, copy_data, copy_fail, describe, errors, eventually,
                  execute, extended, msg, parse, query, rows, send_cancel, tags)


@pytest.fixture
def one_server(pooler):
    """Transaction mode and a single server, so that whatever is left on it meets the next client."""
    return pooler(pool_mode="transaction", default_pool_size=1)


def is_whole(pooler, seconds=5.0):
    """The pool serves a new client, in order, and comes to rest."""
    with pooler.wire() as conn:
        for i in range(5):
            assert conn.value(f"select {i}") == str(i)
            assert rows(conn.send(extended("select $1::text", (f"v{i}",))).until()) == [[f"v{i}"]]
    eventually(lambda: pooler.pool()["sv_active"] == 0, seconds)


PIPELINE = [parse("", "select $1::int"), bind("", "", (7,)), describe(), execute(), close("P", ""), SYNC]


@pytest.mark.parametrize("messages", range(1, len(PIPELINE) + 1))
@pytest.mark.parametrize("how", ["close", "reset"])
def test_T12_a_client_killed_at_each_message_boundary_leaves_nothing_behind(one_server, messages, how):
    conn = one_server.wire()
    conn.send(*PIPELINE[:messages])
    time.sleep(0.02)
    getattr(conn, how)()
    is_whole(one_server)


@pytest.mark.parametrize("cut", [1, 4, 5, 9, 14])
def test_T12_a_client_killed_inside_a_message_leaves_nothing_behind(one_server, cut):
    conn = one_server.wire()
    conn.send((query("select 12345678") + query("select 2"))[:cut])
    time.sleep(0.02)
    conn.reset()
    is_whole(one_server)


def test_T11_parse_and_flush_without_sync_then_gone_frees_the_server(one_server):
    conn = one_server.wire()
    conn.send(parse("", "select 1"), describe("S", ""), FLUSH)
    assert tags([conn.read() for _ in range(3)]) == "1tT"
    conn.close()
    is_whole(one_server)


def test_an_open_transaction_of_a_client_that_died_is_rolled_back(one_server, cluster):
    cluster.connect("p0").execute("drop table if exists t12; create table t12(a int); grant all on t12 to public")
    conn = one_server.wire()
    conn.ask("begin; insert into t12 values (1)")
    conn.reset()
    is_whole(one_server)
    assert cluster.value("select count(*) from t12", "p0") == 0
    assert cluster.value("select count(*) from pg_locks where relation = 't12'::regclass", "p0") == 0


def test_T04_what_waited_in_the_queue_dies_with_its_client(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, query_wait_timeout=1)
    with p.wire() as busy, p.wire() as waiting:
        busy.ask("begin")
        waiting.send(extended("select 'stale'"))
        assert "D" not in tags(waiting.closed())
        busy.ask("commit")
        assert busy.value("select 'fresh'") == "fresh"
        is_whole(p)


def test_T05_a_refusal_never_puts_a_ready_for_query_before_the_sync(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, query_wait_timeout=1)
    with p.wire() as busy, p.wire() as waiting:
        busy.ask("begin")
        waiting.send(parse("", "select 1"), bind(), execute())
        assert tags(waiting.closed()) in ("E", "NE")


def test_T06_a_cancel_brings_no_ready_for_query_of_its_own(one_server):
    with one_server.wire() as conn:
        for i in range(5):
            send_cancel(one_server.address, conn.key)
            assert conn.value(f"select {i}") == str(i)
        assert conn.quiet(0.2)


def test_T07_replies_come_in_order_when_one_of_a_batch_fails(one_server):
    with one_server.wire() as conn:
        conn.send(parse("", "select 1"), bind(), execute(), parse("", "select 1/0"), bind(), execute(), parse("", "select 3"),
                  bind(), execute(), SYNC, extended("select 4"))
        assert tags(conn.until()) == "12DC1EZ"
        assert rows(conn.until()) == [["4"]]
    is_whole(one_server)


def test_a_failed_batch_does_not_keep_its_server(one_server):
    with one_server.wire() as bad, one_server.wire() as good:
        for broken in ("selec", "select 1/0", "select * from nowhere"):
            assert tags(bad.send(extended(broken)).until())[-2:] == "EZ"
            assert good.value("select 'ok'") == "ok"


def test_several_syncs_in_flight_hold_the_server_to_the_last_reply(pooler):
    """h1."""
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as piped, p.wire() as other:
        piped.send(extended("select pg_sleep(0.2)"), extended("select pg_sleep(0.2)"), extended("select 'third'"))
        other.send(query("select 'other'"))
        assert [tags(piped.until()) for _ in range(2)] == ["12TDCZ", "12TDCZ"]
        assert rows(piped.until()) == [["third"]]
        assert rows(other.until()) == [["other"]]


def test_T13_an_extended_query_inside_begin_works(one_server):
    with one_server.wire() as conn:
        conn.ask("begin")
        assert rows(conn.send(extended("select $1::int", (3,))).until()) == [["3"]] and conn.status == "T"
        assert tags(conn.send(extended("commit")).until()) == "12nCZ" and conn.status == "I"


def test_T14_discard_all_by_the_extended_protocol_works(one_server):
    with one_server.wire() as conn:
        assert tags(conn.send(extended("discard all")).until()) == "12nCZ"
        is_whole(one_server)


@pytest.mark.parametrize("read", [0, 1, 5, 70000])
def test_T15_a_client_that_leaves_in_the_middle_of_a_large_row_frees_its_server(one_server, read):
    conn = one_server.wire()
    conn.send(query("select repeat('x', 4000000) from generate_series(1, 4)"))
    if read:
        conn.take(read)
    conn.reset()
    is_whole(one_server, 10)


@pytest.mark.parametrize("order", ["close first", "parse first"])
def test_T16_close_and_parse_of_one_name_in_a_batch(pooler, order):
    with pooler(pool_mode="session").wire() as conn:
        pair = [close("S", "s"), parse("s", "select 'new'")]
        if order == "parse first":
            pair.reverse()
        reply = conn.send(*pair, SYNC).until()
        assert tags(reply) == ("31Z" if order == "close first" else "13Z")
        known = tags(conn.send(bind("", "s"), execute(), SYNC).until())
        assert known == ("2DCZ" if order == "close first" else "EZ")


@pytest.mark.ours
def test_T18_a_notification_on_an_idle_server_never_reaches_the_next_client(pooler, cluster):
    one_server = pooler(pool_mode="transaction", default_pool_size=1, verbose=1, session_state="off")     # else it is not on that server
    with one_server.wire() as listener, one_server.wire() as next_client:
        listener.ask("listen channel")
        cluster.connect("p0").execute("notify channel, 'secret'")
        one_server.log_has("DEBUG S-.*notification while idle: channel")
        assert tags(next_client.ask("select 'mine'")) == "TDCZ" and listener.quiet(0.1)


@pytest.mark.ours
def test_T18_a_notification_reaches_its_own_client_and_no_other_in_transaction_mode(pooler, cluster):
    one_server = pooler(pool_mode="transaction", default_pool_size=1, verbose=1)
    with one_server.wire() as listener, one_server.wire() as next_client:
        listener.ask("listen channel")
        cluster.connect("p0").execute("notify channel, 'secret'")
        message = listener.read()
        assert message.tag == "A" and b"secret" in message.body
        assert tags(next_client.ask("select 'mine'")) == "TDCZ" and next_client.quiet(0.1)
        cluster.connect("p0").execute("notify channel, 'again'")
        assert listener.read().tag == "A" and next_client.quiet(0.1)
        assert "notification while idle" not in one_server.log()


def test_T18_a_notification_reaches_its_own_client_in_session_mode(pooler, cluster):
    with pooler(pool_mode="session").wire() as listener:
        listener.ask("listen channel")
        cluster.connect("p0").execute("notify channel, 'hello'")
        message = listener.read()
        assert message.tag == "A" and b"hello" in message.body


def test_T03_a_server_killed_while_idle_is_replaced_without_a_word(one_server, cluster):
    with one_server.wire() as conn:
        for _ in range(3):
            pid = conn.value("select pg_backend_pid()")
            cluster.value(f"select pg_terminate_backend({pid})")
            eventually(lambda: one_server.pool()["sv_idle"] == 0)
            assert conn.value("select 1") == "1"


def test_a_server_killed_in_a_transaction_ends_that_client_only(one_server, cluster):
    with one_server.wire() as conn:
        conn.ask("begin")
        cluster.value(f"select pg_terminate_backend({conn.value('select pg_backend_pid()')})")
        assert errors(conn.closed())[0]["S"] == "FATAL"
    is_whole(one_server)


def test_T19_savepoints_and_failed_commits_keep_their_meaning(one_server):
    with one_server.wire() as conn:
        conn.ask("begin; savepoint a")
        assert errors(conn.ask("select 1/0")) and conn.status == "E"
        conn.ask("rollback to savepoint a")
        assert conn.status == "T" and conn.value("select 1") == "1"
        conn.ask("select 1/0")
        assert conn.ask("commit")[-2].text() == "ROLLBACK" and conn.status == "I"


def test_T50_an_advisory_lock_dies_with_its_client_in_session_mode(pooler, cluster):
    p = pooler(pool_mode="session", default_pool_size=1)
    conn = p.wire()
    conn.ask("select pg_advisory_lock(50)")
    conn.reset()
    eventually(lambda: cluster.value("select count(*) from pg_locks where locktype = 'advisory' and objid = 50") == 0)


def test_a_message_type_nobody_knows_ends_the_client(one_server):
    with one_server.wire() as conn:
        conn.send(msg("!", b"what"))
        assert "Z" not in tags(conn.closed())
    is_whole(one_server)


@pytest.mark.parametrize("length", [0, 3, 0x80000000, 0xFFFFFFFF])
def test_a_message_of_impossible_length_ends_the_client(one_server, length):
    with one_server.wire() as conn:
        conn.send(b"Q" + length.to_bytes(4, "big") + b"select 1\0")
        assert "Z" not in tags(conn.closed())
    is_whole(one_server)


def test_sync_and_terminate_alone_are_fine(one_server):
    with one_server.wire() as conn:
        assert tags(conn.send(SYNC).until()) == "Z"
        conn.send(msg("X"))
        assert conn.closed() == []
    is_whole(one_server)


def test_copy_messages_outside_of_copy_are_ignored_as_postgres_ignores_them(one_server):
    with one_server.wire() as conn:
        conn.send(copy_data("stray"), COPY_DONE, copy_fail(), query("select 'after'"))
        assert rows(conn.until()) == [["after"]]
    is_whole(one_server)
