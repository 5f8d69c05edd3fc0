"""T77: currval(), lastval() and random numbers from a seed are their session's: each client has its own, or an error, and never another's."""
import pytest
from test_isolation import isolation
from wire import errors, extended, query

pytestmark = pytest.mark.ours


@pytest.fixture
def numbered(cluster):
    with cluster.connect("p0") as direct:
        direct.execute("drop table if exists numbered; create table numbered (id serial, who text); grant all on numbered, numbered_id_seq to public")


@pytest.fixture
def two(pooler, numbered):
    """Two clients of a pool of two servers."""
    p = pooler(pool_mode="transaction", default_pool_size=2)
    with p.wire() as one, p.wire() as other:
        yield p, one, other


def ask(conn, sql, protocol):
    """A value, or an error's code."""
    messages = conn.send(protocol(sql)).until()
    failed = errors(messages)
    return failed[0]["C"] if failed else next((m.values()[0] for m in messages if m.tag == "D"), None)


@pytest.mark.parametrize("protocol", [query, extended], ids=["simple", "extended"])
def test_T77_lastval_is_of_the_clients_own_insert(two, protocol):
    p, one, other = two
    assert ask(one, "select lastval()", protocol) == "55000"
    for round_ in range(10):
        # Both insert before either asks; the next to ask is not the last who inserted.
        for conn, name in ((one, "one"), (other, "other")):
            ask(conn, f"insert into numbered (who) values ('{name}')", protocol)
        for conn, name in ((one, "one"), (other, "other")):
            mine = ask(conn, "select lastval()", protocol)
            assert ask(conn, f"select who from numbered where id = {mine}", protocol) == name, round_
            assert ask(conn, "select currval('numbered_id_seq')", protocol) in (mine, "55000")
    assert isolation(p)["sequence"] > 0


@pytest.mark.parametrize("protocol", [query, extended], ids=["simple", "extended"])
def test_T77_nobody_is_told_anothers_number(pooler, numbered, protocol):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as one, p.wire() as other:
        assert ask(one, "select lastval()", protocol) == "55000"
        mine = ask(one, "select nextval('numbered_id_seq')", protocol)
        assert ask(one, "select lastval()", protocol) == mine
        ask(one, "select 1", protocol)              # it has had its chance
        for text in ("select lastval()", "select currval('numbered_id_seq')"):
            assert ask(other, text, protocol) == "55000"
        # In a transaction that has taken none, too.
        for text in ("begin", "select 1"):
            ask(other, text, protocol)
        assert ask(other, "select lastval()", protocol) == "55000"
        ask(other, "rollback", protocol)


def test_T77_the_first_who_asks_is_told_its_own_number(pooler, numbered):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as one:
        one.ask("insert into numbered (who) values ('one')")
        assert one.value("select who from numbered where id = lastval()") == "one"


def test_T77_a_pool_whose_clients_never_ask_keeps_no_server(pooler, numbered):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as one, p.wire() as other:
        for conn in (one, other):
            conn.ask("insert into numbered (who) values ('x')")
            conn.ask("begin")
            assert conn.value("select nextval('numbered_id_seq') = currval('numbered_id_seq')") == "t"
            conn.ask("commit")
    assert isolation(p)["sequence"] == 0


@pytest.mark.parametrize("protocol", [query, extended], ids=["simple", "extended"])
@pytest.mark.parametrize("seed", ["select setseed(0.5)", "set seed = 0.5"])
def test_T77_a_seed_keeps_its_server_which_nobody_gets_afterwards(pooler, protocol, seed):
    p = pooler(pool_mode="transaction", default_pool_size=2)
    with p.wire() as one, p.wire() as other:
        assert ask(one, seed, protocol) != "42601"
        pid = one.value("select pg_backend_pid()")
        first = [one.value("select random()") for _ in range(3)]
        assert other.value("select pg_backend_pid()") != pid
        other.value("select random()")
        ask(one, seed, protocol)
        assert [one.value("select random()") for _ in range(3)] == first
    with p.wire() as three, p.wire() as four:
        for conn in (three, four):
            conn.ask("begin")
        assert pid not in [conn.value("select pg_backend_pid()") for conn in (three, four)]
