"""What drivers and frameworks do to their session by habit, and state of a session that is easily overlooked (T77, T78); replies that
once reached the wrong client (T01)."""
import pytest
from test_isolation import isolation
from wire import PgError, errors, eventually, extended, query

pytestmark = pytest.mark.ours


@pytest.fixture
def one_server(pooler):
    """A pool of one server, in transaction mode: two of its clients take turns on it."""
    return pooler(pool_mode="transaction", default_pool_size=1)


def extended_value(conn, sql, values=()):
    messages = conn.send(extended(sql, values)).until()
    for message in messages:
        if message.tag == "E":
            raise PgError(message)
    return [message.values()[0] for message in messages if message.tag == "D"][0]


# --- T01

@pytest.mark.parametrize("prepare", ["prepare broken as select no_such_column", "prepare broken as selec", "prepare broken(no_such_type) as select 1"])
def test_T01_a_prepare_that_fails_and_its_execute_are_that_clients_own_trouble(one_server, prepare):
    with one_server.wire() as one, one_server.wire() as two:
        for protocol in (query, extended):
            one.send(protocol(prepare) + protocol("execute broken"))
            assert [len(errors(one.until())) for _ in range(2)] == [1, 1]
            assert extended_value(two, "select 2") == "2"
            assert two.value("select 'two'") == "two"
        # ... and in one message, where the EXECUTE never runs.
        assert len(errors(one.ask(prepare + "; execute broken"))) == 1
        assert two.value("select 2") == "2"
        assert one.value("select 1") == "1"


# --- T77

@pytest.mark.parametrize("protocol", [query, extended], ids=["simple", "extended"])
def test_T77_set_transaction_ends_with_its_transaction(one_server, protocol):
    with one_server.wire() as one, one_server.wire() as two:
        for text in ("begin", "set transaction isolation level serializable, read only"):
            assert not errors(one.send(protocol(text)).until())
        assert (one.value("show transaction_isolation"), one.value("show transaction_read_only")) == ("serializable", "on")
        one.ask("commit")
        for conn in (two, one):
            assert (conn.value("show transaction_isolation"), conn.value("show transaction_read_only")) == ("read committed", "off")
    assert isolation(one_server)["replays"] == 0


@pytest.mark.parametrize("protocol", [query, extended], ids=["simple", "extended"])
def test_T77_session_characteristics_follow_their_client(one_server, protocol):
    with one_server.wire() as one, one_server.wire() as two:
        assert not errors(one.send(protocol("set session characteristics as transaction isolation level serializable, read only, deferrable")).until())
        for _ in range(3):
            assert (one.value("show transaction_isolation"), one.value("show transaction_read_only"), one.value("show transaction_deferrable")) == \
                ("serializable", "on", "on")
            assert (two.value("show transaction_isolation"), two.value("show transaction_read_only"), two.value("show transaction_deferrable")) == \
                ("read committed", "off", "off")


@pytest.mark.parametrize("protocol", [query, extended], ids=["simple", "extended"])
def test_T77_plan_cache_mode_follows_its_client(one_server, protocol):
    with one_server.wire() as one, one_server.wire() as two:
        assert not errors(one.send(protocol("set plan_cache_mode = force_generic_plan")).until())
        for conn in (one, two):
            conn.ask("prepare plan(int) as select $1 + 1")
        for _ in range(3):
            # A generic plan shows the parameter, a custom one its value.
            assert "$1" in one.rows("explain (verbose, costs off) execute plan(41)")[1][0]
            assert "42" in two.rows("explain (verbose, costs off) execute plan(41)")[1][0]


@pytest.mark.parametrize("protocol", [query, extended], ids=["simple", "extended"])
def test_T77_a_function_in_pg_temp_keeps_its_server(pooler, protocol):
    p = pooler(pool_mode="transaction", default_pool_size=2)
    with p.wire() as one, p.wire() as two:
        assert not errors(one.send(protocol("create function pg_temp.mine() returns int language sql as 'select 7'")).until())
        for _ in range(3):
            assert one.value("select pg_temp.mine()") == "7"
            assert errors(two.ask("select pg_temp.mine()"))[0]["C"] in ("42883", "3F000")     # no such function, no such schema
        one.ask("drop function pg_temp.mine()")
        eventually(lambda: isolation(p)["pinned"] == 0)      # the look behind its answer


# --- T78: what drivers send by themselves, said as they say it

HABITS = {
    "Django's time zone": ("SET TIME ZONE 'Asia/Tokyo'", "show timezone", "Asia/Tokyo"),
    "Django's time zone, bound": ("SELECT set_config('TimeZone', 'Asia/Tokyo', false)", "show timezone", "Asia/Tokyo"),
    "Rails on connect": ("SET client_min_messages TO 'warning'; SET SESSION timezone TO 'Asia/Tokyo'; SET standard_conforming_strings = on",
                         "select current_setting('client_min_messages') || current_setting('timezone')", "warningAsia/Tokyo"),
    "psycopg2's set_session": ("SET default_transaction_read_only TO 'on'", "show transaction_read_only", "on"),
    "psycopg2's set_session, without autocommit": ("BEGIN READ ONLY; COMMIT; SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "show transaction_read_only", "on"),
    "ODBC's isolation level": ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE", "show transaction_isolation", "serializable"),
    "JDBC's setSchema": ("SET SESSION search_path TO 'pg_catalog'", "show search_path", "pg_catalog"),
    "JDBC's setReadOnly": ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "show transaction_read_only", "on"),
    "JDBC's setClientInfo": ("SET application_name = 'report'", "show application_name", "report"),
    "Npgsql's search path": ("SET search_path = pg_catalog", "show search_path", "pg_catalog"),
}


@pytest.mark.parametrize("protocol", [query, extended], ids=["simple", "extended"])
@pytest.mark.parametrize("habit", HABITS)
def test_T78_what_a_driver_sets_stays_with_its_client(one_server, habit, protocol):
    said, asked, mine = HABITS[habit]
    with one_server.wire() as one, one_server.wire() as two:
        before = two.value(asked)
        assert before != mine
        for text in said.split("; ") if protocol is extended else [said]:
            assert not errors(one.send(protocol(text)).until())
        for _ in range(3):
            assert (one.value(asked), two.value(asked)) == (mine, before)


def test_T78_djangos_server_side_iterator_keeps_its_server_until_it_is_closed(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=2)
    with p.wire() as one, p.wire() as two:
        for _ in range(3):
            one.ask('DECLARE "_django_curs_1_sync_1" NO SCROLL CURSOR WITH HOLD FOR SELECT generate_series(1, 5)')
            assert two.value("select count(*) from pg_cursors") == "0"
            assert [len(one.rows('FETCH FORWARD 2 FROM "_django_curs_1_sync_1"')) for _ in range(4)] == [2, 2, 1, 0]
            one.ask('CLOSE "_django_curs_1_sync_1"')
            eventually(lambda: isolation(p)["pinned"] == 0)      # the look behind its answer


def test_T78_rails_migration_lock_is_held_until_it_is_given_back(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=2)
    with p.wire() as one, p.wire() as two:
        lock, unlock = "SELECT pg_try_advisory_lock(8735432019283746)", "SELECT pg_advisory_unlock(8735432019283746)"
        assert extended_value(one, lock) == "t"
        for _ in range(3):
            assert one.value("select 1") == "1"
            assert extended_value(two, lock) == "f"
        assert extended_value(one, unlock) == "t"
        assert extended_value(two, lock) == "t"
        assert extended_value(two, unlock) == "t"
        eventually(lambda: isolation(p)["pinned"] == 0)      # the look behind its answer


def test_T78_asyncpgs_reset_leaves_what_it_said_at_its_login(one_server):
    """What its pool says when a connection is given back."""
    with one_server.wire(search_path="pg_catalog", statement_timeout="55min") as one, one_server.wire() as two:
        one.ask("set search_path to public")
        one.ask("SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;")
        for _ in range(2):
            assert (one.value("show search_path"), one.value("show statement_timeout")) == ("pg_catalog", "55min")
            assert (two.value("show search_path"), two.value("show statement_timeout")) == ('"$user", public', "0")


def test_T78_psycopg2s_set_session(one_server):
    psycopg2 = pytest.importorskip("psycopg2")
    one, two = (psycopg2.connect(host="127.0.0.1", port=one_server.port, dbname="p0", user="bouncer", password="zzzz") for _ in range(2))
    try:
        for autocommit in (True, False):
            one.set_session(readonly=True, isolation_level="SERIALIZABLE", autocommit=autocommit)
            for _ in range(2):
                for conn, seen in ((one, ("on", "serializable")), (two, ("off", "read committed"))):
                    with conn.cursor() as cursor:
                        cursor.execute("select current_setting('transaction_read_only'), current_setting('transaction_isolation')")
                        assert cursor.fetchone() == seen
                    conn.commit()
            one.reset()
            one.rollback()
    finally:
        one.close()
        two.close()
