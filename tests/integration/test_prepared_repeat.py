"""What a pooler can do about prepared statements that PostgreSQL alone does not: repeat a batch after DDL, share unnamed
statements, see through comments that change with each request; and what it counts."""
import pytest
from statements import codes, one_server, prepare, run, server_names, two_servers  # noqa: F401: fixtures
from wire import FLUSH, SYNC, bind, close, describe, errors, execute, extended, parse, query, rows, tags

pytestmark = pytest.mark.ours


def counter(pooler, name):
    return next(int(row["value"]) for row in pooler.command("show prepared_statements") if row["name"] == name)


def described(name, values=()):
    return bind("", name, values) + describe() + execute() + SYNC


@pytest.fixture
def changing(cluster):
    """A table, and a function that gives it one column more."""
    owner = cluster.connect("p0")
    owner.execute("drop table if exists t_changing; create table t_changing(a int); insert into t_changing values (1);"
                  "grant all on t_changing to public")
    columns = iter("bcdefgh")
    yield lambda: owner.execute(f"alter table t_changing add column {next(columns)} text default 'x'")
    owner.close()


def test_T28_a_described_batch_is_repeated_after_ddl_and_the_client_never_hears_of_it(two_servers, changing):
    with two_servers.wire() as a, two_servers.wire() as b:
        prepare(a, "s", "select * from t_changing where a = $1")
        for held in (False, True, False):
            b.ask("begin" if held else "rollback")
            assert rows(a.send(described("s", (1,))).until())[0][0] == "1"
        for change in range(1, 4):
            changing()
            for held in (False, True):
                b.ask("begin" if held else "rollback")
                reply = a.send(described("s", (1,))).until()
                assert tags(reply) == "2TDCZ"
                assert rows(reply) == [["1"] + ["x"] * change]
            b.ask("rollback")
        assert counter(two_servers, "repeated_batches") == 3


def test_T28_what_comes_behind_the_repeated_batch_is_answered_behind_it(one_server, changing):
    with one_server.wire() as a:
        prepare(a, "s", "select * from t_changing")
        assert rows(a.send(described("s")).until()) == [["1"]]
        changing()
        a.send(described("s"))
        a.send(query("select 'next'"))
        first, second = a.until(), a.until()
        assert rows(second) == [["next"]]
        # Both may have been read together, and then the batch is not the last one.
        assert codes(first) == ["0A000"] or rows(first) == [["1", "x"]]
        assert rows(a.send(described("s")).until()) == [["1", "x"]]


def test_T28_inside_a_transaction_the_error_is_told_and_does_not_stay(one_server, changing):
    with one_server.wire() as a:
        prepare(a, "s", "select * from t_changing")
        assert rows(run(a, "s")) == [["1"]]
        a.ask("begin")
        changing()
        assert codes(a.send(described("s")).until()) == ["0A000"] and a.status == "E"
        a.ask("rollback")
        assert rows(a.send(described("s")).until()) == [["1", "x"]]
        assert counter(one_server, "repeated_batches") == 0


def test_T28_a_batch_that_changes_something_before_its_bind_is_not_repeated(one_server, changing):
    with one_server.wire() as a:
        prepare(a, "s", "select * from t_changing")
        assert rows(run(a, "s")) == [["1"]]
        changing()
        reply = a.send(parse("", "insert into t_changing values (2)"), bind(), execute(), described("s")).until()
        assert codes(reply) == ["0A000"] and a.value("select count(*) from t_changing") == "1"


def test_T28_a_batch_repeated_in_vain_fails_as_it_would_have(one_server, changing, cluster):
    with one_server.wire() as a, cluster.connect("p0") as owner:
        prepare(a, "s", "select a from t_changing")
        assert rows(a.send(described("s")).until()) == [["1"]]
        owner.execute("alter table t_changing alter column a type text")
        assert rows(a.send(described("s")).until()) == [["1"]]
        owner.execute("alter table t_changing rename to t_elsewhere")
        assert codes(a.send(described("s")).until()) == ["42P01"]
        owner.execute("alter table t_elsewhere rename to t_changing")
        assert rows(a.send(described("s")).until()) == [["1"]]


def test_T71_sql_execute_after_ddl_fails_once_and_then_works(two_servers, changing):
    with two_servers.wire() as a, two_servers.wire() as b:
        a.ask("prepare s as select * from t_changing")
        assert rows(a.ask("execute s")) == [["1"]]
        changing()
        assert codes(a.ask("execute s")) == ["0A000"]
        for held in (False, True):
            b.ask("begin" if held else "rollback")
            assert rows(a.ask("execute s")) == [["1", "x"]]


# --- unnamed statements

@pytest.fixture
def sharing(pooler):
    return pooler(pool_mode="transaction", default_pool_size=1, share_unnamed_statements=1)


def test_unnamed_statements_of_one_text_are_shared_from_the_second_on(sharing):
    with sharing.wire() as a, sharing.wire() as b:
        for turn in range(4):
            for conn in (a, b):
                assert rows(conn.send(extended("select $1::int + 1", (turn,))).until()) == [[str(turn + 1)]]
                assert tags(conn.send(extended("select $1::int + 1", (turn,))).until()) == "12TDCZ"
        assert len(server_names(a)) == 1
        assert counter(sharing, "shared_parses") == 14
        stats = next(row for row in sharing.command("show stats") if row["database"] == "p0")
        assert stats["total_server_parse_count"] == "1"


def test_a_shared_unnamed_statement_is_still_each_clients_own(sharing):
    with sharing.wire() as a, sharing.wire() as b:
        for _ in range(2):
            a.send(extended("select 'a'")).until(), b.send(extended("select 'b'")).until()
        a.send(parse("", "select 'a'"), SYNC).until()
        b.send(parse("", "select 'b'"), SYNC).until()
        for conn, mine in ((a, "a"), (b, "b")):
            assert rows(conn.send(bind(), execute(), SYNC).until()) == [[mine]]
            assert tags(conn.send(describe("S", ""), SYNC).until()) == "tTZ"
        a.ask("select 1")                                   # a Query takes it away
        assert codes(a.send(bind(), execute(), SYNC).until()) == ["26000"]
        a.send(parse("", "select 'a'"), close("S", ""), SYNC).until()
        assert codes(a.send(bind(), execute(), SYNC).until()) == ["26000"]
        assert rows(b.send(bind(), execute(), SYNC).until()) == [["b"]]


def test_errors_of_shared_unnamed_statements_are_postgres_own(sharing):
    with sharing.wire() as a:
        for _ in range(3):
            assert codes(a.send(extended("selec")).until()) == ["42601"]
            assert codes(a.send(extended("select 1/$1::int", (0,))).until()) == ["22012"]
            a.ask("begin")
            assert codes(a.send(extended("select 1/0")).until()) == ["22012"]
            assert codes(a.send(extended("select 1/$1::int", (1,))).until()) == ["25P02"]
            assert tags(a.send(extended("rollback")).until()) == "12nCZ"


def test_errors_about_a_shared_unnamed_statement_call_it_as_postgres_does(sharing, cluster):
    said = parse("", "select $1::int") + bind() + SYNC
    with sharing.wire() as a, cluster.wire("p0") as direct:
        expected = errors(direct.send(said).until())
        assert all(errors(a.send(said).until()) == expected for _ in range(3))


def test_a_failed_parse_of_a_shared_text_leaves_no_unnamed_statement(sharing):
    with sharing.wire() as a:
        for _ in range(3):
            a.send(parse("", "select 'old'"), SYNC).until()
            assert codes(a.send(parse("", "selec"), SYNC).until()) == ["42601"]
            assert codes(a.send(bind(), execute(), SYNC).until()) == ["26000"]
            a.send(parse("", "select 'old'"), SYNC).until()
            assert codes(a.send(parse("", "select 1/0 from nowhere"), bind(), SYNC).until()) == ["42P01"]
            assert codes(a.send(describe("S", ""), SYNC).until()) == ["26000"]


def test_a_shared_text_waits_for_what_an_earlier_batch_makes_of_it(pooler):
    """The batch before it, unanswered as yet, makes room by closing the text's statement, fails, and has closed nothing."""
    p = pooler(pool_mode="transaction", default_pool_size=1, share_unnamed_statements=1, max_prepared_statements=2)
    with p.wire() as a:
        for turn in range(3):
            prepare(a, f"c{turn}", "select 6/$1::int")
            prepare(a, f"b{turn}", "select 'b'")
            a.send(bind("", "nowhere"), parse("s", "select 1"), SYNC, extended("select 6/$1::int", (2,)), bind("", "", (3,)), execute(), SYNC)
            assert codes(a.until()) == ["26000"]
            assert rows(a.until()) == [["3"]]
            assert rows(a.until()) == [["2"]]


def test_a_shared_unnamed_statement_is_repeated_after_ddl(sharing, changing):
    with sharing.wire() as a:
        for _ in range(3):
            assert rows(a.send(extended("select * from t_changing")).until()) == [["1"]]
        changing()
        reply = a.send(extended("select * from t_changing")).until()
        assert tags(reply) == "12TDCZ" and rows(reply) == [["1", "x"]]


@pytest.mark.parametrize("name", ["", "s"])
def test_who_parses_in_the_same_breath_never_hears_of_ddl(sharing, changing, name):
    with sharing.wire() as a, sharing.wire() as b:
        for conn in (a, b, a):
            conn.send(close("S", "s"), parse(name, "select * from t_changing"), bind("", name), execute(), SYNC)
            assert rows(conn.until()) == [["1"]]
        changing()
        reply = a.send(close("S", "s"), parse(name, "select * from t_changing"), bind("", name), execute(), SYNC).until()
        assert tags(reply) == "312DCZ" and rows(reply) == [["1", "x"]]
        prepare(b, "kept", "select * from t_changing")
        assert rows(run(b, "kept")) == [["1", "x"]]
        changing()
        reply = b.send(parse("", "select 'another'"), bind("", "kept"), execute(), SYNC).until()
        assert codes(reply) == ["0A000"], "it may have kept what it was told of its rows"


def test_without_the_setting_unnamed_statements_stay_unnamed(one_server):
    with one_server.wire() as a:
        for _ in range(3):
            a.send(extended("select 1")).until()
        assert server_names(a) == []


# --- comments

@pytest.mark.parametrize("text", ["select 'x'/*traceparent='00-{}-01'*/", "select 'x' /* action='show',id='{}' */ ; ",
                                  "select 'x'/*application:shop,request_id:{}*/", "select 'x' /* trace_id={} */",
                                  "/*dddbs='shop',traceparent='00-{:02}-01'*/ select 'x'", " /* id={:02} */select 'x' /*span:{}*/"])
def test_a_comment_that_changes_with_each_request_does_not_make_another_statement(one_server, text):
    with one_server.wire() as a:
        for i in range(20):
            prepare(a, f"s{i}", text.format(i, i))
            assert rows(run(a, f"s{i}")) == [["x"]]
        assert len(server_names(a)) == 1
        assert counter(one_server, "texts") == 1


def test_a_comment_in_front_leaves_the_positions_of_errors(one_server, cluster):
    text = "/*traceparent='00-{}-01'*/ select 'ä', nowhere"
    with one_server.wire() as a, cluster.wire("p0") as direct:
        for i in range(2):
            said = parse("s", text.format(i)) + SYNC
            assert errors(a.send(said).until())[0]["P"] == errors(direct.send(said).until())[0]["P"] == "39"


@pytest.mark.parametrize("pair", [
    ("select 1 /*+ Set(a:1) */", "select 1 /*+ Set(a:2) */"), ("select 1 /* one */", "select 1 /* two */"),
    ("select '1 /*a:1*/'", "select '1 /*a:2*/'"), ("select $$ /*a:1*/$$", "select $$ /*a:2*/$$"), ("select 1 --/*a:1*/", "select 1 --/*a:2*/"),
    ("select 'a\\' /*a:1*/", "select 'a\\' /*a:2*/"), ('select 1 as "/*a:1*/"', 'select 1 as "/*a:2*/"'),
    ("select /*a:1*/ 1", "select /*a:2*/ 1"), ("/*a:1*/ /*+ Set(b:1) */ select 1", "/*a:2*/ /*+ Set(b:1) */ select 1"), ("select 1 /*a:1*/ + 1 /*b:1*/", "select 1 /*a:2*/ + 1 /*b:1*/")])
def test_what_may_mean_something_makes_another_statement(one_server, pair):
    with one_server.wire() as a:
        for i, text in enumerate(pair):
            prepare(a, f"s{i}", text)
            run(a, f"s{i}")
        assert len(server_names(a)) == 2


# --- counters

def test_the_console_counts_texts_reparses_and_closes(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=2, max_prepared_statements=2)
    with p.wire() as a, p.wire() as b:
        for name in "abc":
            prepare(a, name, f"select '{name}'")
            prepare(b, name, f"select '{name}'")
        assert counter(p, "texts") == 3 and counter(p, "client_names") == 6 and counter(p, "on_servers") == 2
        before = counter(p, "reparses"), counter(p, "closes")
        run(a, "a"), run(a, "b"), run(a, "c")
        assert counter(p, "reparses") >= before[0] + 1 and counter(p, "closes") >= before[1] + 1
        used = counter(p, "text_bytes")
        assert used > counter(p, "unused_bytes") == 0
    with p.wire() as c:
        assert c.value("select 1") == "1"
        assert counter(p, "unused_bytes") > 0 or counter(p, "on_servers") > 0
        assert counter(p, "client_names") == 0
