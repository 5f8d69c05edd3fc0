"""PREPARE, EXECUTE and DEALLOCATE in SQL, in transaction mode, across servers: each script is answered as a PostgreSQL of
one's own answers it, byte for byte."""
import pytest
from statements import codes, one_server, prepare, run, server_names, two_servers  # noqa: F401: fixtures
from wire import FLUSH, SYNC, bind, close, describe, errors, execute, extended, parse, query, rows, tags

pytestmark = pytest.mark.ours

# Each string is one request.
SCRIPTS = {
    "a life": ["prepare p(int, text) as select $1 + 1, $2", "execute p(1, 'x')", "EXECUTE P (2, 'y');", "deallocate p", "execute p(1, 'x')"],
    "quoted names": ['prepare "My plan" as select 1', 'execute "My plan"', 'execute my', 'deallocate prepare "My plan"', 'prepare "a""b" as select 2',
                     'execute "a""b"', 'execute "A""b"', 'deallocate "a""b"'],
    "comments": ["/* a */ prepare /* b */ p /* c */ as select 'x' -- d", "-- e\nexecute -- f\np -- g", "/* h /* i */ */ deallocate /* j */ p /* k */; -- l"],
    "a name that is taken": ["prepare p as select 1", "prepare p as select 2", "execute p", "prepare p as selec", "prepare p as select nowhere",
                             "prepare p as select * from nowhere", "execute p"],
    "errors in the text": ["prepare p as selec", "prepare longername as select 1, nowhere", "prepare p as select * from nowhere", "execute p", "prepare p as",
                           "prepare p", "prepare", "execute", "deallocate", "prepare p as create table x()", "prepare p as select 1"],
    "errors in the values": ["prepare a_rather_long_name_for_a_statement(int) as select 1/$1", "execute a_rather_long_name_for_a_statement(0)",
                             "execute a_rather_long_name_for_a_statement('x')", "execute a_rather_long_name_for_a_statement(1, nowhere)",
                             "execute a_rather_long_name_for_a_statement", "execute a_rather_long_name_for_a_statement(1)"],
    "unknown names": ["execute nobody", "deallocate nobody", "execute nobody(1)", "begin", "deallocate nobody", "select 1", "rollback"],
    "rolled back, it stays": ["begin", "prepare p as select 1", "rollback", "execute p", "begin", "deallocate p", "rollback", "execute p"],
    "a failed transaction": ["prepare p as select 1", "begin", "select 1/0", "execute p", "prepare q as select 2", "deallocate p", "deallocate all", "rollback",
                             "execute p", "execute q"],
    "committed within": ["begin", "prepare p(int) as select $1", "execute p(3)", "commit", "execute p(4)"],
    "all of them": ["prepare p as select 1", "prepare q as select 2", "deallocate all", "execute p", "execute q", "prepare p as select 3", "execute p",
                    "DISCARD ALL", "execute p", "deallocate prepare all"],
    "one called all": ['prepare "all" as select 1', 'execute "all"', 'deallocate "all"', 'execute "all"'],
    "several in one string": ["prepare p as select 1; execute p; deallocate p", "prepare p as select 1; execute p; prepare q as select 1; execute q",
                              "execute p; execute q; deallocate q; execute p", "execute p; execute nobody; execute p", "execute p;;execute p;",
                              "deallocate p; prepare p as select 'new'; execute p", "execute p", "deallocate all; prepare p as select 5; execute p", "execute p",
                              "select 1; select 1/0; deallocate p", "execute p", "deallocate p; select 1/0", "execute p", "prepare z as select 9; select 1/0",
                              "execute z"],
    "transactions within a string": ["prepare p as select 1", "begin; execute p; prepare q as select 2; commit; execute q", "begin; select 1/0",
                                     "rollback; execute p", "begin; execute q; select 1/0", "rollback; deallocate q; execute p", "execute q"],
    "the same text under two names": ["prepare a as select 1", "prepare b as select 1", "execute a", "execute b", "execute b; execute a; prepare b as select 2",
                                    "execute a; execute b; prepare a as select 2", "deallocate a", "execute b", "execute a"],
    "explained, and into a table": ["prepare p(int) as select $1 + 1 as v", "explain (costs off) execute p(1)", "explain execute nobody",
                                    "explain (analyze, costs off, timing off, summary off) execute p(1)", "explain verbose execute p(2)",
                                    "create temp table t_as on commit drop as execute p(41)",
                                    "begin; create temp table t_as on commit drop as execute p(41); "
                                    "select v + 0 from t_as", "rollback"],
    "strings are strings": ["prepare p as select 1", "select '; execute p'", "select $$; deallocate p; $$", "select 'it''s; deallocate p'",
                            "select E'\\'; deallocate p; --'", 'select 1 as "; deallocate p"', "execute p"],
    "what changes data": ["prepare i(int) as insert into t_sql values ($1) returning a", "execute i(1)", "begin; execute i(2); rollback", "execute i(3)",
                          "prepare c as select count(*) from t_sql", "execute c", "execute i(4); execute c; select 1/0", "execute c"],
    "positions in another alphabet": ["prepare p as select 'äöü', nowhere", "prepare ü as select 'ä'", "execute ü", "select 'ää'; execute ü(nowhere)"],
    "not about these": ["prepare transaction 'x'", "discard plans", "discard temp", "execute", "explain select 1"],
    "a long text": ["prepare p as select 1, '" + "x" * 70_000 + "'", "execute p", "deallocate p"],
}


def by_query(sql):
    return query(sql)


def by_messages(sql):
    return extended(sql)


def named(sql):
    """As drivers do that prepare everything: under a name of its own, which stays."""
    return close("S", "driver's") + parse("driver's", sql) + describe("S", "driver's") + bind("", "driver's") + execute() + SYNC


def batch_by_batch(sql):
    return parse("", sql) + SYNC + bind("", "") + describe() + SYNC + parse("", sql) + bind() + execute() + SYNC


OWED = {batch_by_batch: 3}


def said(conn, how, sql):
    conn.send(how(sql))
    return [message for _ in range(OWED.get(how, 1)) for message in conn.until() if message.tag != "S"]


@pytest.fixture
def table(cluster):
    with cluster.connect("p0") as conn:
        conn.execute("drop table if exists t_sql; create table t_sql(a int); grant all on t_sql to public")
    return lambda: cluster.connect("p0").execute("truncate t_sql")


@pytest.mark.parametrize("how", [by_query, by_messages, named, batch_by_batch])
@pytest.mark.parametrize("about", SCRIPTS)
@pytest.mark.parametrize("switching", [False, True])
def test_a_script_is_answered_as_by_a_server_of_ones_own(pooler, cluster, table, about, how, switching):
    p = pooler(pool_mode="transaction", default_pool_size=2, max_prepared_statements=3)
    with p.wire() as conn, p.wire() as other, cluster.wire("p0") as own:
        expected = []
        for sql in SCRIPTS[about]:
            expected.append((sql, said(own, how, sql)))
        table()
        got = []
        for sql, _ in expected:
            # Outside a transaction the other client takes the server that was used last.
            if switching and conn.status == "I":
                other.ask("rollback" if other.status == "T" else "begin")
            got.append((sql, said(conn, how, sql)))
            assert got[-1] == expected[len(got) - 1]
        other.ask("rollback")
        names = [row[0] for row in rows(conn.ask("select name from pg_prepared_statements"))]
        assert all(name.startswith("PGBOUNCER_") for name in names) or about in ("errors in the text",), names
        assert len(names) <= 3
