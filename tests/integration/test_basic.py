"""What any client does: queries, COPY, large values, notices, in each pool mode."""
import asyncio
import os
import signal
import struct
import subprocess

import asyncpg
import pytest
from wire import (FLUSH, SYNC, Conn, PgError, bind, close, copy_data, COPY_DONE, describe, errors, eventually,
                  execute, extended, msg, parse, query, rows, tags)

MODES = ["session", "transaction", "statement"]


@pytest.mark.parametrize("mode", MODES)
def test_psql_works_through_the_pool(pooler, mode):
    p = pooler(pool_mode=mode)
    done = p.psql("-c", "select 6 * 7")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "42", "")


@pytest.mark.parametrize("mode", MODES)
def test_simple_and_extended_queries_answer_as_postgres_does(pooler, cluster, mode):
    p = pooler(pool_mode=mode)
    scripts = [query("select 1"), query(""), query("select 1; select 'two' as b"), query("select 1/0"),
               extended("select $1::int + 1", (41,)), extended("selec 1"), extended(""),
               parse("", "select 1") + describe("S", "") + SYNC,
               query("values (null), ('')")]
    with p.wire() as pooled, cluster.wire() as direct:
        for script in scripts:
            assert pooled.send(script).until() == direct.send(script).until()


def test_psycopg_parameters_arrive_typed(pooler):
    with pooler(pool_mode="transaction").connect() as conn:
        row = conn.execute("select %s::int + 1, %s::text, %s::bytea, %s::jsonb", (1, "ä", b"\0\1", '{"a": 1}')).fetchone()
        assert row == (2, "ä", b"\0\1", {"a": 1})


def test_asyncpg_without_its_statement_cache_works_in_transaction_mode(pooler):
    p = pooler(pool_mode="transaction", ignore_startup_parameters="extra_float_digits")

    async def work():
        conn = await asyncpg.connect(host="127.0.0.1", port=p.port, user="bouncer", database="p0",
                                     statement_cache_size=0)
        found = [await conn.fetchval("select $1::int * 2", i) for i in range(20)]
        async with conn.transaction():
            await conn.execute("create temp table t(a int) on commit drop")
            await conn.executemany("insert into t values ($1)", [(i,) for i in range(10)])
            found.append(await conn.fetchval("select sum(a) from t"))
        await conn.close()
        return found

    assert asyncio.run(work()) == [i * 2 for i in range(20)] + [45]


def test_asyncpg_with_its_statement_cache_works_in_session_mode(pooler):
    p = pooler(pool_mode="session", ignore_startup_parameters="extra_float_digits")

    async def work():
        conn = await asyncpg.connect(host="127.0.0.1", port=p.port, user="bouncer", database="p0")
        found = [await conn.fetchval("select $1::int * 2", i) for i in range(20)]
        await conn.close()
        return found

    assert asyncio.run(work()) == [i * 2 for i in range(20)]


@pytest.mark.parametrize("mode", MODES)
def test_copy_in_and_out_carry_every_row(pooler, cluster, mode):
    p = pooler(pool_mode=mode)
    cluster.connect("p0").execute(f"drop table if exists copied_{mode}; create table copied_{mode}(a int, b text);"
                                  f"grant all on copied_{mode} to public")
    with p.connect() as conn, conn.cursor() as cursor:
        with cursor.copy(f"copy copied_{mode} from stdin") as copy:
            for i in range(20000):
                copy.write_row((i, "x" * 50))
        with cursor.copy(f"copy (select a from copied_{mode} order by a) to stdout") as copy:
            assert [int(row[0]) for row in copy.rows()] == list(range(20000))
        assert cursor.execute(f"select count(*), sum(a) from copied_{mode}").fetchone() == (20000, 199990000)


def test_psqls_copy_reads_a_file_through_the_pool(pooler, tmp_path):
    path = tmp_path / "rows"
    path.write_text("".join(f"{i}\n" for i in range(1000)))
    done = pooler(pool_mode="session").psql("-c", "create temp table t(a int)", "-c", f"\\copy t from '{path}'",
                                            "-c", "select sum(a) from t")
    assert (done.stdout.split()[-1], done.stderr) == ("499500", "")


def test_psqls_watch_repeats_its_query_until_ctrl_c(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    psql = subprocess.Popen(["psql", "-XAtq", "-h", "127.0.0.1", "-p", str(p.port), "-U", "bouncer", "-d", "p0"], text=True, bufsize=1,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ, PGPASSWORD="zzzz"))
    psql.stdin.write("select 'tick' \\watch 0.1\n")
    psql.stdin.flush()
    ticks = 0
    with p.wire() as other:
        while ticks < 5:
            ticks += psql.stdout.readline() == "tick\n"
            assert other.value("select 1") == "1", "the one server is not watch's between two of its queries"
    psql.send_signal(signal.SIGINT)
    # In a pause it ends, in a query it cancels that first.
    psql.communicate(timeout=20)
    with p.wire() as other:
        assert other.value("select 1") == "1"
    eventually(lambda: p.pool()["sv_active"] == 0)


def test_an_eight_megabyte_value_goes_there_and_back(pooler):
    value = "0123456789abcdef" * (8 << 16)
    with pooler(pool_mode="transaction").connect() as conn:
        length, back = conn.execute("select length(%s), %s::text", (value, value)).fetchone()
        assert length == len(value) and back == value
        assert conn.execute("select 1").fetchone() == (1,)


def test_a_slow_reader_of_a_large_result_gets_all_of_it(pooler):
    with pooler(pool_mode="transaction").wire() as conn:
        conn.send(query("select repeat('x', 1000) from generate_series(1, 20000)"))
        assert not conn.quiet(0.5)
        assert len(rows(conn.until())) == 20000


def test_notices_reach_the_client(pooler):
    with pooler(pool_mode="transaction").wire() as conn:
        conn.ask("do $$ begin raise notice 'hello'; end $$")
        assert [notice["M"] for notice in conn.notices] == ["hello"]


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_T17_a_function_call_is_answered(pooler, mode):
    with pooler(pool_mode=mode).wire() as conn:
        oid = int(conn.value("select 'pg_catalog.int4pl(int,int)'::regprocedure::oid"))
        arguments = struct.pack("!HH", 1, 1) + struct.pack("!H", 2) + struct.pack("!iiii", 4, 40, 4, 2)
        reply = conn.send(msg("F", struct.pack("!I", oid) + arguments + struct.pack("!H", 1))).until()
        assert tags(reply) == "VZ" and reply[0].body == struct.pack("!ii", 4, 42)
        assert conn.value("select 1") == "1"


def test_the_unix_socket_serves_clients_too(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire(unix=True) as conn:
        assert conn.value("select current_database()") == "p0"


def test_transaction_mode_lets_two_clients_share_one_server(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as one, p.wire() as two:
        assert one.value("select pg_backend_pid()") == two.value("select pg_backend_pid()")


def test_transaction_mode_keeps_the_server_until_the_transaction_ends(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as one, p.wire() as two:
        one.ask("begin")
        two.send(query("select 'at last'"))
        assert two.quiet(0.4)
        assert one.ask("select 1/0")[-1].body == b"E"
        assert two.quiet(0.2), "a failed transaction still holds its server"
        one.ask("rollback")
        assert rows(two.until()) == [["at last"]]


def test_session_mode_keeps_the_server_until_the_client_leaves(pooler):
    p = pooler(pool_mode="session", default_pool_size=1)
    one, two = p.wire(), Conn(p.address)
    pid = one.value("select pg_backend_pid()")
    two.login("bouncer", "p0")
    two.send(query("select pg_backend_pid()"))
    assert two.quiet(0.4)
    one.send(msg("X"))
    one.close()
    assert rows(two.until()) == [[pid]]


def test_statement_mode_refuses_transaction_blocks(pooler):
    p = pooler(pool_mode="statement")
    with p.wire() as conn:
        conn.send(query("begin"))
        assert errors(conn.closed())[-1] == {
            "S": "FATAL", "C": "08P01", "M": "transaction blocks not allowed in statement pooling mode"}
    with p.wire() as conn:
        assert conn.value("select 1") == "1"


def test_a_pipeline_of_many_syncs_is_answered_in_order(pooler):
    with pooler(pool_mode="transaction", default_pool_size=2).wire() as conn:
        conn.send(*(extended("select $1::int", (i,)) for i in range(500)))
        assert [rows(conn.until()) for _ in range(500)] == [[[str(i)]] for i in range(500)]


def test_flush_brings_replies_before_sync(pooler):
    with pooler(pool_mode="transaction").wire() as conn:
        conn.send(parse("", "select 5"), bind(), FLUSH)
        assert tags([conn.read(), conn.read()]) == "12"
        conn.send(execute(), close("P", ""), SYNC)
        assert tags(conn.until()) == "DC3Z"


def test_named_portals_and_row_limits_work_inside_a_transaction(pooler):
    with pooler(pool_mode="transaction").wire() as conn:
        conn.ask("begin")
        conn.send(parse("", "select generate_series(1, 5)"), bind("portal"), execute("portal", 2), SYNC)
        assert tags(conn.until()) == "12DDsZ"
        conn.send(execute("portal"), SYNC)
        assert tags(conn.until()) == "DDDCZ"
        conn.ask("commit")


def test_copy_in_by_the_extended_protocol_works(pooler):
    with pooler(pool_mode="transaction").wire() as conn:
        conn.ask("begin; create temp table t(a int) on commit drop")
        conn.send(parse("", "copy t from stdin"), bind(), execute(), FLUSH)
        assert conn.until("G")[-1].tag == "G"
        conn.send(copy_data("1\n2\n"), COPY_DONE, SYNC)
        assert tags(conn.until()) == "CZ"
        assert conn.value("select sum(a) from t") == "3"
        conn.ask("commit")


def test_two_hundred_clients_in_turn_leave_no_trace(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=3)
    for i in range(200):
        with p.wire() as conn:
            assert conn.value(f"select {i}") == str(i)
    eventually(lambda: p.pool()["cl_active"] == 0 and p.pool()["sv_active"] == 0)
    assert p.pool()["sv_idle"] <= 3


def test_an_error_of_the_server_keeps_its_fields(pooler):
    with pooler(pool_mode="transaction").wire() as conn:
        with pytest.raises(PgError) as caught:
            conn.rows("select * from nowhere")
        assert caught.value.fields["C"] == "42P01" and caught.value.fields["V"] == "ERROR"
