"""Every kind of statement that changes its session, by every end: the first client keeps what it would keep on a connection
of its own, and the second sees nothing of it. The poolers are started once for all tests."""
import random
import select
from typing import NamedTuple

import pytest
import servers
from wire import SYNC, TERMINATE, bind, describe, errors, eventually, execute, extended, parse, query

pytestmark = pytest.mark.ours

ABSENT = ("", None)
LOCKS = "(select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())"


class Kind(NamedTuple):
    sql: str
    probe: str              # of the client that has run it
    mine: str
    others: tuple           # what the probe may tell anybody else
    undone: bool = True     # by a rollback
    moves: bool = True      # it follows its client to other servers
    local: bool = False     # it ends with its transaction, whatever that comes to


def setting(name):
    return f"select current_setting('{name}', true)"


KINDS = {
    "SET": Kind("set work_mem = '7MB'", setting("work_mem"), "7MB", ("4MB",)),
    "SET custom": Kind("set app.x = 'mine'", setting("app.x"), "mine", ABSENT),
    "SET LOCAL": Kind("set local work_mem = '7MB'", setting("work_mem"), "7MB", ("4MB",), local=True),
    "set_config": Kind("select set_config('app.tenant', 'mine', false)", setting("app.tenant"), "mine", ABSENT),
    "role": Kind("set role alice", "select current_user", "alice", ("bouncer",)),
    "session authorization": Kind("set session authorization alice", "select session_user", "alice", ("chief",)),
    "PREPARE": Kind("prepare mine as select 'mine'", "execute mine", "mine", ("26000",), undone=False),
    "LISTEN": Kind("listen ends_news", "", "ends_news", (None,), moves=False),
    "advisory lock": Kind("select pg_advisory_lock(7001)", f"select {LOCKS}", "1", ("0",), undone=False, moves=False),
    "temporary table": Kind("create temp table ends_scratch (x int)", "select to_regclass('pg_temp.ends_scratch') is not null", "t", ("f",),
                            moves=False),
    "held cursor": Kind("declare ends_kept cursor with hold for select 1", "select count(*) from pg_cursors", "1", ("0",), moves=False),
    "LOAD": Kind("load 'auto_explain'", setting("auto_explain.log_level"), "log", ABSENT, undone=False, moves=False),
    "DO": Kind("do $$begin perform set_config('app.done', 'mine', false); end$$", setting("app.done"), "mine", ABSENT),
    "function": Kind("select ends_sign_in('mine')", setting("ends.tenant"), "mine", ABSENT),
}
# What comes before the statement and behind it; whether what a rollback undoes is there afterwards.
ENDS = {
    "alone": ((), (), True),
    "commit": (("begin",), ("commit",), True),
    "rollback": (("begin",), ("rollback",), False),
    "rollback to a savepoint": (("begin", "savepoint a"), ("rollback to a", "commit"), False),
    "release": (("begin", "savepoint a"), ("release a", "commit"), True),
    "error": (("begin",), ("select 1/0", "commit"), False),
}
# All that anybody could see of another one's, at once.
RESIDUE = ("select current_setting('work_mem'), current_user = session_user and session_user in ('bouncer', 'chief'), "
           "coalesce(current_setting('app.x', true), ''), coalesce(current_setting('app.tenant', true), ''), coalesce(current_setting('app.done', true), ''), "
           "coalesce(current_setting('ends.tenant', true), ''), coalesce(current_setting('auto_explain.log_level', true), ''), "
           f"{LOCKS}, (select count(*) from pg_cursors), "
           "(select count(*) from pg_listening_channels()), to_regclass('pg_temp.ends_scratch') is null")
NOTHING = ["4MB", "t", "", "", "", "", "", "0", "0", "0", "t"]


@pytest.fixture(scope="module")
def pools(cluster, binary):
    """{number of servers: a pooler in transaction mode}"""
    with cluster.connect("p3") as direct:
        direct.execute("create or replace function ends_sign_in(t text) returns text language plpgsql as "
                       "$$ begin perform set_config('ends.tenant', t, false); return t; end $$")
        if direct.execute("select 1 from pg_roles where rolname = 'chief'").fetchone() is None:
            direct.execute("create role chief superuser login")
        direct.execute("grant alice to bouncer")
    auth = {"chief": "", "bouncer": "zzzz", "admin": "adminpass"}
    started = {size: servers.Pooler(cluster, binary, pool_mode="transaction", default_pool_size=size, auth_type="trust", auth=auth)
               for size in (1, 2)}
    yield started
    wrong = [complaint for one in started.values() if (complaint := one.finish())]
    assert not wrong, wrong[0]


def user_of(name):
    return "chief" if name in ("session authorization", "LOAD") else "bouncer"


def run(conn, sql, protocol):
    return conn.ask(sql) if protocol == "simple" else conn.send(extended(sql)).until()


def seen(conn, kind):
    """What the probe tells: a value, or the SQLSTATE of an error."""
    messages = conn.ask(kind.probe)
    failed = errors(messages)
    return failed[0]["C"] if failed else [message.values()[0] for message in messages if message.tag == "D"][0]


def hears(conn, cluster, patience):
    """Whether it is told of a notification: a LISTEN is in force."""
    with cluster.connect("p3") as direct:
        direct.execute("notify ends_news")
    heard = []
    while select.select([conn.sock], [], [], patience)[0]:
        heard.append(conn.read())
        if heard[-1].tag == "A":
            return "ends_news"
    return None


def check(name, conn, cluster, expected, patience=0.05):
    kind = KINDS[name]
    told = hears(conn, cluster, patience) if name == "LISTEN" else seen(conn, kind)
    assert told in expected, (name, told, expected)


@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", KINDS)
def test_the_first_keeps_what_it_would_keep_and_the_second_sees_nothing(pools, cluster, name, end, protocol):
    kind = KINDS[name]
    before, behind, stays = ENDS[end]
    stays = not kind.local and (stays or not kind.undone)
    p = pools[1 if kind.moves else 2]
    with p.wire("p3", user_of(name)) as one, p.wire("p3", user_of(name)) as two:
        for sql in (*before, kind.sql, *behind):
            run(one, sql, protocol)
        assert one.status == "I"
        for _ in range(2):
            check(name, two, cluster, kind.others)
            check(name, one, cluster, (kind.mine,) if stays else kind.others, patience=2 if stays else 0.05)
        assert two.rows(RESIDUE) == [NOTHING]
    with p.wire("p3", user_of(name)) as three, p.wire("p3", user_of(name)) as four:
        three.ask("begin")                     # so that both servers of a larger pool are looked at
        assert three.rows(RESIDUE) == [NOTHING]
        assert p is pools[1] or four.rows(RESIDUE) == [NOTHING]
        three.ask("commit")


@pytest.mark.parametrize("how", ["parameter", "options"])
def test_what_a_startup_message_sets_is_that_clients(pools, how):
    p = pools[1]
    start = {"work_mem": "7MB"} if how == "parameter" else {"options": "-c work_mem=7MB -c app.x=mine"}
    with p.wire("p3", **start) as one, p.wire("p3") as two:
        for _ in range(2):
            assert one.value("show work_mem") == "7MB"
            assert two.rows(RESIDUE) == [NOTHING]
        one.ask("begin; set work_mem = '8MB'; rollback")
        assert one.value("show work_mem") == "7MB"
    with p.wire("p3") as three:
        assert three.rows(RESIDUE) == [NOTHING]


def stream(sql, protocol):
    """Messages of a session that ends in the middle."""
    if protocol == "simple":
        return [query("begin"), query(sql), query("commit"), query("select 1")]
    found = []
    for text in ("begin", sql, "commit", "select 1"):
        found += [parse("", text), bind(), describe(), execute(), SYNC]
    return found


@pytest.mark.timeout(120)
@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("name", KINDS)
def test_who_vanishes_at_any_byte_leaves_nothing(pools, name, protocol):
    p = pools[1]
    draw = random.Random(f"{name} {protocol}")
    messages = stream(KINDS[name].sql, protocol)
    cuts, at = [], 0
    for message in messages:
        cuts.append(at + draw.randrange(1, len(message)))
        at += len(message)
        cuts.append(at)
    whole = b"".join(messages)
    with p.wire("p3", user_of(name)) as two:
        for cut in cuts:
            one = p.wire("p3", user_of(name))
            one.send(whole[:cut])
            way = draw.choice(["reset", "close", "terminate", "read"])
            if way == "read" and select.select([one.sock], [], [], 0.02)[0]:
                one.sock.recv(1 << 16)         # it has got some way
            if way == "terminate" and cut in (len(whole), 0):
                one.send(TERMINATE)
            one.reset() if way == "reset" else one.close()
            assert two.rows(RESIDUE) == [NOTHING], (cut, way)
            if name == "PREPARE":
                assert errors(two.ask("execute mine"))[0]["C"] == "26000", (cut, way)


def test_the_probes_would_see_what_is_there(pools, cluster):
    """On a connection of its own each kind is seen, and undone as its row says."""
    there = cluster.backends("p3")     # the pools'
    for name, kind in KINDS.items():
        for end, (before, behind, stays) in ENDS.items():
            with cluster.wire("p3", user_of(name)) as conn:
                for sql in (*before, kind.sql, *behind):
                    conn.ask(sql)
                stays = not kind.local and (stays or not kind.undone)
                check(name, conn, cluster, (kind.mine,) if stays else kind.others, patience=2 if stays else 0.05)
                if stays and name != "PREPARE":
                    assert conn.rows(RESIDUE) != [NOTHING], name
    eventually(lambda: cluster.backends("p3") <= there)
