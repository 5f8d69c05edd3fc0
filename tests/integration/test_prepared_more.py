"""Prepared statements, continued: the unnamed one, SQL, failed batches, counters."""
import re
import time

import pytest
from statements import codes, one_server, prepare, run, server_names, two_servers  # noqa: F401: fixtures
from wire import (FLUSH, SYNC, bind, close, describe, errors, eventually, execute, extended, parse, query, rows, tags)

pytestmark = pytest.mark.ours


def test_T69_the_unnamed_statement_lasts_to_the_next_batch(two_servers):
    with two_servers.wire() as a, two_servers.wire() as b:
        for i in range(5):
            assert tags(a.send(parse("", "select 'a' || $1"), describe("S", ""), SYNC).until()) == "1tTZ"
            assert tags(b.send(parse("", "select 'b' || $1"), SYNC).until()) == "1Z"
            if i % 2:
                b.ask("begin")
                b.send(parse("", "select 'b' || $1"), SYNC).until()
            assert rows(a.send(bind("", "", (i,)), execute(), SYNC).until()) == [[f"a{i}"]]
            assert rows(b.send(bind("", "", (i,)), execute(), SYNC).until()) == [[f"b{i}"]]
            b.ask("rollback")


def test_T69_nobody_ever_gets_another_clients_unnamed_statement(one_server):
    with one_server.wire() as a, one_server.wire() as b:
        a.send(parse("", "select 'secret'"), SYNC).until()
        reply = b.send(bind(), execute(), SYNC).until()
        assert codes(reply) == ["26000"] and errors(reply)[0]["M"] == "unnamed prepared statement does not exist"
        assert rows(a.send(bind(), execute(), SYNC).until()) == [["secret"]]
        a.ask("select 1")
        assert codes(a.send(bind(), execute(), SYNC).until()) == ["26000"]


@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_T70_execute_and_deallocate_in_sql_reach_what_was_prepared_by_message(two_servers, protocol):
    def sql(conn, text):
        return conn.send(query(text) if protocol == "simple" else extended(text)).until()

    with two_servers.wire() as a, two_servers.wire() as b, two_servers.wire() as c:
        for conn in (a, b):
            prepare(conn, "My s", "select $1::int * 2")
        for holder in (b, None):
            if holder:
                holder.ask("begin")
            assert rows(sql(a, 'execute "My s" (21)')) == [["42"]]
        b.ask("commit")
        assert codes(sql(a, "execute nowhere(1)")) == ["26000"]
        a.ask("begin; select 1/0")
        assert codes(sql(a, 'deallocate "My s"')) == ["25P02"] and codes(sql(a, 'execute "My s"(1)')) == ["25P02"]
        a.ask("rollback")
        assert rows(run(a, "My s", (4,))) == [["8"]]
        reply = sql(a, 'DEALLOCATE PREPARE "My s";')
        assert tags(reply) == ("CZ" if protocol == "simple" else "12nCZ") and reply[-2].text() == "DEALLOCATE"
        assert codes(run(a, "My s", (4,))) == ["26000"] and codes(sql(a, 'deallocate "My s"')) == ["26000"]
        assert rows(run(b, "My s", (5,))) == [["10"]]
        prepare(a, "My s", "select 'anew'")


def test_T70_explaining_a_deallocate_all_takes_nothing_away(one_server):
    with one_server.wire() as a:
        prepare(a, "gone", "deallocate all")
        assert tags(a.ask("explain (costs off) execute gone; explain (costs off) execute gone")) == "TDCTDCZ"
        assert codes(a.ask("execute gone; execute gone")) == ["26000"]


@pytest.mark.parametrize("name", ['U&"d\\0061ta"', 'u&"d!0061ta" uescape \'!\''])
def test_a_name_in_unicode_escapes_is_as_its_server_reads_it(one_server, name):
    with one_server.wire() as a:
        assert tags(a.ask(f"prepare {name} as select 1; execute data; deallocate {name}")) == "CTDCCZ"


def test_T32_sql_prepare_and_execute_through_parse_in_one_transaction(one_server):
    with one_server.wire() as a:
        a.ask("begin")
        assert tags(a.send(extended("prepare p(int) as select $1 + 1")).until()) == "12nCZ"
        assert rows(a.send(extended("execute p(1)")).until()) == [["2"]]
        assert tags(a.send(extended("deallocate p")).until()) == "12nCZ"
        a.ask("commit")


def test_T72_a_parse_in_a_failed_transaction_leaves_no_name(one_server):
    with one_server.wire() as a, one_server.wire() as b:
        prepare(b, "known", "select 'x'")
        a.ask("begin; select 1/0")
        assert codes(a.send(parse("s", "select 'x'"), SYNC).until()) == ["25P02"]
        assert codes(a.send(parse("t", "select 'new'"), SYNC).until()) == ["25P02"]
        a.ask("rollback")
        prepare(a, "s", "select 'other'")
        assert rows(run(a, "s")) == [["other"]]
        a.send(query("begin") + query("select 1/0") + parse("u", "select 'x'") + SYNC + query("rollback"))
        assert "1" not in tags([message for _ in range(4) for message in a.until()])
        assert codes(run(a, "u")) == ["26000"]


def test_what_was_assumed_of_a_failed_batch_is_taken_back(one_server):
    with one_server.wire() as a:
        prepare(a, "old", "select 'old'")
        a.send(extended("select 1/0")[:-5] + parse("new", "select 'new'") + close("S", "old") + parse("old", "select 'x'") + SYNC
               + bind("", "old") + execute() + SYNC + bind("", "new") + execute() + SYNC)
        assert tags(a.until()) == "1EZ"
        assert rows(a.until()) == [["old"]]
        assert codes(a.until()) == ["26000"]


def test_T76_a_parse_does_not_need_a_server_to_itself(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=2, query_wait_timeout=5)
    with p.wire() as a, p.wire() as b, p.wire() as c:
        prepare(a, "s", "select 1")
        a.ask("begin")
        b.ask("begin")
        prepare(c, "s", "select 1")
        assert tags(c.send(close("S", "s"), SYNC).until()) == "3Z"
        prepare(c, "s", "select 1")
        c.send(bind("", "s"), execute(), SYNC)
        b.ask("commit")
        assert rows(c.until()) == [["1"]]


def test_session_mode_passes_everything_through(pooler):
    p = pooler(pool_mode="session")
    with p.wire() as a:
        prepare(a, "mine", "select 1")
        assert server_names(a) == ["mine"]


def test_zero_switches_it_off(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, max_prepared_statements=0)
    with p.wire() as a:
        prepare(a, "mine", "select 1")
        assert server_names(a) == ["mine"]


def test_the_counters_count(one_server):
    with one_server.wire() as a, one_server.wire() as b:
        prepare(a, "s", "select 1")
        prepare(b, "s", "select 1")
        run(a, "s"), run(b, "s"), run(b, "s")
        stats = next(row for row in one_server.command("show stats") if row["database"] == "p0")
        assert (stats["total_client_parse_count"], stats["total_server_parse_count"], stats["total_bind_count"]) == ("2", "1", "3")


def test_the_slow_log_shows_the_clients_name_and_text(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=2, log_min_duration_statement=0)
    with p.wire() as a, p.wire() as b:
        prepare(a, "mine", "select 'slow' || $1")
        b.ask("begin")
        run(a, "mine", ("x",))
        p.log_has(r"execute mine: select 'slow' \|\| \$1")


def test_T76_what_one_workers_server_has_parsed_is_answered_by_all_of_them_while_no_server_is_free(pooler):
    """A pool of so many servers lives on both workers; clients are spread over them."""
    p = pooler(pool_mode="transaction", default_pool_size=5, workers=2)
    conns = [p.wire() for _ in range(12)]
    holders, others = conns[:5], conns[5:]
    assert tags(holders[0].send(parse("known", "select 'proof'"), SYNC).until()) == "1Z"
    for conn in holders:
        conn.ask("begin")
    for conn in others:
        assert tags(conn.send(parse("known", "select 'proof'"), SYNC).until()) == "1Z"
    for conn in holders:
        conn.ask("commit")
    for conn in others:
        assert rows(conn.send(bind("", "known"), execute(), SYNC).until()) == [["proof"]]
        conn.close()
