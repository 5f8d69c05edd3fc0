"""Prepared statements in transaction mode: drivers keep their caches on and never notice the pooler."""
import re
import time

import pytest
from statements import codes, one_server, prepare, run, server_names, two_servers  # noqa: F401: fixtures
from wire import (FLUSH, SYNC, bind, close, describe, errors, eventually, execute, extended, parse, query, rows, tags)

pytestmark = pytest.mark.ours


def test_a_statement_works_on_a_server_that_has_never_seen_it(two_servers):
    with two_servers.wire() as a, two_servers.wire() as b:
        prepare(a, "s", "select $1::int + 1")
        assert rows(run(a, "s", (1,))) == [["2"]]
        b.ask("begin")                       # takes the server that knows it
        assert rows(run(a, "s", (2,))) == [["3"]]
        b.ask("commit")


def test_names_are_each_clients_own(one_server):
    with one_server.wire() as a, one_server.wire() as b:
        prepare(a, "s", "select 'a'")
        prepare(b, "s", "select 'b'")
        assert (rows(run(a, "s")), rows(run(b, "s"))) == ([["a"]], [["b"]])


def test_the_same_text_is_prepared_once_per_server(one_server):
    clients = [one_server.wire() for _ in range(5)]
    for conn in clients:
        prepare(conn, "mine", "select 'once'")
        assert rows(run(conn, "mine")) == [["once"]]
    assert len(server_names(clients[0])) == 1
    assert re.fullmatch(r"PGBOUNCER_\d+", server_names(clients[0])[0])


@pytest.mark.parametrize("bytes_each_side", [1500, 3000, 70_000, 700_000])
def test_statements_and_parameters_of_any_size_pass(two_servers, bytes_each_side):
    text = f"select length($1::text), length('{'x' * bytes_each_side}')"
    with two_servers.wire() as a, two_servers.wire() as b:
        prepare(a, "s", text)
        value = "v" * bytes_each_side
        assert rows(run(a, "s", (value,))) == [[str(bytes_each_side)] * 2]
        b.ask("begin")
        assert rows(run(a, "s", (value,))) == [[str(bytes_each_side)] * 2]


def test_long_names_are_told_apart_by_their_first_63_bytes(two_servers):
    with two_servers.wire() as a:
        name = "n" * 63
        prepare(a, name + "1" * 3000, "select 1")
        assert codes(a.send(parse(name + "2", "select 2"), SYNC).until()) == ["42P05"]
        assert rows(run(a, name + "z" * 5000)) == [["1"]]
        assert tags(a.send(describe("S", name + "q" * 4000), close("S", name), SYNC).until()) == "tT3Z"


@pytest.mark.parametrize("segment", [1, 5, 7, 100])
def test_it_does_not_matter_how_the_bytes_are_cut(two_servers, segment):
    with two_servers.wire() as a:
        script = (parse("s", "select $1::text") + bind("", "s", ("x",)) + describe("S", "s") + execute() + SYNC + bind("", "s", ("y",))
                  + execute() + close("S", "s") + SYNC)
        for at in range(0, len(script), segment):
            a.send(script[at:at + segment])
        assert (tags(a.until()), tags(a.until())) == ("12tTDCZ", "2DC3Z")


def test_T08_the_parse_complete_we_owe_comes_before_the_error_and_never_between_rows(one_server):
    """h3."""
    with one_server.wire() as a:
        prepare(a, "one", "select 1/$1::int")
        prepare(a, "gen", "select generate_series(1, 500)")
        a.send(close("S", "one"), close("S", "gen"), SYNC).until()
        reply = a.send(parse("one", "select 1/$1::int"), bind("", "one", ("0",)), execute(), SYNC).until()
        assert tags(reply) == "1EZ"
        reply = a.send(parse("gen", "select generate_series(1, 500)"), describe("S", "gen"), bind("", "gen"), execute(),
                       parse("again", "select generate_series(1, 500)"), close("S", "gen"), SYNC).until()
        assert tags(reply) == "1tT2" + "D" * 500 + "C13Z"


def test_T11_parse_describe_flush_of_a_name_then_gone_frees_the_server(one_server):
    for again in range(2):
        conn = one_server.wire()
        conn.send(parse("s", "select 1"), describe("S", "s"), FLUSH)
        assert tags([conn.read() for _ in range(3)]) == "1tT"
        conn.close()
        with one_server.wire() as other:
            assert other.value("select 1") == "1"


def test_a_flush_after_a_known_parse_is_answered(one_server):
    with one_server.wire() as a, one_server.wire() as b:
        prepare(a, "s", "select 1")
        b.send(parse("t", "select 1"), FLUSH)
        assert b.read().tag == "1"
        b.send(close("S", "t"), FLUSH)
        assert b.read().tag == "3"
        assert tags(b.send(SYNC).until()) == "Z"


NAMED = [parse("s", "select $1::int"), bind("", "s", (7,)), describe(), execute(), close("S", "s"), SYNC]


@pytest.mark.parametrize("messages", range(1, len(NAMED) + 1))
@pytest.mark.parametrize("how", ["close", "reset"])
def test_T12_T26_a_client_killed_at_each_message_boundary_leaves_no_half_prepared_server(one_server, messages, how):
    conn = one_server.wire()
    conn.send(*NAMED[:messages])
    time.sleep(0.02)
    getattr(conn, how)()
    with one_server.wire() as other:
        prepare(other, "s", "select $1::int")
        assert rows(run(other, "s", (8,))) == [["8"]]
    eventually(lambda: one_server.pool()["sv_active"] == 0)


@pytest.mark.parametrize("order", ["close first", "parse first"])
@pytest.mark.parametrize("known", [False, True])
def test_T16_close_and_parse_of_one_name_in_a_batch(one_server, order, known):
    with one_server.wire() as conn:
        if known:
            prepare(conn, "s", "select 'old'")
        pair = [close("S", "s"), parse("s", "select 'new'")]
        if order == "parse first":
            pair.reverse()
        reply = conn.send(*pair, SYNC).until()
        if order == "close first":
            assert tags(reply) == "31Z" and rows(run(conn, "s")) == [["new"]]
        elif known:
            assert codes(reply) == ["42P05"] and rows(run(conn, "s")) == [["old"]]
        else:
            assert tags(reply) == "13Z" and codes(run(conn, "s")) == ["26000"]


@pytest.mark.parametrize("sql", ["deallocate all", "DISCARD ALL", "/* c */ Deallocate All;"])
@pytest.mark.parametrize("protocol", ["simple", "extended", "one batch"])
def test_T20_a_reset_in_a_pipeline_leaves_what_is_parsed_behind_it(two_servers, sql, protocol):
    with two_servers.wire() as conn:
        prepare(conn, "x", "select 'before'")
        reset = {"simple": query(sql), "extended": extended(sql),
                 "one batch": parse("", sql) + bind() + execute()}[protocol]
        conn.send(reset + parse("x", "select 'after'") + bind("", "x") + execute() + SYNC)
        said = conn.until()
        if protocol != "one batch":
            said = conn.until()
        assert rows(said) == [["after"]]
        assert rows(run(conn, "x")) == [["after"]]


@pytest.mark.parametrize("sql", ["deallocate all", "discard all"])
def test_T21_a_reset_by_one_client_costs_the_others_nothing(one_server, sql):
    with one_server.wire() as a, one_server.wire() as b:
        prepare(a, "s", "select 'mine'")
        prepare(b, "s", "select 'mine'")
        a.ask(sql)
        assert rows(run(b, "s")) == [["mine"]]
        assert codes(run(a, "s")) == ["26000"]
        prepare(a, "s", "select 'anew'")
        assert rows(run(a, "s")) == [["anew"]]


def test_a_reset_inside_a_function_heals_after_one_error(one_server):
    with one_server.wire() as a:
        prepare(a, "s", "select 'mine'")
        prepare(a, "t", "select 'other'")
        a.ask("do $$ begin execute 'deallocate all'; end $$")
        reply = run(a, "s")
        assert codes(reply) == ["26000"] and '"s"' in errors(reply)[0]["M"]
        assert rows(run(a, "s")) == [["mine"]] and rows(run(a, "t")) == [["other"]]


def test_T22_a_failed_parse_leaves_the_name_free(one_server):
    with one_server.wire() as a:
        assert codes(a.send(parse("s", "selec"), SYNC).until()) == ["42601"]
        assert tags(a.send(close("S", "s"), SYNC).until()) == "3Z"
        prepare(a, "s", "select 'right'")
        assert rows(run(a, "s")) == [["right"]]
        assert codes(a.send(parse("t", "select * from nowhere"), SYNC).until()) == ["42P01"]
        assert codes(run(a, "t")) == ["26000"]
        prepare(a, "t", "select 2")


def test_T23_a_describe_alone_works_after_a_server_switch(two_servers):
    with two_servers.wire() as a, two_servers.wire() as b:
        prepare(a, "s", "select 1 as one, $1::text as two")
        b.ask("begin")
        reply = a.send(describe("S", "s"), SYNC).until()
        assert tags(reply) == "tTZ" and [name for name, _ in reply[1].columns()] == ["one", "two"]


def test_T24_texts_with_the_same_murmur_hash_are_not_mixed_up(one_server):
    texts = ["SELECT 1 /* force_close_72_1104700233803323 */", "SELECT 2 /* force_close_246_1106019706635764 */"]
    with one_server.wire() as a:
        for i, text in enumerate(texts):
            prepare(a, f"s{i}", text)
        assert [rows(run(a, f"s{i}")) for i in range(2)] == [[["1"]], [["2"]]]
        assert len(server_names(a)) == 2


def test_T25_a_statement_of_the_batch_in_flight_is_never_dropped(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, max_prepared_statements=1)
    with p.wire() as a:
        batch = b"".join(parse(n, f"select '{n}'") for n in "abc")
        batch += b"".join(bind("", n) + execute() for n in "abc")
        assert [row[0] for row in rows(a.send(batch, SYNC).until())] == ["a", "b", "c"]
        for _ in range(3):
            for n in "abc":
                assert rows(run(a, n)) == [[n]]
                assert len(server_names(a)) == 1
        a.send(bind("", "a"), execute(), FLUSH)
        assert tags([a.read() for _ in range(3)]) == "2DC"
        a.send(bind("", "b"), execute(), SYNC)
        assert rows(a.until()) == [["b"]]


def test_T27_the_same_text_finds_each_clients_own_table(one_server, cluster):
    cluster.connect("p0").execute(
        "drop schema if exists t27a, t27b cascade; create schema t27a; create schema t27b;"
        "create table t27a.t as select 'a' as v; create table t27b.t as select 'b' as v;"
        "grant usage on schema t27a, t27b to public; grant select on all tables in schema t27a, t27b to public")
    with one_server.wire() as a, one_server.wire() as b:
        for conn, schema in ((a, "t27a"), (b, "t27b"), (a, "t27a")):
            conn.ask(f"begin; set local search_path = {schema}")
            if conn.send(parse("s", "select v from t"), SYNC).until()[0].tag == "E":
                conn.ask(f"rollback; begin; set local search_path = {schema}")
            assert rows(run(conn, "s")) == [[schema[-1]]]
            conn.ask("commit")
        for oid, expected in ((23, "integer"), (25, "text")):
            prepare(a, f"o{oid}", "select pg_typeof($1)", (oid,))
            assert rows(run(a, f"o{oid}", ("1",))) == [[expected]]


def test_T28_T71_a_changed_result_type_does_not_persist(two_servers, cluster):
    owner = cluster.connect("p0")
    owner.execute("drop table if exists t28; create table t28(a int); insert into t28 values (1); grant all on t28 to public")
    with two_servers.wire() as a, two_servers.wire() as b:
        prepare(a, "s", "select * from t28")
        assert rows(run(a, "s")) == [["1"]]
        b.ask("begin")
        assert rows(run(a, "s")) == [["1"]]
        b.ask("commit")
        owner.execute("alter table t28 add column b text default 'x'")
        # Who does not ask for the new description may have kept the old one: it has to be told, once.
        assert codes(run(a, "s")) == ["0A000"]
        assert rows(run(a, "s")) == [["1", "x"]]
        b.ask("begin")                                  # the other server has the old one too
        assert rows(run(a, "s")) == [["1", "x"]]
        b.ask("commit")
        prepare(b, "fresh", "select * from t28")
        assert rows(run(b, "fresh")) == [["1", "x"]]


def test_T29_a_named_commit_is_never_lost(two_servers):
    with two_servers.wire() as a, two_servers.wire() as b:
        prepare(a, "commit", "COMMIT")
        prepare(a, "one", "select 1")
        for failed in (False, True):
            b.ask("begin")
            a.ask("begin")
            if failed:
                a.ask("select 1/0")
            b.ask("commit")
            assert codes(run(a, "one")) == (["25P02"] if failed else [])
            assert run(a, "commit")[-2].text() == ("ROLLBACK" if failed else "COMMIT") and a.status == "I"


def test_T30_an_unknown_statement_is_26000_and_keeps_the_connection(one_server):
    with one_server.wire() as a:
        for request in (bind("", "none"), describe("S", "none"), bind(), describe("S", "")):
            reply = a.send(request, SYNC).until()
            assert codes(reply) == ["26000"] and tags(reply) == "EZ"
        assert errors(run(a, "none"))[0]["M"] == 'prepared statement "none" does not exist'
        a.ask("begin")
        assert codes(run(a, "none")) == ["26000"] and a.status == "E"
        a.ask("rollback")


def test_a_name_that_is_taken_is_42P05_and_keeps_the_connection_and_the_statement(one_server):
    with one_server.wire() as a:
        prepare(a, "s", "select 'first'")
        reply = a.send(parse("s", "select 'second'"), bind("", "s"), execute(), SYNC).until()
        assert tags(reply) == "EZ" and errors(reply)[0]["C"] == "42P05"
        assert errors(reply)[0]["M"] == 'prepared statement "s" already exists'
        assert rows(run(a, "s")) == [["first"]]
        assert codes(a.send(parse("s", "selec"), SYNC).until()) == ["42601"]


def test_T31_the_bound_holds_with_many_clients(pooler, cluster):
    p = pooler(pool_mode="transaction", default_pool_size=3, max_prepared_statements=10)
    clients = [p.wire() for _ in range(12)]
    for turn in range(5):
        for i, conn in enumerate(clients):
            conn.send(parse(f"s{turn}", f"select {i * 100 + turn}"), bind("", f"s{turn}"), execute(), SYNC)
        for i, conn in enumerate(clients):
            assert rows(conn.until()) == [[str(i * 100 + turn)]]
    for conn in clients[:3]:
        conn.ask("begin")
        assert len(server_names(conn)) <= 10
    assert max(int(row["prepared_statements"]) for row in p.command("show servers")) == 10
    assert {row["prepared_statements"] for row in p.command("show clients") if row["database"] == "p0"} == {"5"}
