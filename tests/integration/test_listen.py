"""LISTEN in the shared modes: clients listen through one connection of the pool, and keep no server for it."""
import random
import threading
import time

import pytest
from listening import heard, isolation, listeners, notification, notify, pool, settled  # noqa: F401
from wire import SYNC, bind, errors, eventually, execute, extended, parse, query, tags

pytestmark = pytest.mark.ours


@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_a_client_that_listens_keeps_no_server(pool, notify, protocol):
    p = pool()
    with p.wire() as one, p.wire() as two:
        one.ask("listen news") if protocol == "simple" else one.send(extended("listen news")).until()
        settled(p, 1)
        assert two.value("select count(*) from pg_listening_channels()") == "0"
        notify("news", "hello")
        assert heard(one, 1) == [("news", "hello")]
        assert two.quiet(0.2)
        two.ask("notify news, 'from two'")
        assert heard(one, 1) == [("news", "from two")]
        assert one.value("select 1") == "1"
    assert isolation(p)["cleaned"] == 0


def test_more_listeners_than_servers(pool, notify, cluster):
    p = pool(size=2)
    clients = [p.wire() for _ in range(50)]
    for number, conn in enumerate(clients):
        assert tags(conn.ask(f"listen c{number % 10}; listen everyone")) == "CCZ"
    settled(p, 50)
    assert len(listeners(cluster)) == 1
    for number in range(10):
        notify(f"c{number}", str(number))
    notify("everyone", "all")
    for number, conn in enumerate(clients):
        assert heard(conn, 2) == [(f"c{number % 10}", str(number % 10)), ("everyone", "all")]
    states = [row["state"] for row in p.command("show servers")]
    assert states.count("listening") == 1
    for conn in clients:
        conn.close()
    settled(p, 0)
    eventually(lambda: not listeners(cluster))


@pytest.mark.parametrize("end", ["commit", "rollback", "rollback to a; commit", "release a; commit"])
def test_a_listen_in_a_transaction_counts_when_it_is_committed(pool, notify, end):
    p = pool()
    with p.wire() as one:
        one.ask("begin")
        one.ask("savepoint a")
        one.ask("listen news")
        for sql in end.split("; "):
            one.ask(sql)
        listens = "rollback" not in end
        settled(p, int(listens))
        notify("news", "1")
        assert heard(one, 1) == [("news", "1")] if listens else one.quiet(0.3)


@pytest.mark.parametrize("sql, left", [
    ("unlisten a", {"b", "C d"}), ("unlisten *", set()), ("discard all", set()), ('unlisten "C d"', {"a", "b"}),
    ("unlisten nothing", {"a", "b", "C d"}), ("begin; unlisten a; commit", {"b", "C d"}),
    ("begin; unlisten a; rollback", {"a", "b", "C d"}), ("begin; unlisten *; rollback", {"a", "b", "C d"}),
    ("begin; unlisten *; listen b; commit", {"b"}), ("begin; select 1; unlisten *; commit", set()),
    ("begin; unlisten b; savepoint s; unlisten *; rollback to s; commit", {"a", "C d"}),
    ("begin; savepoint s; unlisten *; rollback to s; unlisten b; commit", {"a", "C d"}),
    ("begin; savepoint s; unlisten *; select 1/0; rollback to s; commit", {"a", "b", "C d"}),
    ("begin; unlisten *; select 1/0; rollback", {"a", "b", "C d"}),
    ("listen e; unlisten b", {"a", "e", "C d"}), ("do $$ begin execute 'unlisten a'; end $$", {"b", "C d"}),
])
@pytest.mark.parametrize("how", ["one by one", "at once", "extended"])
def test_unlisten_is_exact(pool, notify, sql, left, how):
    p = pool()
    with p.wire() as one, p.wire() as two:
        one.ask('listen a; listen b; listen "C d"')
        settled(p, 1)

        if how == "at once":
            if sql == "discard all" or "1/0" in sql or "rollback to" in sql:
                pytest.skip("no one query")
            one.ask(sql)
        else:
            for part in [sql] if sql.startswith("do") else sql.split("; "):
                one.ask(part) if how == "one by one" else one.send(extended(part)).until()
        two.value("select 1")
        settled(p, 1 if left else 0)
        for channel in ("a", "b", "C d", "e"):
            notify(channel, "x")
        assert {channel for channel, _ in heard(one, len(left))} == left
        assert one.quiet(0.2)
        one.ask("unlisten *")
        settled(p, 0)
        notify("b", "y")
        assert one.quiet(0.2)


def test_pg_listening_channels_tells_what_a_client_listens_to(pool):
    p = pool()
    with p.wire() as one, p.wire() as two:
        one.ask('listen a; listen "B b"')
        settled(p, 1)
        assert sorted(one.rows("select pg_listening_channels()")) == [["B b"], ["a"]]
        assert one.value("select count(*) from pg_catalog.pg_listening_channels()") == "2"
        assert two.rows("select pg_listening_channels()") == []
        settled(p, 1)


@pytest.mark.parametrize("name", ['MixedCase', 'with "quotes"', "x" * 63, "ünïcödé " * 4, "a;drop table x--", "'", "\\", " "])
def test_any_name_is_a_channel(pool, cluster, name):
    p = pool()
    quoted = '"' + name.replace('"', '""') + '"'
    with p.wire() as one, cluster.connect("p0") as direct:
        one.ask(f"listen {quoted}")
        settled(p, 1)
        direct.execute(f"notify {quoted}, 'here'")
        assert heard(one, 1) == [(name, "here")]
        one.ask(f"unlisten {quoted}")
        settled(p, 0)


def test_a_name_is_cut_as_postgresql_cuts_it(pool, notify):
    p = pool()
    with p.wire() as one:
        one.ask("listen " + "n" * 100)
        settled(p, 1)
        notify("n" * 63, "short")
        assert heard(one, 1) == [("n" * 63, "short")]
        one.ask("unlisten " + "n" * 80)
        settled(p, 0)


def test_long_payloads_and_their_order(pool, notify):
    p = pool()
    with p.wire() as one:
        one.ask("listen news")
        settled(p, 1)
        sent = [str(number) + "p" * random.Random(number).choice([0, 10, 2000, 7990]) for number in range(300)]
        for payload in sent:
            notify("news", payload)
        assert [payload for _, payload in heard(one, 300)] == sent


def test_nothing_is_lost_or_told_twice_while_channels_move(pool, cluster):
    p = pool(size=2)
    done, count = threading.Event(), [0]

    def speak():
        with cluster.connect("p0") as direct:
            while not done.is_set():
                direct.execute("select pg_notify('moving', %s)", (str(count[0]),))
                count[0] += 1

    speaker = threading.Thread(target=speak)
    speaker.start()
    clients, firsts = [], []
    try:
        for _ in range(30):
            conn = p.wire()
            clients.append(conn)
            conn.send(query("listen moving"))
            assert any(message.tag == "Z" for message in conn.until())
            time.sleep(0.02)
        settled(p, 30)
    finally:
        done.set()
        speaker.join()
    last = count[0] - 1
    for conn in clients:
        got = []
        while not got or got[-1] != last:
            message = conn.read()
            if message.tag == "A":
                got.append(int(notification(message)[1]))
        assert got == list(range(got[0], last + 1))
        firsts.append(got[0])
        conn.close()
    assert len(set(firsts)) > 10          # they came while it went on


def test_a_client_in_a_transaction_is_told_behind_it(pool, notify):
    p = pool(size=2)
    with p.wire() as one:
        one.ask("listen news")
        settled(p, 1)
        one.send(query("select pg_sleep(0.5), 'slow'"))
        time.sleep(0.1)
        notify("news", "in the query")
        assert tags(one.until()) == "TDCZ"
        assert heard(one, 1) == [("news", "in the query")]
        one.ask("begin")
        notify("news", "in the transaction")
        assert one.quiet(0.3)
        assert tags(one.ask("select 1")) == "TDCZ"
        assert tags(one.ask("commit")) == "CZ"
        assert heard(one, 1) == [("news", "in the transaction")]
        # What it has asked for in one breath is answered first.
        one.send(query("begin") + query("select pg_sleep(0.3)"))
        one.until(), time.sleep(0.1)
        notify("news", "behind")
        one.send(query("commit") + query("select pg_sleep(0.1)") + query("select 3"))
        assert "".join(tags(one.until()) for _ in range(4)) == "TDCZCZTDCZTDCZ"
        assert heard(one, 1) == [("news", "behind")]


def test_psycopg(pool, notify):
    p = pool(size=2)
    connections = [p.connect(autocommit=True) for _ in range(10)]
    for conn in connections:
        conn.execute("listen jobs")
    settled(p, 10)
    notify("jobs", "work")
    with p.connect() as another:
        another.execute("notify jobs, 'more'")
    for conn in connections:
        notes = []
        for note in conn.notifies():
            notes.append((note.channel, note.payload))
            if len(notes) == 2:
                break
        assert notes == [("jobs", "work"), ("jobs", "more")]
        conn.close()


def test_asyncpg(pool, notify):
    asyncpg, asyncio = pytest.importorskip("asyncpg"), pytest.importorskip("asyncio")
    p = pool(size=2)

    async def run():
        connections = [await asyncpg.connect(host="127.0.0.1", port=p.port, user="bouncer", password="zzzz", database="p0")
                       for _ in range(20)]
        got = [[] for _ in connections]
        for place, conn in enumerate(connections):
            await conn.add_listener("jobs", lambda conn, pid, channel, payload, to=got[place]: to.append((channel, payload)))
        await asyncio.to_thread(settled, p, 20)
        await connections[3].execute("select pg_notify('jobs', 'through the pool')")
        await asyncio.to_thread(notify, "jobs", "direct")
        for _ in range(100):
            await asyncio.sleep(0.05)
            if all(len(mine) == 2 for mine in got):
                break
        for conn in connections:
            assert await conn.fetchval("select 1") == 1
            await conn.close()
        return got

    assert asyncio.run(run()) == [[("jobs", "through the pool"), ("jobs", "direct")]] * 20


def test_a_prepared_unlisten_is_seen_too(pool, notify):
    p = pool()
    with p.wire() as one:
        one.send(parse("u", "unlisten a") + SYNC).until()
        one.ask("listen a; listen b")
        settled(p, 1)
        assert not errors(one.send(bind("", "u", []) + execute() + SYNC).until())
        eventually(lambda: isolation(p)["pinned"] == 0)
        notify("a"), notify("b")
        assert heard(one, 1) == [("b", "")]
        assert one.quiet(0.2)
