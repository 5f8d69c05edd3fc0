"""The residue audit: idle servers are asked whether anything of a client's is left there."""
import time

import pytest
from test_isolation import isolation
from wire import eventually, extended, query

pytestmark = pytest.mark.ours


@pytest.fixture
def pool(pooler):
    """A pool in transaction mode that is audited every second."""
    def make(**settings):
        return pooler(**{"pool_mode": "transaction", "default_pool_size": 1, "session_audit_interval": 1, "workers": 1} | settings)
    return make


@pytest.fixture
def trigger(cluster):
    """A table in database p3 whose trigger changes the session: no text tells, not even the trigger's own."""
    with cluster.connect("p3") as direct:
        direct.execute("""
            drop table if exists orders; create table orders (id int); grant all on orders to public;
            create or replace function speed_up_here() returns trigger language plpgsql as
                $$ begin execute 'select set' || '_config(''work_mem'', ''9MB'', false)';
                         execute 'select set' || '_config(''app.order'', $1, false)' using new.id::text; return new; end $$;
            create or replace function names_it() returns text language sql as $$ select set_config('app.order', 'never called', false) $$;
            create trigger hidden before insert on orders for each row execute function speed_up_here();
            """)
    return "p3"


def audits(p, database="p0"):
    row = isolation(p, database)
    return row["audits"] if row else 0


def test_what_no_text_tells_is_found_and_the_server_is_closed(pool, trigger):
    p = pool()
    with p.wire(trigger) as one, p.wire(trigger) as two:
        pid = one.value("select pg_backend_pid()")
        one.ask("insert into orders values (1)")
        eventually(lambda: isolation(p, trigger)["leaks_detected"] == 1)
        p.log_has(r"WARNING S-.*: p3/bouncer@.* leak detected: its session has setting app.order, setting work_mem", 5)
        p.log_has("closing because: session is not clean", 5)
        # Another server, which is looked at from now on: what the trigger does follows its client.
        assert two.value("select pg_backend_pid()") != pid
        one.send(extended("insert into orders values (2)")).until()
        assert two.value("show work_mem") == "4MB"
        assert two.value("select coalesce(current_setting('app.order', true), '')") == ""
        assert one.value("show work_mem") == "9MB"
        assert one.value("select current_setting('app.order', true)") == "2"
        before = audits(p, trigger)
        two.value("select 1")
        eventually(lambda: audits(p, trigger) > before)
    assert isolation(p, trigger)["leaks_detected"] == 1


# What the trigger does, in words that the reading of sources does not suspect; and what the audit calls it.
RESIDUES = {
    "a lock": ("execute 'select pg_adv' || 'isory_lock(7)';", "an advisory lock"),
    "a temporary table": ("execute 'create table pg_te' || 'mp.scratch (x int)';", "a temporary object"),
}


@pytest.mark.parametrize("kind", RESIDUES)
def test_what_is_no_setting_is_found_too(pool, trigger, cluster, kind):
    does, called = RESIDUES[kind]
    with cluster.connect(trigger) as direct:
        direct.execute("create or replace function speed_up_here() returns trigger language plpgsql as $$ begin " + does + " return new; end $$")
    p = pool()
    with p.wire(trigger) as one, p.wire(trigger) as two:
        pid = one.value("select pg_backend_pid()")
        one.ask("insert into orders values (1)")
        p.log_has(f"leak detected: its session has {called}, which", 10)
        assert isolation(p, trigger)["leaks_detected"] == 1
        assert two.value("select pg_backend_pid()") != pid
        # From now on whoever does it keeps the server.
        one.ask("insert into orders values (2)")
        kept = one.value("select pg_backend_pid()")
        one.ask("select 1")
        eventually(lambda: isolation(p, trigger)["pinned"] == 1)
        assert two.send(query("select pg_backend_pid()")) and one.value("select pg_backend_pid()") == kept
        one.ask("discard all")
        assert [m.values() for m in two.until() if m.tag == "D"] == [[kept]]


def test_names_of_settings_that_only_clients_have_said_are_asked_for(pool, trigger, cluster):
    with cluster.connect(trigger) as direct:
        direct.execute("create or replace function speed_up_here() returns trigger language plpgsql as $$ begin "
                       "execute 'select set' || '_config(''said.by_'' || ''clients'', ''9'', false)'; return new; end $$")
    p = pool()
    with p.wire("p0") as elsewhere, p.wire(trigger) as one:
        elsewhere.ask("set said.by_clients = '1'")
        one.ask("insert into orders values (1)")
        p.log_has("leak detected: its session has setting said.by_clients, which", 10)


def test_another_value_than_the_client_has_set_is_a_leak_too(pool, trigger):
    p = pool()
    with p.wire(trigger) as one:
        one.ask("set work_mem to '7MB'")
        before = audits(p, trigger)
        eventually(lambda: audits(p, trigger) > before)
        assert isolation(p, trigger)["leaks_detected"] == 0
        one.ask("insert into orders values (1)")
        p.log_has("leak detected: its session has setting work_mem has another value, setting app.order", 10)
        assert one.value("show work_mem") == "7MB"


def test_a_leak_is_an_alert(pool, trigger):
    p = pool()
    with p.wire(trigger) as one:
        one.ask("insert into orders values (1)")
        p.log_has("alert isolation_leaks: 1 servers", 10)


def test_what_clients_are_known_to_have_set_is_no_leak(pool, cluster):
    with cluster.connect() as direct:
        direct.execute("grant alice to bouncer")
    p = pool(databases={"p0": "connect_query='set statement_timeout to 77000'", "p1": ""}, default_pool_size=2)
    said = ["set work_mem to '7MB'", "select set_config('work_mem', '7168', false)", "set app.tenant = '7'", "set app.tenant = ''",
            "set role alice", "set session authorization bouncer", "set search_path to \"Ü\", public", "reset app.tenant", "set enable_seqscan to f",
            "do $$ begin perform set_config('work_mem', '8192', false); end $$", "set extra_float_digits to 1", "set datestyle to german",
            "set statement_timeout to default", "discard all", "reset all", "set session characteristics as transaction read only"]
    with p.wire() as one, p.wire() as two:
        for sql in said:
            one.ask(sql)
            before = audits(p)
            one.ask("select 1")
            two.ask("select 1")
            eventually(lambda: audits(p) > before, 10)
            row = isolation(p)
            assert row["leaks_detected"] == 0, sql
    assert isolation(p)["audits"] >= len(said)


def test_so_many_servers_are_asked_at_each_audit(pool):
    p = pool(default_pool_size=4, session_audit_servers=3)
    clients = [p.wire() for _ in range(4)]
    for client in clients:
        client.ask("begin")
    for client in clients:
        client.ask("commit")
    seen = set()
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and 4 not in seen:
        seen.add(audits(p))
        time.sleep(0.05)
    # Three, then the one that is left; who serves nobody is not asked again.
    assert seen == {0, 3, 4}
    time.sleep(2.5)
    assert audits(p) == 4


def test_no_audit_where_it_is_off_or_sessions_are_not_isolated(pool):
    for settings in ({"session_audit_interval": 0}, {"session_state": "off"}, {"pool_mode": "session"}):
        p = pool(**settings)
        with p.wire() as one:
            for _ in range(5):
                one.ask("select 1")
                time.sleep(0.5)
        assert audits(p) == 0, settings
