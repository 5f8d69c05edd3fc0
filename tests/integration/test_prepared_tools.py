"""Programs that prepare in SQL, and statement mode."""
import os
import re
import subprocess

import pytest
import servers
from statements import codes, one_server, prepare, run, two_servers  # noqa: F401: fixtures
from wire import SYNC, bind, execute, extended, parse, rows, tags

pytestmark = pytest.mark.ours


def test_T32_a_dump_through_the_pool_is_the_dump(pooler, cluster):
    """pg_dump says set_config('search_path', '', false), PREPARE and EXECUTE, and has many settings of its own."""
    with cluster.connect("p0") as owner:
        owner.execute("drop schema if exists t32 cascade; create schema t32; grant usage on schema t32 to public;"
                      "create table t32.things(id int primary key, name text default 'x' check (name <> ''));"
                      "insert into t32.things select i, 'n' || i from generate_series(1, 50) i;"
                      "create function t32.f(a int) returns int language sql as 'select a + 1';"
                      "create type t32.mood as enum ('sad', 'glad'); create domain t32.small as int check (value < 10);"
                      "create type t32.pair as (a int, b text); grant select on all tables in schema t32 to public")
    p = pooler(pool_mode="transaction", default_pool_size=2)

    def dump(port):
        done = subprocess.run([servers.PG_BIN / "pg_dump", "-h", "127.0.0.1", "-p", str(port), "-U", "bouncer", "-n", "t32", "p0"],
                              capture_output=True, text=True, timeout=30, env=dict(os.environ, PGPASSWORD="zzzz"))
        assert done.returncode == 0, done.stderr
        return re.sub(r"^\\(?:un)?restrict .*$", "", done.stdout, flags=re.M)

    with p.wire() as before:
        before.ask("set search_path = t32")
        through = dump(p.port)
        assert through == dump(cluster.port) and "COPY t32.things" in through
        assert before.value("select count(*) from things") == "50"
        assert before.value("show search_path") == "t32"
    with p.wire() as after:
        assert after.value("show search_path") == '"$user", public'


def test_T32_set_config_through_parse_is_its_clients_alone(two_servers):
    with two_servers.wire() as a, two_servers.wire() as b:
        a.send(extended("select set_config('search_path', '', false)")).until()
        prepare(a, "path", "show search_path")
        prepare(b, "path", "show search_path")
        for held in (False, True):
            if held:
                b.ask("begin")
            assert rows(run(a, "path")) == [[""]] and rows(run(b, "path")) == [['"$user", public']]


def test_names_last_in_statement_mode_too(pooler):
    p = pooler(pool_mode="statement", default_pool_size=2)
    with p.wire() as a, p.wire() as b, p.wire() as c:
        prepare(a, "s", "select $1::int + 1")
        prepare(b, "s", "select $1::int + 2")
        # Two at once, so that each client meets both servers.
        for turn in range(6):
            a.send(bind("", "s", (turn,)), execute(), SYNC)
            b.send(bind("", "s", (turn,)), execute(), SYNC)
            assert rows(a.until()) == [[str(turn + 1)]] and rows(b.until()) == [[str(turn + 2)]]
        assert not codes(a.ask("prepare p as select 'sql'"))
        c.send(bind("", "none"), SYNC).until()
        assert rows(a.ask("execute p")) == [["sql"]] and codes(b.ask("execute p")) == ["26000"]
        assert tags(a.send(parse("s", "select 1"), SYNC).until()) == "EZ"
