"""Transaction pooling that is safe for sessions: what one client does to its session follows it and reaches nobody else."""
import random
import threading

import pytest
from wire import SYNC, PgError, bind, eventually, execute, extended, msg, parse, query

pytestmark = pytest.mark.ours

# What keeps its server: how it comes, how it goes, what tells, and the pin's name.
PINS = {
    "advisory_lock": ("select pg_advisory_lock(7)", "select pg_advisory_unlock(7)"),
    "temporary": ("create temp table scratch (x int)", "drop table scratch"),
    "held_cursor": ("declare kept cursor with hold for select 1", "close kept"),
}


@pytest.fixture
def one_server(pooler):
    """A pool of one server, in transaction mode."""
    def make(**settings):
        return pooler(pool_mode="transaction", default_pool_size=settings.pop("default_pool_size", 1), **settings)
    return make


def isolation(p, database="p0", user="bouncer"):
    for row in p.command("show isolation"):
        if (row["database"], row["user"], row["queryid"]) == (database, user, ""):
            return {key: int(value) if value.isdigit() else value for key, value in row.items()}
    return None


def how(protocol, conn, sql):
    """Runs it in one protocol or the other; raises its error."""
    messages = conn.ask(sql) if protocol == "simple" else conn.send(extended(sql)).until()
    for message in messages:
        if message.tag == "E":
            raise PgError(message)
    return messages


@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("sql, name, mine, others", [
    ("set search_path to pg_catalog", "search_path", "pg_catalog", '"$user", public'),
    ("set session statement_timeout = '55s'", "statement_timeout", "55s", "0"),
    ("set work_mem to '7MB'", "work_mem", "7MB", "4MB"),
    ("set app.tenant = 'seven'", "app.tenant", "seven", ("", None)),
    ("select set_config('app.tenant', 'it''s 7', false)", "app.tenant", "it's 7", ("", None)),
    ("set role alice", "role", "alice", "none"),
    ("set time zone 'Asia/Tokyo'", "timezone", "Asia/Tokyo", None),
    ("set schema 'x\"y'", "search_path", '"x""y"', '"$user", public'),
    ("set session characteristics as transaction read only", "default_transaction_read_only", "on", "off"),
])
def test_a_setting_stays_with_the_client_that_made_it(one_server, cluster, protocol, sql, name, mine, others):
    cluster.value("select 1 from pg_roles")  # the cluster is up
    with cluster.connect() as direct:
        direct.execute("grant alice to bouncer")
    p = one_server()
    with p.wire() as one, p.wire() as two:
        before = two.value(f"select current_setting('{name}', true)")
        how(protocol, one, sql)
        for _ in range(3):
            assert one.value(f"select current_setting('{name}', true)") == mine
            assert two.value(f"select current_setting('{name}', true)") in (before, others if isinstance(others, str) else "")
        how(protocol, one, f"reset {name}")
        assert one.value(f"select current_setting('{name}', true)") in (before, "", None)


def test_a_name_that_is_bound_is_found_too(one_server):
    p = one_server()
    with p.wire() as one, p.wire() as two:
        one.send(parse("s", "select set_config($1, $2, false)") + bind("", "s", ["app.user", "a"]) + execute() + SYNC).until()
        assert two.value("select current_setting('app.user', true)") in ("", None)
        assert one.value("select current_setting('app.user', true)") == "a"
        one.send(bind("", "s", ["app.user", "b"]) + execute() + SYNC).until()
        two.value("select 1")
        assert one.value("select current_setting('app.user', true)") == "b"


@pytest.mark.parametrize("end, kept", [
    ("commit", "new"), ("rollback", "old"), ("rollback to a; commit", "old"), ("release a; commit", "new"),
    ("select 1/0", "old"), ("rollback to a; set app.x = 'third'; commit", "third")])
def test_a_setting_is_exact_to_the_savepoint(one_server, end, kept):
    p = one_server()
    with p.wire() as one, p.wire() as two:
        one.ask("set app.x = 'old'")
        two.value("select 1")
        one.ask("begin")
        one.ask("savepoint a")
        one.ask("set app.x = 'new'")
        for sql in end.split("; "):
            one.ask(sql)
        if one.status != "I":
            one.ask("rollback")
        assert two.value("select current_setting('app.x', true)") == ""
        assert one.value("select current_setting('app.x', true)") == kept


def test_set_local_ends_with_its_transaction_and_costs_nothing(one_server):
    p = one_server()
    with p.wire() as one:
        one.ask("begin; set local app.x = 'inside'; select set_config('app.y', 'inside', true); commit")
        assert one.value("select current_setting('app.x', true)") in ("", None)
    assert isolation(p)["looks"] == 0


def test_reset_all_and_discard_all_forget_the_clients_own_settings_only(one_server):
    p = one_server()
    with p.wire() as one, p.wire() as two:
        for wipe in ("reset all", "discard all"):
            one.ask("set work_mem = '7MB'")
            one.ask("set app.x = 'one'")
            two.ask("set app.x = 'two'")
            one.ask(wipe)
            assert one.value("show work_mem") == "4MB"
            assert one.value("select current_setting('app.x', true)") == ""
            assert two.value("show app.x") == "two"


@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("reason", PINS)
def test_what_cannot_move_keeps_its_server_until_it_is_gone(one_server, protocol, reason):
    come, go = PINS[reason]
    p = one_server(query_wait_timeout=1)
    with p.wire() as one:
        how(protocol, one, come)
        eventually(lambda: isolation(p)[reason] == 1)
        with p.wire() as two:
            assert two.send(query("select 1")).closed()[-1].fields()["M"] == "query_wait_timeout"
        how(protocol, one, go)
        with p.wire() as two:
            assert two.value("select 1") == "1"
        assert isolation(p)["pinned"] == 0


@pytest.mark.parametrize("reason", PINS)
def test_what_a_client_leaves_behind_is_gone_before_the_next_one_comes(one_server, reason):
    p = one_server()
    for vanish in (False, True):
        with p.wire() as one:
            one.rows(PINS[reason][0])
            pid = one.value("select pg_backend_pid()")
            if not vanish:
                one.send(msg("X"))
                one.closed()
        with p.wire() as two:
            assert two.value("select pg_backend_pid()") == pid
            assert two.value("select count(*) from pg_locks where locktype = 'advisory'") == "0"
            assert two.value("select count(*) from pg_cursors") == "0"
            assert two.value("select to_regclass('pg_temp.scratch') is null") == "t"
    assert isolation(p)["cleaned"] >= 2      # and those who leave while they are looked at


def test_a_temporary_table_that_ends_with_its_transaction_pins_nothing(one_server):
    p = one_server()
    with p.wire() as one, p.wire() as two:
        one.ask("begin")
        one.ask("create temp table t (x int) on commit drop")
        one.ask("commit")
        assert two.value("select 1") == "1"
        assert isolation(p)["pinned"] == 0


def test_T50_a_lock_of_a_client_that_was_killed_is_free(one_server):
    p = one_server(default_pool_size=2)
    with p.wire() as one:
        one.rows("select pg_advisory_lock(99)")
        one.reset()
    with p.wire() as two:
        assert eventually(lambda: two.value("select pg_try_advisory_lock(99)") == "t")


def test_T02_a_bad_value_reaches_the_client_that_sent_it_and_nobody_else(one_server):
    p = one_server()
    with p.wire() as one, p.wire() as two:
        with pytest.raises(PgError, match="invalid value for parameter"):
            one.rows("set lock_timeout to sdf")
        assert two.value("select 2") == "2"
        assert one.value("select 1") == "1"
        assert two.value("show lock_timeout") == "0"


def test_T66_a_setting_is_not_sent_again_where_the_server_has_it(one_server):
    p = one_server()
    with p.wire() as one:
        one.ask("set search_path to pg_catalog")
        for _ in range(20):
            assert one.value("show search_path") == "pg_catalog"
    assert isolation(p)["replays"] == 0


def test_T67_a_startup_parameter_reaches_no_other_client(one_server):
    p = one_server()
    with p.wire(enable_seqscan="off") as one, p.wire() as two:
        for _ in range(3):
            assert one.value("show enable_seqscan") == "off"
            assert two.value("show enable_seqscan") == "on"


def test_T74_what_drivers_send_at_startup_is_kept_for_them(one_server):
    p = one_server()
    with p.wire(extra_float_digits="2", idle_in_transaction_session_timeout="90000", options="-c search_path=pg_catalog -c app.x=5") as one, \
            p.wire() as two:
        for _ in range(2):
            assert one.value("show extra_float_digits") == "2"
            assert one.value("show idle_in_transaction_session_timeout") == "90s"
            assert one.value("show search_path") == "pg_catalog"
            assert one.value("show app.x") == "5"
            assert two.value("show extra_float_digits") == "1"
            assert two.value("show search_path") == '"$user", public'


def test_a_startup_parameter_that_postgres_does_not_know_ends_that_client_only(one_server):
    p = one_server()
    with p.wire(no_such_setting="1") as one, p.wire() as two:
        told = one.send(query("select 1")).closed()[-1].fields()
        assert told["S"] == "FATAL" and "no_such_setting" in told["M"], told
        assert two.value("select 1") == "1"


def test_a_setting_follows_its_client_to_any_server(one_server):
    p = one_server(default_pool_size=2)
    clients = [p.wire() for _ in range(4)]
    for number, conn in enumerate(clients):
        conn.ask(f"set app.id = '{number}'")
    pids = {number: set() for number in range(4)}
    for round_ in range(40):
        pair = random.Random(round_).sample(range(4), 2)
        for number in pair:
            clients[number].ask("begin")
        for number in pair:
            pid, value = clients[number].rows("select pg_backend_pid(), current_setting('app.id')")[0]
            assert value == str(number)
            pids[number].add(pid)
        for number in reversed(pair):
            clients[number].ask("commit")
    assert any(len(seen) > 1 for seen in pids.values())
    for conn in clients:
        conn.close()


def test_a_client_that_sets_nothing_costs_nothing(one_server):
    p = one_server()
    with p.wire() as one:
        for _ in range(50):
            one.rows("select 'set_config', pg_advisory_xact_lock(1)")
    counts = isolation(p)
    assert (counts["replays"], counts["looks"], counts["full_looks"], counts["cleaned"]) == (0, 0, 0, 0)


def test_off_is_as_pgbouncer_does(one_server):
    p = one_server(session_state="off")
    with p.wire() as one, p.wire() as two:
        one.ask("set work_mem = '7MB'")
        assert two.value("show work_mem") == "7MB"


def test_pin_keeps_the_server_with_the_client_that_set_something(one_server):
    p = one_server(session_state="pin", query_wait_timeout=1)
    with p.wire() as one:
        one.ask("set work_mem = '7MB'")
        with p.wire() as two:
            assert two.send(query("select 1")).closed()[-1].fields()["M"] == "query_wait_timeout"
        one.ask("discard all")
        with p.wire() as two:
            assert two.value("show work_mem") == "4MB"


def test_a_database_and_a_user_may_have_their_own_rule(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, databases={"p0": "session_state=off", "p1": ""},
               users={"alice": "session_state=isolate"})
    for user, seen in (("bouncer", "7MB"), ("alice", "4MB")):
        with p.wire("p0", user) as one, p.wire("p0", user) as two:
            one.ask("set work_mem = '7MB'")
            assert two.value("show work_mem") == seen


def test_a_library_that_was_loaded_goes_with_its_server(one_server):
    p = one_server()
    with p.wire() as one:
        one.ask("load 'auto_explain'")
        pid = one.value("select pg_backend_pid()")
    with p.wire() as two:
        assert two.value("select pg_backend_pid()") != pid


def test_a_setting_whose_name_cannot_be_read_keeps_its_server(one_server):
    p = one_server()
    with p.wire() as one:
        one.ask("select set_config('app.' || 'hidden', 'x', false)")
        assert isolation(p)["unreadable_setting"] == 1
        pid = one.value("select pg_backend_pid()")
    with p.wire() as two:
        assert two.value("select pg_backend_pid()") == pid
        assert two.value("select current_setting('app.hidden', true)") == ""


@pytest.fixture
def functions(cluster):
    """Of the users' own, in database p3."""
    with cluster.connect("p3") as direct:
        direct.execute("""
            create or replace function sign_in(t text) returns text language plpgsql as
                $$ begin perform set_config('hidden.tenant', t, false); return t; end $$;
            create or replace function speed_up() returns int language sql as $$ select set_config('work_mem', '9MB', false); select 1 $$;
            create or replace function take_lock(k int) returns int language plpgsql as
                $$ begin perform pg_advisory_lock(k); return k; end $$;
            create or replace function twice(a int) returns int language sql as $$ select 2 * a $$;
            """)
    return "p3"


def test_what_a_function_of_the_users_does_to_the_session_follows_its_client(one_server, functions):
    p = one_server(default_pool_size=2)
    with p.wire(functions) as one, p.wire(functions) as two:
        for round_ in range(12):
            one.value(f"select sign_in('t{round_}')")
            one.send(extended("select speed_up()")).until()
            assert two.value("select current_setting('hidden.tenant', true)") in ("", None)
            assert two.value("show work_mem") == "4MB"
            assert one.value("select current_setting('hidden.tenant', true)") == f"t{round_}"
            assert one.value("show work_mem") == "9MB"
        one.ask("do $$ begin perform set_config('hidden.tenant', 'done', false); end $$")
        assert two.value("select current_setting('hidden.tenant', true)") in ("", None)
        assert one.value("select current_setting('hidden.tenant', true)") == "done"
        two.value("select take_lock(5)")
        with p.wire(functions) as three:
            assert three.value("select pg_try_advisory_lock(5)") == "f"
        eventually(lambda: isolation(p, functions)["advisory_lock"] >= 1)    # the look behind take_lock's answer


def test_a_function_that_leaves_nothing_is_trusted_in_time(one_server, functions):
    p = one_server()
    with p.wire(functions) as one:
        for number in range(40):
            assert one.value(f"select twice({number})") == str(2 * number)
    assert isolation(p, functions)["full_looks"] == 8


def test_a_statement_prepared_by_message_and_executed_in_sql_is_noted(one_server):
    p = one_server()
    with p.wire() as one, p.wire() as two:
        one.send(parse("s", "select set_config('app.y', 'mine', false)") + SYNC).until()
        one.ask("execute s")
        assert two.value("select current_setting('app.y', true)") in ("", None)
        assert one.value("select current_setting('app.y', true)") == "mine"


def test_row_level_security_by_set_config_shows_no_row_of_another_tenant(pooler, cluster):
    p = pooler(pool_mode="transaction", default_pool_size=5)
    with cluster.connect("p2") as direct:
        direct.execute("drop table if exists docs; create table docs (tenant text, body text);"
                       "insert into docs select (i % 40)::text, i::text from generate_series(1, 400) i;"
                       "alter table docs enable row level security;"
                       "create policy own on docs using (tenant = current_setting('app.tenant', true));"
                       "grant select on docs to public")
    wrong, done = [], []

    def tenant(number):
        draw = random.Random(number)
        try:
            with p.connect("p2", "bouncer", prepare_threshold=0) as conn:
                conn.execute("select set_config('app.tenant', %s, false)", (str(number),))
                for _ in range(60):
                    if draw.random() < 0.1:
                        conn.execute("select set_config('app.tenant', %s, false)", (str(number),))
                    seen = {row[0] for row in conn.execute("select tenant from docs")}
                    if seen != {str(number)}:
                        wrong.append((number, seen))
                    done.append(1)
        except Exception as error:
            wrong.append((number, error))

    threads = [threading.Thread(target=tenant, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]
    assert len(done) == 2400
