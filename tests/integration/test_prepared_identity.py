"""T27: what a statement is. Its text, its parameter types, and what its client has set that changes what the text means
or how it is planned; each client is answered as if the server were its own."""
import pytest
from statements import codes, one_server, prepare, run, server_names, two_servers  # noqa: F401: fixtures
from wire import SYNC, bind, describe, execute, extended, parse, query, rows, tags

pytestmark = pytest.mark.ours

TEXT = "select v from t27 where v = $1"


@pytest.fixture
def schemas(cluster):
    """The same table with other types."""
    with cluster.connect("p0") as conn:
        conn.execute("drop schema if exists t27_int, t27_text cascade; create schema t27_int; create schema t27_text;"
                     "create table t27_int.t27 as select 1 as v; create table t27_text.t27 as select '1'::text as v;"
                     "grant usage on schema t27_int, t27_text to public; grant select on all tables in schema t27_int, t27_text to public")


def types_of(conn, name):
    """Type oids of its parameters and its columns."""
    reply = conn.send(describe("S", name), SYNC).until()
    assert tags(reply) == "tTZ"
    return [int.from_bytes(reply[0].body[2:6], "big")] + [oid for _, oid in reply[1].columns()]


INT, STRING = [23, 23], [25, 25]
SETS = {"a SET": lambda conn, schema: conn.ask(f"set search_path = {schema}"),
        "set_config": lambda conn, schema: conn.send(extended("select set_config('search_path', $1, false)", (schema,))).until(),
        "at login": None}


@pytest.mark.parametrize("how", SETS)
def test_T27_search_path_is_part_of_a_statement(one_server, schemas, how):
    def client(schema):
        if SETS[how]:
            conn = one_server.wire()
            assert not codes(SETS[how](conn, schema))
            return conn
        return one_server.wire(options=f"-c search_path={schema}")

    with client("t27_int") as a, client("t27_text") as b, client("t27_int") as c:
        for conn in (a, b, c):
            prepare(conn, "s", TEXT)
        for _ in range(2):
            for conn, expected in ((a, INT), (b, STRING), (c, INT)):
                assert types_of(conn, "s") == expected
                assert rows(run(conn, "s", (1,))) == [["1"]]
        assert len(server_names(a)) == 2


@pytest.mark.parametrize("how", ["set local search_path = {}", "select set_config('search_path', '{}', true)"])
def test_T27_search_path_of_a_transaction_is_part_of_what_it_parses(one_server, schemas, how):
    with one_server.wire() as a, one_server.wire() as b:
        for turn in range(3):
            for conn, schema, expected in ((a, "t27_int", INT), (b, "t27_text", STRING)):
                conn.ask("begin")
                conn.ask(how.format(schema))
                prepare(conn, f"s{turn}", TEXT)
                assert types_of(conn, f"s{turn}") == expected
                assert rows(run(conn, f"s{turn}", (1,))) == [["1"]]
                conn.ask("commit")
        # The same words mean the same: no statement for each transaction.
        a.ask("begin")
        assert len(server_names(a)) == 2


def test_T27_a_bound_search_path_of_a_transaction_counts_by_its_value(one_server, schemas):
    """As PostgREST does: one statement that sets everything, with a token that differs each time."""
    setting = "select set_config('search_path', $1, true), set_config('request.jwt', $2, true)"
    with one_server.wire() as a, one_server.wire() as b:
        for conn in (a, b):
            prepare(conn, "set", setting)
        for turn in range(5):
            for conn, schema, expected in ((a, "t27_int", INT), (b, "t27_text", STRING)):
                conn.ask("begin")
                run(conn, "set", (schema, f"token {turn}"))
                prepare(conn, f"s{turn}", TEXT)
                assert types_of(conn, f"s{turn}") == expected
                conn.ask("commit")
        a.ask("begin")
        assert len(server_names(a)) == 3


def test_T27_what_a_rolled_back_savepoint_had_set_is_not_taken_for_set(one_server, schemas):
    with one_server.wire() as a, one_server.wire() as b:
        a.ask("begin; savepoint s; set local search_path = t27_int")
        a.ask("rollback to s")
        a.ask("set local search_path = t27_text, public")
        a.ask("rollback to s; set local search_path = t27_text")
        prepare(a, "s", TEXT)
        a.ask("rollback")
        b.ask("begin; savepoint s; set local search_path = t27_int")
        prepare(b, "s", TEXT)
        assert types_of(b, "s") == INT
        b.ask("rollback to s")
        assert codes(b.send(parse("t", TEXT), SYNC).until()) == ["42P01"]


LITERALS = [("timezone", "Asia/Tokyo", "America/New_York", "select extract(epoch from '2020-01-01 00:00'::timestamptz)::text"),
            ("datestyle", "ISO, DMY", "ISO, MDY", "select extract(month from '01/02/2020'::date)::text"),
            ("intervalstyle", "sql_standard", "postgres", "select extract(hour from '-1 1:00:00'::interval)::text"),
            ("standard_conforming_strings", "on", "off", "select length('\\\\')::text"),
            ("client_encoding", "UTF8", "LATIN1", "select length('ä')::text"),
            ("transform_null_equals", "on", "off", "select coalesce((null = null)::text, 'nothing')")]


@pytest.mark.parametrize("setting,one,other,sql", LITERALS, ids=[each[0] for each in LITERALS])
def test_T27_literals_are_read_as_each_clients_settings_say(one_server, cluster, setting, one, other, sql):
    def ask(conn, value):
        conn.ask(f"set {setting} = '{value}'")
        reply = [message for message in conn.send(parse("s", sql), SYNC).until() if message.tag != "N"]
        assert tags(reply) == "1Z"
        return [rows(run(conn, "s"))[0][0] for _ in range(3)]

    with cluster.wire("p0") as own:
        expected = [ask(own, one)]
        own.ask("deallocate s")
        expected.append(ask(own, other))
    with one_server.wire() as a, one_server.wire() as b:
        assert [ask(a, one), ask(b, other)] == expected
        assert expected[0] != expected[1]
        assert [rows(run(a, "s"))[0][0], rows(run(b, "s"))[0][0]] == [expected[0][0], expected[1][0]]


def test_T27_a_plan_is_made_with_the_settings_of_its_client(one_server, cluster):
    with cluster.connect("p0") as owner:
        owner.execute("drop table if exists t27_plan; create table t27_plan as select i as a from generate_series(1, 2000) i;"
                      "create index on t27_plan(a); analyze t27_plan; grant select on t27_plan to public")
    sql = "select a from t27_plan where a = 7"
    with one_server.wire() as a, one_server.wire() as b:
        a.ask("set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off")
        for conn, scan in ((a, "Seq Scan"), (b, "Index"), (a, "Seq Scan")):
            if conn is a or scan == "Index":
                conn.send(parse("s", sql), SYNC).until()
            for _ in range(7):
                assert rows(run(conn, "s")) == [["7"]]
            assert scan in rows(conn.ask("explain execute s"))[0][0]


def test_T27_a_role_sees_its_own_rows_through_one_text(one_server, cluster):
    with cluster.connect("p0") as owner:
        owner.execute("drop table if exists t27_rows; create table t27_rows(whose text); insert into t27_rows values ('alice'), ('bob');"
                      "alter table t27_rows enable row level security; create policy own on t27_rows using (whose = current_user);"
                      "grant select on t27_rows to public; grant alice, bob to bouncer")
    try:
        with one_server.wire() as a, one_server.wire() as b:
            for conn, role in ((a, "alice"), (b, "bob")):
                conn.ask(f"set role {role}")
            for conn in (a, b):
                prepare(conn, "s", "select whose from t27_rows")
            for _ in range(7):
                assert rows(run(a, "s")) == [["alice"]] and rows(run(b, "s")) == [["bob"]]
            for conn, role in ((a, "bob"), (b, "alice")) * 3:
                conn.ask(f"begin; set local role {role}")
                assert rows(run(conn, "s")) == [[role]]
                conn.ask("commit")
    finally:
        with cluster.connect("p0") as owner:
            owner.execute("revoke alice, bob from bouncer")


def test_T27_what_changes_no_plan_makes_no_other_statement(one_server):
    with one_server.wire() as a, one_server.wire() as b, one_server.wire(application_name="c") as c:
        a.ask("set app.tenant = '7'; set statement_timeout = 60000")
        b.ask("set app.tenant = '8'; set lock_timeout = 50000; set client_min_messages = error")
        for conn in (a, b, c):
            prepare(conn, "s", "select 1")
            conn.ask("begin; set local app.user = 'x'")
            prepare(conn, "t", "select 2")
            conn.ask("commit")
        assert len(server_names(a)) == 2


def test_T27_in_sql_too(one_server, schemas):
    with one_server.wire() as a, one_server.wire() as b:
        for conn, schema in ((a, "t27_int"), (b, "t27_text")):
            conn.ask(f"set search_path = {schema}")
            conn.ask("prepare s as select v, pg_typeof(v) from t27")
        for _ in range(3):
            assert rows(a.ask("execute s")) == [["1", "integer"]] and rows(b.ask("execute s")) == [["1", "text"]]


def test_T27_shared_unnamed_statements_keep_to_it_too(pooler, schemas):
    p = pooler(pool_mode="transaction", default_pool_size=1, share_unnamed_statements=1)
    with p.wire() as a, p.wire() as b:
        for conn, schema in ((a, "t27_int"), (b, "t27_text")):
            conn.ask(f"set search_path = {schema}")
        for _ in range(4):
            for conn, oid in ((a, 23), (b, 25)):
                reply = conn.send(extended("select v from t27 where v = $1", ("1",))).until()
                assert tags(reply) == "12TDCZ" and reply[2].columns()[0][1] == oid


@pytest.mark.parametrize("how", ["named", "shared unnamed"])
def test_words_for_the_time_mean_the_time_of_the_clients_own_parse(pooler, how):
    """PostgreSQL reads 'now' and 'today' when it parses; another client's Parse was yesterday."""
    p = pooler(pool_mode="transaction", default_pool_size=1, share_unnamed_statements=1)
    sql = "select extract(epoch from 'now'::timestamptz)::text"
    seen = []
    with p.wire() as a, p.wire() as b:
        for conn in (a, b, a, b, a):
            if how == "named":
                conn.send(close_s(), parse("s", sql), SYNC).until()
                seen.append(rows(run(conn, "s"))[0][0])
            else:
                seen.append(rows(conn.send(extended(sql)).until())[0][0])
    assert len(set(seen)) == len(seen)


def close_s():
    from wire import close
    return close("S", "s")


def test_cve_2024_45624_one_text_of_many_roles_is_answered_to_each_as_its_own(pooler, cluster):
    """pgpool's cache of results knew no roles. Here texts are shared, also between clients that have set a role."""
    roles = ["role_45624_a", "role_45624_b"]
    with cluster.connect("p0") as conn:
        for role in roles:
            conn.execute(f"do $$ begin create role {role}; exception when duplicate_object then null; end $$; grant {role} to bouncer")
        conn.execute("drop table if exists secrets_45624; create table secrets_45624(owner text, secret text);"
                     "alter table secrets_45624 enable row level security; create policy own on secrets_45624 using (owner = current_user);"
                     "grant select on secrets_45624 to public")
        for owner in (*roles, "alice", "bob"):
            conn.execute("insert into secrets_45624 values (%s, %s)", [owner, f"of {owner}"])
    p = pooler(pool_mode="transaction", default_pool_size=1, share_unnamed_statements=1)
    text = "select string_agg(secret, ',') from secrets_45624"
    clients = {"alice": p.wire(user="alice"), "bob": p.wire(user="bob"), **{role: p.wire() for role in roles}}
    for role in roles:
        clients[role].ask(f"set role {role}")
    for conn in clients.values():
        conn.send(parse("s", text), SYNC).until()
    for _ in range(3):
        for owner, conn in clients.items():
            named = bind("", "s") + execute() + SYNC
            for way in (query(text), extended(text), named):
                assert rows(conn.send(way).until()) == [[f"of {owner}"]]
