"""The same bytes, sent to PostgreSQL directly and through the pool, are answered with the same bytes."""
import re

import pytest
from wire import (COPY_DONE, FLUSH, SYNC, bind, close, copy_data, copy_fail, describe, execute, extended, msg, parse,
                  query)

# Each script: chunks, and after each how many ReadyForQuery to await ('G', 'n': until that message instead).
SCRIPTS = {
    "simple": [(query("select 1, 'a'::text, null, 2.5::numeric, now() > '2000-01-01'"), 1)],
    "many statements": [(query("select 1; select 2; values ('x', 3)"), 1)],
    "empty": [(query(""), 1), (query(";"), 1), (query("-- only a comment"), 1)],
    "an error among statements": [(query("select 1; select 1/0; select 3"), 1)],
    "syntax error": [(query("selec 1"), 1), (query("select 1"), 1)],
    "transaction": [(query("begin"), 1), (query("select 1"), 1), (query("select 1/0"), 1), (query("select 2"), 1),
                    (query("commit"), 1)],
    "savepoint": [(query("begin; savepoint s; select 1"), 1), (query("rollback to s; commit"), 1)],
    "warnings": [(query("commit"), 1), (query("do $$ begin raise warning 'w'; raise notice 'n'; end $$"), 1)],
    "set and show": [(query("set timezone = 'Asia/Tokyo'; show timezone; reset timezone"), 1)],
    "extended": [(extended("select $1::int + $2::int", (1, 2)), 1), (extended("select $1::text", (None,)), 1)],
    "extended errors": [(extended("select $1::int", ("x",)), 1), (extended("selec"), 1), (extended("select 1"), 1)],
    "describe": [(parse("", "select $1::int a, $2::text b") + describe("S", "") + SYNC, 1)],
    "portals": [(query("begin"), 1), (parse("", "select generate_series(1, 7)") + bind("p") + execute("p", 3) + FLUSH
                                      + execute("p", 3) + SYNC, 1), (execute("p") + close("P", "p") + SYNC, 1),
                (query("commit"), 1)],
    "pipeline": [(b"".join(extended(f"select {i}") for i in range(20)), 20)],
    "pipeline with an error": [(extended("select 1") + extended("select 1/0") + extended("select 3"), 3)],
    "batch with an error": [(parse("", "select 1") + bind() + execute() + parse("", "selec") + bind() + execute() + SYNC, 1)],
    "unknown portal": [(execute("nowhere") + SYNC, 1), (describe("P", "nowhere") + SYNC, 1)],
    "close of the unknown": [(close("P", "nowhere") + close("S", "nowhere") + SYNC, 1)],
    "bad bind": [(parse("", "select $1::int") + bind("", "", (1, 2)) + SYNC, 1)],
    "copy out": [(query("copy (select generate_series(1, 100)) to stdout"), 1)],
    "copy in": [(query("create temp table t(a int)"), 1), (query("copy t from stdin"), "G"),
                (copy_data("1\n2\n") + COPY_DONE, 1), (query("select sum(a) from t; drop table t"), 1)],
    "copy fails": [(query("begin; create temp table t(a int) on commit drop"), 1), (query("copy t from stdin"), "G"),
                   (copy_fail("enough"), 1), (query("rollback"), 1)],
    "function call": [(msg("F", bytes.fromhex("000000b1" "00010001" "0002" "0000000400000028" "0000000400000002" "0001")), 1)],
    "large": [(query("select repeat('y', 300000), generate_series(1, 5)"), 1)],
    "wide": [(query("select " + ", ".join(f"{i} as c{i}" for i in range(1000))), 1)],
    "binary results": [(parse("", "select 258::int, 'a'::text") +
                        msg("B", b"\0\0" + b"\0\0" + b"\0\0" + b"\0\1\0\1") + describe() + execute() + SYNC, 1)],
    "extended transaction": [(extended("begin"), 1), (extended("select 1"), 1), (extended("select 1/0"), 1),
                             (extended("rollback"), 1)],
    "implicit transaction": [(parse("", "create temp table t2(a int) on commit drop") + bind() + execute() +
                              parse("", "insert into t2 values (1)") + bind() + execute() + SYNC, 1)],
    "sync only": [(SYNC + SYNC + SYNC, 3)],
    "discard all": [(query("discard all"), 1)],
    "odd bytes": [(query("select 'ä€𝄞', e'\\x01\\x7f'"), 1), (query(b"select '\xff\xfe'"), 1)],
}


def talk(conn, script):
    said = []
    for chunk, awaited in script:
        conn.send(chunk)
        for _ in range(awaited if isinstance(awaited, int) else 1):
            said += conn.until("Z" if isinstance(awaited, int) else awaited)
    return [(message.tag, re.sub(rb"L\d+\0", b"", message.body)) for message in said]


@pytest.fixture(scope="module")
def shared(cluster, binary):
    """One pooler for all scripts and one connection each way per mode: what a script leaves must not show either."""
    import servers
    started = {mode: servers.Pooler(cluster, binary, pool_mode=mode, default_pool_size=1)
               for mode in ("session", "transaction")}
    yield started
    wrong = [complaint for p in started.values() if (complaint := p.finish())]
    assert not wrong, wrong[0]


@pytest.mark.parametrize("mode", ["session", "transaction"])
@pytest.mark.parametrize("name", list(SCRIPTS))
def test_the_pool_answers_as_postgres_does(shared, cluster, mode, name):
    if mode == "transaction" and name == "copy in":
        pytest.skip("temporary tables that outlive a transaction are session state")
    with shared[mode].wire() as pooled, cluster.wire() as direct:
        assert talk(pooled, SCRIPTS[name]) == talk(direct, SCRIPTS[name])


@pytest.mark.parametrize("mode", ["session", "transaction"])
@pytest.mark.parametrize("segment", [1, 3, 7, 64])
def test_the_pool_answers_alike_however_the_bytes_are_cut(shared, cluster, mode, segment):
    script = query("select 1") + extended("select $1::text", ("abc",)) + query("select 1/0") + extended("select 2")
    with shared[mode].wire() as pooled, cluster.wire() as direct:
        for at in range(0, len(script), segment):
            pooled.send(script[at:at + segment])
        direct.send(script)
        assert [pooled.until() for _ in range(4)] == [direct.until() for _ in range(4)]
