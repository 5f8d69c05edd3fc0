"""Statements that do something to their sessions and are never the same twice: what pgweir remembers of them is bounded.

PGWEIR_DISTINCT=1000000 for the long version."""
import os

import pytest
from test_distinct import pour, resident
from test_isolation import isolation
from wire import SYNC, bind, execute, parse, query

pytestmark = pytest.mark.ours

COUNT = int(os.environ.get("PGWEIR_DISTINCT", 20_000))
MAY_GROW = 2 * 1024 * 1024

KINDS = {
    # all of one shape, and all of shapes of their own
    "set, simple": lambda i: query(f"set work_mem to {i % 1000 + 64}"),
    "set_config, simple": lambda i: query(f"select set_config('app.tenant', '{i}', false) as c{i}"),
    "set_config, prepared": lambda i: parse("", f"select set_config('app.tenant', $1, false) as c{i}") + bind("", "", [str(i)]) + execute() + SYNC,
    "named and closed": lambda i: query(f"prepare p{i} as select set_config('app.tenant', '{i}', false) as c{i}; deallocate p{i}"),
    "settings of ever new names": lambda i: query(f"set app.n{i} = '1'; reset app.n{i}"),
    "functions of the user's": lambda i: query(f"select no_such_function_{i}()"),
    "locks": lambda i: query(f"select pg_try_advisory_lock({i}) as c{i}; select pg_advisory_unlock({i})"),
    "channels": lambda i: query(f"listen c{i}; unlisten c{i}"),
}


@pytest.mark.timeout(60 + COUNT // 50)
@pytest.mark.parametrize("kind", KINDS)
def test_classification_of_ever_new_statements_is_bounded(pooler, kind):
    p = pooler(pool_mode="transaction", default_pool_size=1, workers=1, log_min_duration_statement=-1, query_digests_max=100)
    count = COUNT if "prepared" in kind else COUNT // 4
    pour(p, range(0, count), KINDS[kind])               # until all caches are full
    before = resident(p)
    pour(p, range(count, count + count // 2), KINDS[kind])
    grown = resident(p) - before
    assert grown < MAY_GROW, f"{grown / (count // 2):.0f} bytes a statement stay"
    assert len([row for row in p.command("show isolation") if row["queryid"]]) <= 1001


def test_a_client_that_sets_too_much_to_take_along_keeps_its_server(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=2, workers=1)
    with p.wire() as much, p.wire() as other:
        pid = much.value("select pg_backend_pid()")
        for i in range(30):
            much.ask(f"set app.n{i} = '{'x' * 4000}'")
        assert isolation(p)["unknown"] == 1
        assert {other.value("select pg_backend_pid()") for _ in range(5)}.isdisjoint({pid})
        assert much.value("select length(current_setting('app.n29'))") == "4000"
        much.ask("reset all")
        much.ask("set app.n1 = 'little'")
        # It shares servers again.
        with p.wire() as third:
            third.ask("begin")
            third.ask("select 1")
            assert other.value("select pg_backend_pid()") == much.value("select pg_backend_pid()")
            third.ask("commit")
        assert much.value("select current_setting('app.n1')") == "little"
        assert other.value("select coalesce(current_setting('app.n1', true), '')") == ""
