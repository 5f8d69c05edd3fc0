"""session_state = refuse: what would keep its server is an error that names the statement; pinned_idle_timeout."""
import time

import pytest
from test_isolation import PINS, isolation, one_server  # noqa: F401 (a fixture)
from wire import SYNC, bind, describe, errors, eventually, execute, extended, msg, parse, query, tags

pytestmark = pytest.mark.ours

REFUSED = [
    ("select pg_advisory_lock(7)", "session advisory locks"),
    ("create temp table scratch (x int)", "temporary objects"),
    ("select 1 into temp scratch", "temporary objects"),
    ("declare kept cursor with hold for select 1", "cursors WITH HOLD"),
    ("load 'auto_explain'", "libraries by LOAD"),
    ("select set_config('app.' || 'x', '1', false)", "settings whose name is not in the statement"),
    ("prepare p as select pg_advisory_lock(7)", "session advisory locks"),
]


@pytest.fixture
def refusing(one_server):  # noqa: F811
    return lambda **settings: one_server(session_state=settings.pop("session_state", "refuse"), **settings)


def check_refused(fields, what, sql):
    assert fields["S"] == "ERROR" and fields["C"] == "0A000", fields
    assert fields["M"] == f"{what} cannot be kept in transaction mode (session_state=refuse): {sql}", fields
    assert "session mode" in fields["H"] or "set_config()" in fields["H"], fields


@pytest.mark.parametrize("prepared", [0, 200])
@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("sql, what", REFUSED)
def test_what_would_keep_its_server_is_refused_and_named(refusing, sql, what, protocol, prepared):
    p = refusing(max_prepared_statements=prepared)
    with p.wire() as one, p.wire() as two:
        messages = one.ask(sql) if protocol == "simple" else one.send(extended(sql)).until()
        assert tags(messages) == "EZ"
        check_refused(errors(messages)[0], what, sql)
        assert one.status == "I"
        assert one.value("select 1") == two.value("select 1") == "1"
        counts = isolation(p)
        assert (counts["refused"], counts["pinned"], counts["session_state"]) == (1, 0, "refuse")
        assert [row["refused"] for row in p.command("show isolation") if row["verdict"] == "refused"] == ["1"]     # of its class
        assert sum(counts[reason] for reason in (*PINS, "library", "unreadable_setting")) == 0


@pytest.mark.parametrize("prepared", [0, 200])
@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("sql, what", REFUSED)
def test_inside_a_transaction_it_fails_as_any_statement_would(refusing, sql, what, protocol, prepared):
    p = refusing(max_prepared_statements=prepared)
    send = (lambda conn, text: conn.ask(text)) if protocol == "simple" else (lambda conn, text: conn.send(extended(text)).until())
    with p.wire() as one:
        one.ask("begin")
        one.ask("savepoint a")
        messages = send(one, sql)
        assert tags(messages) == "EZ" and one.status == "E"
        check_refused(errors(messages)[0], what, sql)
        assert errors(send(one, "select 1"))[0]["C"] == "25P02"
        send(one, "rollback to a")
        assert one.status == "T" and one.value("select 2") == "2"
        send(one, "commit")
        assert one.status == "I" and isolation(p)["refused"] == 1


def test_a_refused_statement_reaches_no_server(refusing):
    p = refusing(query_wait_timeout=2)
    with p.wire() as holder, p.wire() as one:
        holder.ask("begin")          # has the only server
        assert errors(one.ask("select pg_advisory_lock(7)"))[0]["C"] == "0A000"
        assert errors(one.send(extended("select pg_advisory_lock(7)")).until())[0]["C"] == "0A000"
        # One statement of several refuses them all, as one that cannot be parsed does.
        assert errors(one.ask("select 1; listen_to; select pg_advisory_lock(7); select 2"))[0]["M"].endswith(": select pg_advisory_lock(7)")
        holder.ask("commit")


@pytest.mark.parametrize("prepared", [0, 200])
def test_a_pipeline_goes_on_behind_the_sync_of_what_is_refused(refusing, prepared):
    p = refusing(max_prepared_statements=prepared)
    with p.wire() as one:
        one.send(extended("select 1"), parse("s", "select pg_advisory_lock(7)"), bind("", "s"), describe(), execute(), SYNC,
                 extended("select 2"), query("select pg_try_advisory_lock(8)"), query("select 3"),
                 parse("t", "select 4") + parse("u", "create temp table x ()") + bind("", "t") + execute() + SYNC,
                 bind("", "t") + execute() + SYNC)
        told = [tags(one.until()) for _ in range(7)]
        assert told == ["12TDCZ", "EZ", "12TDCZ", "EZ", "TDCZ", "1EZ", "2DCZ"]
        assert errors(one.send(bind("", "s") + execute() + SYNC).until())[0]["C"] == "26000"
        assert isolation(p)["refused"] == 3
        assert one.value("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()") == "0"


def test_a_name_that_is_taken_stays_with_its_statement(refusing):
    p = refusing()
    with p.wire() as one:
        one.ask("begin")
        one.send(parse("s", "select 'mine'") + SYNC).until()
        assert errors(one.send(parse("s", "select pg_advisory_lock(7)") + SYNC).until())[0]["C"] == "0A000"
        one.ask("rollback")
        assert "D" in tags(one.send(bind("", "s") + execute() + SYNC).until())


def test_settings_follow_their_client_all_the_same(refusing):
    p = refusing()
    with p.wire(work_mem="6MB") as one, p.wire() as two:
        one.ask("set app.x = 'mine'")
        one.send(extended("select set_config('app.y', $1, false)", ["too"])).until()
        one.ask("set search_path to pg_catalog")
        for _ in range(3):
            assert one.rows("select current_setting('app.x'), current_setting('app.y'), current_setting('work_mem'), current_setting('search_path')") == [
                ["mine", "too", "6MB", "pg_catalog"]]
            assert two.rows("select current_setting('app.x', true), current_setting('work_mem')")[0][1] == "4MB"
        assert isolation(p)["refused"] == 0


def test_what_is_over_with_its_transaction_is_not_refused(refusing):
    p = refusing()
    with p.wire() as one:
        for sql in ("select pg_advisory_xact_lock(7)", "create temp table gone (x int) on commit drop", "select set_config('app.' || 'x', '1', true)",
                    "explain select pg_advisory_lock(7)", "select 'pg_advisory_lock(7)'", "notify news", "unlisten *",
                    "begin; create temp table gone on commit drop as select 1; commit",
                    "begin; declare c cursor for select 1; fetch c; commit"):
            assert errors(one.ask(sql)) == [], sql
        assert isolation(p)["refused"] == 0


def test_a_function_that_leaves_something_ends_its_client_and_its_server_is_cleaned(refusing, cluster):
    with cluster.connect("p3") as direct:
        direct.execute("create or replace function hide_lock(k int) returns int language plpgsql as "
                       "$$ begin perform pg_advisory_lock(k); return k; end $$;"
                       "create or replace function hide_table() returns int language plpgsql as "
                       "$$ begin create temp table hidden (x int); return 1; end $$")
    p = refusing()
    for call, what in (("hide_lock(77)", "session advisory locks"), ("hide_table()", "temporary objects")):
        with p.wire("p3") as one:
            told = one.send(query(f"select {call}")).closed()
            last = told[-1].fields()
            assert (last["S"], last["C"]) == ("FATAL", "0A000")
            assert last["M"] == (f"{what} cannot be kept in transaction mode (session_state=refuse): "
                                 f"left by the last transaction, which called {call.split('(')[0]}()"), last
        with p.wire("p3") as two:
            assert two.value("select count(*) from pg_locks where locktype = 'advisory'") == "0"
            assert two.value("select to_regclass('pg_temp.hidden')") is None
    assert isolation(p, "p3")["refused"] == 2


def test_listen_is_served_and_not_refused(refusing, cluster):
    p = refusing()
    with p.wire() as one, p.wire() as two:
        assert errors(one.ask("listen refuse_news")) == []
        eventually(lambda: two.value("select 1") == "1" and isolation(p)["pinned"] == 0)
        with cluster.connect("p0") as direct:
            direct.execute("notify refuse_news, 'x'")
        assert one.until("A")[-1].tag == "A"


def test_a_function_call_message_is_refused_too(refusing):
    p = refusing()
    call = msg("F", b"\0\0\x0b\x40" + b"\0\0" + b"\0\1" + b"\0\0\0\1" + b"7" + b"\0\0")      # pg_advisory_lock('7')
    with p.wire() as one:
        assert tags(one.send(call).until()) == "EZ" and one.status == "I"
        one.ask("begin")
        assert tags(one.send(call).until()) == "EZ" and one.status == "E"
        one.ask("rollback")
        assert one.value("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()") == "0"


@pytest.mark.parametrize("whose", ["database", "user"])
def test_a_database_and_a_user_may_refuse_where_others_do_not(pooler, whose):
    p = pooler(pool_mode="transaction", default_pool_size=1, databases={"p0": "session_state=refuse" if whose == "database" else "", "p1": ""},
               users={"alice": "session_state=refuse"} if whose == "user" else {})
    strict, lenient = (("p0", "bouncer"), ("p1", "bouncer")) if whose == "database" else (("p0", "alice"), ("p0", "bouncer"))
    with p.wire(*strict) as one, p.wire(*lenient) as two:
        assert errors(one.ask("select pg_advisory_lock(7)"))[0]["C"] == "0A000"
        assert errors(two.ask("select pg_advisory_lock(7)")) == []


def test_of_a_statement_of_which_only_the_beginning_is_here_the_look_tells(refusing):
    p = refusing()
    with p.wire() as one:
        told = one.send(query("create temp table scratch (x int) /* " + "y" * 3_000_000 + " */")).closed()[-1].fields()
        assert (told["S"], told["C"]) == ("FATAL", "0A000") and "temporary objects" in told["M"], told
    with p.wire() as two:
        assert two.value("select to_regclass('pg_temp.scratch')") is None


def test_a_long_statement_is_named_on_one_line(refusing):
    p = refusing()
    with p.wire() as one:
        for wrap in ("", "begin"):
            if wrap:
                one.ask(wrap)
            sql = "create temp table scratch\n\t(x text default '" + "é" * 500 + "')"
            fields = errors(one.ask(sql))[0]
            assert fields["C"] == "0A000" and "\n" not in fields["M"] and len(fields["M"]) < 300, fields
            assert "create temp table scratch (x text default 'é" in fields["M"]
        one.ask("rollback")
        assert one.value("select 1") == "1"


def test_pinned_idle_timeout_closes_a_client_that_keeps_its_server_idle(one_server):  # noqa: F811
    p = one_server(pinned_idle_timeout=1, query_wait_timeout=8)
    with p.wire() as one, p.wire() as idle, p.wire() as two:
        idle.ask("set app.x = '1'")                        # keeps nothing
        one.ask("select pg_advisory_lock(7)")
        eventually(lambda: isolation(p)["pinned"] == 1)
        began = time.monotonic()
        assert two.value("select pg_try_advisory_lock(7)") == "t"       # waits for the server
        assert 0.5 < time.monotonic() - began < 5
        last = one.closed()[-1].fields()
        assert (last["S"], last["C"]) == ("FATAL", "57P05"), last
        assert last["M"].startswith("pinned_idle_timeout: the server was kept for ") and last["M"].endswith(" s because of advisory_lock"), last
        two.ask("select pg_advisory_unlock(7)")
        assert idle.value("show app.x") == "1"
        assert isolation(p)["cleaned"] == 1


def test_pinned_idle_timeout_spares_who_works_and_who_is_in_a_transaction(one_server):  # noqa: F811
    p = one_server(pinned_idle_timeout=1)
    with p.wire() as one:
        one.ask("select pg_advisory_lock(7)")
        one.ask("select pg_sleep(1.6)")
        one.ask("begin")
        time.sleep(1.6)
        one.ask("commit")
        assert one.value("select pg_advisory_unlock(7)") == "t"


def test_who_waits_for_a_pinned_server_is_told_what_keeps_it(one_server):  # noqa: F811
    p = one_server(query_wait_timeout=1)
    with p.wire() as one:
        one.ask("select pg_advisory_lock(7)")
        with p.wire() as two:
            last = two.send(query("select 1")).closed()[-1].fields()
            assert last["M"] == "query_wait_timeout" and "kept by advisory_lock (1)" in last["D"], last
        advice = [row for row in p.command("show advice") if row["topic"] == "pinned servers"]
        assert len(advice) == 1 and "pinned_idle_timeout" in advice[0]["advice"], advice
        assert "1 of 1 servers now" in advice[0]["figures"] and "advisory_lock 1" in advice[0]["figures"], advice
