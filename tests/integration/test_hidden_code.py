"""Triggers, views, policies and defaults whose code changes sessions: no statement names it, and nobody sees what it left.

The audit is far off in these tests (session_audit_interval 60): what is known is known before the first client is served."""
import contextlib
import threading
import time

import pytest
from fake_server import AUTHENTICATED, FakeServer, answer, key_data, ready
from test_isolation import isolation
from wire import eventually, extended, msg, query, z

pytestmark = pytest.mark.ours

LEFT = "select coalesce(current_setting('app.left', true), '') || current_setting('work_mem')"
CLEAN = "4MB"
FUNCTION = "create function {name}() returns trigger language plpgsql as $x$ begin {body} return new; end $x$; "
TRIGGER = "create trigger hidden before insert on orders for each row execute function {name}(); "
SETS = "perform set_config('app.left', 'x', false);"
# name: (what makes it, what runs it)
KINDS = {
    "trigger that calls set_config": (FUNCTION.format(name="f", body=SETS) + TRIGGER.format(name="f"), "insert into orders values (1)"),
    "trigger that says SET": (FUNCTION.format(name="f", body="if true then\n  -- faster\n  set work_mem = '9MB'; end if;") + TRIGGER.format(name="f"), "insert into orders values (1)"),
    "trigger that calls who calls set_config": (
        "create function deep() returns void language sql as $$select set_config('app.left', 'deep', false)$$;" +
        FUNCTION.format(name="f", body="perform deep();") + TRIGGER.format(name="f"), "insert into orders values (1)"),
    "functions of odd names": (
        "create function \"de(ep*\"() returns void language sql as $$select set_config('app.left', 'deep', false)$$;" +
        FUNCTION.format(name='"f["', body='perform "de(ep*"();') + TRIGGER.format(name='"f["'), "insert into orders values (1)"),
    "trigger that executes a string": (FUNCTION.format(name="f", body="execute 'set work_mem to ' || quote_literal('9MB');") + TRIGGER.format(name="f"), "insert into orders values (1)"),
    "trigger on commit": (FUNCTION.format(name="f", body=SETS) + "create constraint trigger hidden after insert on orders deferrable initially deferred for each row execute function f();", "insert into orders values (1)"),
    "view": ("create view seen as select set_config('app.left', 'view', false) as was; grant select on seen to public;", "select * from seen"),
    "view of a function": ("create function f() returns text language sql as $$select set_config('app.left', 'view', false)$$; create view seen as select f() as was; grant select on seen to public;",
                           "select * from seen"),
    "body of SQL": ("create function f() returns text language sql begin atomic select set_config('app.left', 'view', false); end; create view seen as select f() as was; grant select on seen to public;",
                    "select * from seen"),
    "default": ("alter table orders alter note set default set_config('app.left', 'default', false);", "insert into orders values (1)"),
    "policy": ("insert into orders values (1); alter table orders enable row level security; create policy p on orders using (set_config('app.left', 'policy', false) is not null);", "select count(*) from orders"),
    "rule": ("create rule also as on insert to orders do also select set_config('app.left', 'rule', false);", "insert into orders values (1)"),
    "check": ("alter table orders add check (set_config('app.left', 'check', false) is not null);", "insert into orders values (1)"),
}
QUIET = (FUNCTION.format(name="f", body="update orders\n set note = 'x' where id = 3; perform set_config('app.left', coalesce(new.note, ''), true); set local work_mem = '9MB';"
                                        " execute format('insert into %I values (1)', 'audited');") + TRIGGER.format(name="f") +
         "create function tenant() returns text language sql stable as $$select current_setting('app.tenant', true)$$;"
         "create view seen as select tenant(); alter table orders enable row level security; create policy p on orders using (true) with check (tenant() is distinct from 'x');"
         "create function never_hidden() returns text language sql as $$select set_config('app.left', 'named', false)$$;")


@pytest.fixture
def orders(cluster):
    """Makes a new database p3 with a table, and what else is asked for."""
    @contextlib.contextmanager
    def make(sql=""):
        with cluster.connect("p3") as direct:
            direct.execute("drop schema if exists made cascade; drop schema public cascade; create schema public; grant all on schema public to public;"
                           "create table orders (id int, note text); create table audited (id int); grant all on orders, audited to public;" + sql)
            yield direct
    yield make
    with cluster.connect("p3") as direct:
        direct.execute("drop schema if exists made cascade; drop schema public cascade; create schema public; grant all on schema public to public")


@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_hidden_code_leaves_is_its_clients_and_nobody_elses(pooler, orders, kind, protocol):
    making, running = KINDS[kind]
    with orders(making):
        p = pooler(pool_mode="transaction", default_pool_size=1)
        with p.wire("p3") as one, p.wire("p3") as two:
            if protocol == "simple":
                one.ask(running)
            else:
                one.send(extended(running)).until()
            left = one.value(LEFT)
            assert left != CLEAN, "it does change the session"
            assert two.value(LEFT) == CLEAN
            assert one.value(LEFT) == left
        assert isolation(p, "p3")["leaks_detected"] == 0
        p.log_has("code that no statement names may change sessions", 5)


COMPUTES = "create function comp(k text) returns text language sql as $$select set_config('app.' || k, 'x', false)$$; " \
           "create function outer_comp(k text) returns text language sql as $$select comp(k)$$; " \
           "create function atomic_comp(k text) returns text language sql begin atomic select set_config('app.' || k, 'x', false); end; " \
           "create function run(k text) returns void language plpgsql as $$begin execute format('set app.%I to x', k); end$$;"


@pytest.mark.parametrize("sql", ["select comp('kept')", "select outer_comp('kept')", "select atomic_comp('kept')", "select run('kept')",
                                 "do $$begin perform set_config('app.' || 'kept', 'x', false); end$$", "do $$begin execute 'set app.' || 'kept to x'; end$$",
                                 "do $$begin perform comp('kept'); end$$", "select set_config('app.' || 'kept', 'x', false)"])
def test_who_sets_a_name_that_code_computes_keeps_its_server(pooler, orders, sql):
    with orders(COMPUTES):
        p = pooler(pool_mode="transaction", default_pool_size=2, workers=1)
        with p.wire("p3") as one, p.wire("p3") as two:
            one.ask(sql)
            assert {two.value("select coalesce(current_setting('app.kept', true), '')") for _ in range(5)} == {""}
            assert one.value("select current_setting('app.kept', true)") == "x"
            assert isolation(p, "p3")["unreadable_setting"] == 1


def test_a_trigger_that_computes_a_name_keeps_the_server_too(pooler, orders):
    with orders(COMPUTES + FUNCTION.format(name="f", body="perform outer_comp('kept');") + TRIGGER.format(name="f")):
        p = pooler(pool_mode="transaction", default_pool_size=2, workers=1)
        with p.wire("p3") as one, p.wire("p3") as two:
            one.ask("insert into orders values (1)")
            assert {two.value("select coalesce(current_setting('app.kept', true), '')") for _ in range(5)} == {""}
            assert one.value("select current_setting('app.kept', true)") == "x"


def test_a_database_without_such_code_costs_its_clients_no_look(pooler, orders):
    with orders(QUIET):
        p = pooler(pool_mode="transaction", default_pool_size=1)
        with p.wire("p3") as one, p.wire("p3") as two:
            for _ in range(5):
                one.ask("insert into orders values (1)")
                assert two.value(LEFT) == CLEAN
        row = isolation(p, "p3")
        assert (row["looks"], row["full_looks"]) == (0, 0), row


def test_code_that_is_made_through_the_pool_counts_from_its_commit_on(pooler, orders):
    with orders():
        p = pooler(pool_mode="transaction", default_pool_size=2, workers=1)
        with p.wire("p3") as one, p.wire("p3") as two:
            one.ask("begin")
            one.ask(FUNCTION.format(name="f", body=SETS))
            one.ask(TRIGGER.format(name="f"))
            time.sleep(1)                              # whoever asks meanwhile does not see it
            two.value("select 1")
            one.ask("commit")
            two.ask("insert into orders values (1)")
            assert one.value(LEFT) == CLEAN
            assert two.value("select current_setting('app.left')") == "x"
            p.log_has("code that no statement names may change sessions .*trigger hidden: f", 15)
            one.ask("drop trigger hidden on orders; drop function f()")


SUSPECT = ("grant create on database p3 to public; create function f() returns text language sql as $$select set_config('app.left', 'made', false)$$;"
           "create function f(int, int) returns bool language sql as $$select set_config('app.left', 'made', false) <> ''$$;")
# name: (what one client makes of functions that are there, what another runs)
MAKES = {
    "a table's default": ("create table made (id int, note text default f())", "insert into made (id) values (1)"),
    "a table's default, in a transaction": ("begin; create table made (id int, note text default f()); commit", "insert into made (id) values (1)"),
    "a table's own default": ("create table made (id int, note text default set_config('app.left', 'made', false))", "insert into made (id) values (1)"),
    "a table of a spelled name": ('create table U&"made" (id int, note text default f())', "insert into made (id) values (1)"),
    "a table behind temporary ones": ("begin; drop table if exists pg_temp.x; create temp table s as select 1 as a; drop table s; "
                                      "create table made (id int, note text default f()); commit", "insert into made (id) values (1)"),
    "a table of a schema": ("create schema made create table made (id int, note text default f())", "insert into made.made (id) values (1)"),
    "a domain's check": ("create domain made as int check (f(value, 1))", "select 1::made"),
    "an operator": ("create operator ~~> (leftarg = int, rightarg = int, function = f)", "select 1 ~~> 2"),
    "DO": ("do $$ begin create view made as select f(); end $$", "select * from made"),
    "DO, in a string": ("do $$ begin execute 'create view made as select ' || 'f()'; end $$", "select * from made"),
}


@pytest.mark.parametrize("how", MAKES)
def test_code_that_clients_make_of_functions_that_are_there_counts_at_once(pooler, orders, how):
    make, run = MAKES[how]
    with orders(SUSPECT):
        p = pooler(pool_mode="transaction", default_pool_size=1, workers=1)
        with p.wire("p3") as one, p.wire("p3") as two:
            one.value("select 1")
            assert "may change sessions" not in p.log()
            one.ask(make)
            two.ask(run)
            assert one.value(LEFT) == CLEAN
            assert two.value("select current_setting('app.left')") == "made"
            p.log_has("code that no statement names may change sessions", 15)


def test_a_temporary_table_that_failed_hides_no_other(pooler, orders):
    with orders(SUSPECT):
        p = pooler(pool_mode="transaction", default_pool_size=1, workers=1)
        with p.wire("p3") as one, p.wire("p3") as two:
            one.ask("begin")
            one.ask("savepoint a")
            one.send(query("create temp table t (bad)")).until()
            one.ask("rollback to a")
            one.ask("create table made (id int, note text default f())")
            one.ask("commit")
            two.ask("insert into made (id) values (1)")
            assert one.value(LEFT) == CLEAN


def test_temporary_tables_do_not_have_it_asked_again(pooler, orders, cluster):
    with orders():
        p = pooler(pool_mode="transaction", default_pool_size=1, workers=1)
        with p.wire("p3") as one:
            one.value("select 1")
            for _ in range(3):
                one.ask("begin; create temp table t (a int) on commit drop; commit")
                one.ask("create temporary table if not exists u (a int); drop table u")
            row = isolation(p, "p3")
            one.value("select 1")
            assert isolation(p, "p3") == row, "nothing is looked at where nothing may have been made"


def test_what_one_user_makes_counts_for_another_users_pool(pooler, orders, cluster):
    with orders(SUSPECT):
        p = pooler(pool_mode="transaction", default_pool_size=1, workers=1)
        with p.wire("p3") as maker, p.wire("p3", user="alice") as one, p.wire("p3", user="alice") as two:
            one.value("select 1")
            maker.ask("create table made (id int, note text default f()); grant all on made to public")
            two.ask("insert into made (id) values (1)")
            assert one.value(LEFT) == CLEAN
            assert two.value("select current_setting('app.left')") == "made"


def test_while_it_is_not_known_a_computed_name_keeps_the_server(pooler, orders):
    with orders(COMPUTES + FUNCTION.format(name="f", body="perform outer_comp('kept');") + TRIGGER.format(name="f")):
        p = pooler(pool_mode="transaction", default_pool_size=2, workers=1)
        with p.wire("p3") as one, p.wire("p3") as two:
            one.ask("create table other (a int)")
            one.ask("insert into orders values (1)")
            assert {two.value("select coalesce(current_setting('app.kept', true), '')") for _ in range(5)} == {""}


def test_an_answer_from_before_code_was_made_does_not_count(pooler):
    """A server that is asked once more answers when another client has made a view elsewhere: every session is looked at, still."""
    nothing = msg("C", z("SELECT 0")) + ready()
    asked, made, answered, looks = [], threading.Event(), threading.Event(), []

    def serve(conn):
        conn.send(AUTHENTICATED + key_data(7, b"four") + ready())
        while True:
            text = conn.read().body
            if b"SET LOCAL statement_timeout" in text:
                asked.append(text)
                if len(asked) > 2:
                    continue                           # and never answers
                if len(asked) == 2:
                    made.wait(20)
                conn.send(nothing)
                if len(asked) == 2:
                    answered.set()
            elif text.startswith(b"create view"):
                conn.send(msg("C", z("CREATE VIEW")) + ready())
            elif text.startswith(b"select 1"):
                conn.send(answer("1"))
            else:
                looks.append(text)
                conn.send(nothing)

    with FakeServer(serve) as server:
        p = pooler(databases={"odd": f"host=127.0.0.1 port={server.port}"}, pool_mode="transaction", default_pool_size=9, workers=1,
                   session_audit_interval=2)
        with p.wire("odd") as one:
            assert one.value("select 1") == "1" and not looks
            eventually(lambda: len(asked) == 2)
            began = time.monotonic()
            one.ask("create view v as select 1")
            assert time.monotonic() - began < 8, "a server that is asked for long is waited for no more"
            made.set()
            assert answered.wait(10)
            before = len(looks)
            for _ in range(5):
                assert one.value("select 1") == "1"
            assert len(looks) >= before + 3            # the last look may be on its way, an audit among them


def test_code_that_is_made_elsewhere_is_found_within_the_interval(pooler, orders):
    with orders() as direct:
        p = pooler(pool_mode="transaction", default_pool_size=1, session_audit_interval=1)
        with p.wire("p3") as one:
            one.value("select 1")
            direct.execute(FUNCTION.format(name="f", body=SETS) + TRIGGER.format(name="f"))

            def found():
                one.value("select 1")
                return "may change sessions" in p.log()
            eventually(found)
            direct.execute("drop trigger hidden on orders")

            def gone():
                one.value("select 1")
                return "no code changes sessions unseen any more" in p.log()
            eventually(gone)


def test_the_interval_0_switches_it_off(pooler, orders):
    with orders(KINDS["view"][0]):
        p = pooler(pool_mode="transaction", default_pool_size=1, session_audit_interval=0)
        with p.wire("p3") as one, p.wire("p3") as two:
            one.ask("select * from seen")
            assert two.value(LEFT) != CLEAN
        assert "may change sessions" not in p.log()


def test_a_cancel_that_meets_the_question_about_a_session_has_it_asked_again(pooler):
    canceled = msg("E", b"SERROR\0C57014\0Mcanceling statement due to user request\0\0") + ready()
    looks = []

    def serve(conn):
        conn.send(AUTHENTICATED + key_data(7, b"four") + ready())
        while True:
            text = conn.read().body
            if text.startswith(b"select f()"):
                conn.send(answer("1"))
                continue
            if b"pg_settings" in text:
                looks.append(text)
            conn.send(canceled if len(looks) == 1 and b"pg_settings" in text else msg("C", z("SELECT 0")) + ready())

    with FakeServer(serve) as server:
        p = pooler(databases={"odd": f"host=127.0.0.1 port={server.port}"}, pool_mode="transaction", default_pool_size=1, workers=1)
        with p.wire("odd") as one:
            assert one.value("select f()") == "1"
            eventually(lambda: len(looks) == 2)
            eventually(lambda: p.pool("odd")["sv_idle"] == 1)
            assert isolation(p, "odd")["pinned"] == 0
