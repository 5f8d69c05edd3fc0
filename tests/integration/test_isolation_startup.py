"""What a client said in its StartupMessage is what RESET, DISCARD ALL and SET ... TO DEFAULT go back to, as on a connection of its own."""
import pytest
from wire import SYNC, TERMINATE, bind, describe, execute, extended, parse, query

pytestmark = pytest.mark.ours

SAID = {"options": "-c app.x=start -c role=alice", "search_path": "s1, public", "work_mem": "3MB", "DateStyle": "SQL, DMY", "TimeZone": "Asia/Tokyo",
        "statement_timeout": "55min"}
SEEN = ("select current_setting('work_mem'), current_setting('search_path'), coalesce(current_setting('app.x', true), ''), current_setting('role'),"
        " current_setting('datestyle'), current_setting('timezone'), current_setting('statement_timeout')")
SET = ("set work_mem = '9MB'", "set search_path to pg_catalog", "set app.x = 'other'", "set role none", "set datestyle = 'German'", "set timezone = 'UTC'",
       "set statement_timeout = 0")
RESETS = ["reset work_mem", "reset all", "discard all", "reset search_path", "reset role", "reset app.x", "reset session authorization",
          "set session authorization default", "reset datestyle", "reset time zone", "set work_mem to default", "set search_path = default", "set time zone default",
          "set time zone local", "set session timezone to default", "select set_config('work_mem', null, false)", "set local work_mem to default",
          "select set_config('search_path', NULL, false), set_config('app.x', null, true)", "/* so */ RESET /* it */ \"work_mem\" ;", "reset session_authorization",
          "discard plans", "set app.x to default", "set role to default", "reset application_name"]


@pytest.fixture
def pair(pooler, cluster):
    """A client of a pool of one server, and one of PostgreSQL's own, who said the same."""
    with cluster.connect() as direct:
        direct.execute("grant alice to bouncer")
    with cluster.connect("p0") as direct:
        direct.execute("create schema if not exists s1; grant usage on schema s1 to public")
    p = pooler(pool_mode="transaction", default_pool_size=1)
    opened = []

    def make(**said):
        opened.extend([p.wire(**(said or SAID)), cluster.wire("p0", **(said or SAID))])
        return opened[-2:]
    yield make
    for conn in opened:
        conn.close()


def essence(messages):
    """Without the parameters, which are told at another time; errors by their text."""
    return [(m.tag, m.fields()["M"] if m.tag in "EN" else m.body) for m in messages if m.tag != "S"]


def both(pair, messages):
    mine, bare = (essence(conn.send(messages).until()) for conn in pair)
    assert mine == bare
    return mine


@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("reset", RESETS)
def test_a_reset_goes_back_to_what_the_client_said(pair, protocol, reset):
    said = query if protocol == "simple" else extended
    conns = pair()
    for text in (*SET, SEEN, reset, SEEN):
        both(conns, said(text))
    # In a transaction that is undone, and in one that is not.
    for end in ("rollback", "commit"):
        for text in (*SET, "begin", *SET, reset, SEEN, end, SEEN):
            both(conns, said(text))


@pytest.mark.parametrize("text", [
    "reset work_mem; " + SEEN, "set work_mem = '7MB'; reset all; set app.x = 'again'; " + SEEN, "reset search_path; " + SEEN + "; rollback; " + SEEN,
    "begin; reset all; commit; set local work_mem to default; " + SEEN + ";", "reset all; select 1/0", "reset all; selec", "discard all; select 1",
    "reset role; reset app.x -- the end", "set constraints all deferred; reset all; set timezone = 'UTC'; show timezone"])
def test_a_reset_among_other_statements_is_exact_too(pair, text):
    conns = pair()
    for one in SET:
        both(conns, query(one))
    both(conns, query(text))
    both(conns, query(SEEN))


def test_an_error_behind_what_is_ours_has_its_own_place(pair):
    conns = pair()
    places = [[m.fields()["P"] for m in conn.send(query("reset all; set work_mem to default; select nope")).until() if m.tag == "E"] for conn in conns]
    assert places[0] == places[1] == ["44"]


@pytest.mark.parametrize("reset", ["reset all", "discard all", "reset work_mem"])
def test_what_follows_in_the_same_batch_sees_it_and_its_failure_takes_nothing_away(pair, reset):
    conns = pair()
    seen = parse("", SEEN) + bind() + describe() + execute()
    run = parse("", reset) + bind() + execute()
    for one in SET:
        both(conns, query(one))
    both(conns, run + seen + SYNC)
    for one in SET:
        both(conns, query(one))
    both(conns, run + parse("", "select 1/0") + bind() + execute() + SYNC)
    both(conns, query(SEEN))


@pytest.mark.parametrize("reset", ["reset app.x", "reset all", "reset search_path", "discard all", "reset role"])
def test_a_transaction_of_its_own_isolation_can_begin_in_the_same_breath(pair, reset):
    conns = pair()
    for text in SET:
        both(conns, query(text))
    both(conns, extended(reset).removesuffix(SYNC) + extended("start transaction isolation level serializable").removesuffix(SYNC) + extended(SEEN))
    both(conns, query("commit"))


@pytest.mark.parametrize("reset", ["reset app.x", "reset all", "reset search_path", "reset datestyle", "reset role"])
@pytest.mark.parametrize("end", ["rollback", "rollback to s", "select 1"])
@pytest.mark.parametrize("protocol", ["simple", "pipelined", "batch"])
def test_a_reset_behind_what_ends_a_failed_transaction_is_exact(pair, protocol, end, reset):
    conns = pair()
    for text in (*SET, "begin", "savepoint s", "select 1/0"):
        both(conns, query(text))
    if protocol == "batch":
        both(conns, extended(end).removesuffix(SYNC) + extended(reset))
    else:
        if protocol == "pipelined":
            for conn in conns:
                conn.send(query(end) + query(reset))
            answers = [[essence(conn.until()) for _ in range(2)] for conn in conns]
            assert answers[0] == answers[1]
        else:
            both(conns, query(end))
            both(conns, query(reset))
    both(conns, query(SEEN))
    both(conns, query("rollback"))
    both(conns, query(SEEN))


@pytest.mark.parametrize("path", ["s1, public", "s1,public", '"s1" , public', '"$user", s1', "S1, public", '"all"', "all, s1", "", "''", '"Odd", s1', '"a""b"'])
def test_a_list_of_names_is_told_as_it_was_said(pair, path):
    conns = pair(search_path=path)
    for text in ("set search_path to pg_catalog", "reset search_path", "show search_path"):
        both(conns, query(text))
    both(conns, query("set search_path to pg_catalog"))
    both(conns, extended("reset search_path"))
    both(conns, extended("show search_path"))


def test_a_named_statement_that_resets_does_so_when_it_is_executed(pair):
    conns = pair()
    both(conns, parse("r", "reset work_mem") + SYNC)
    both(conns, query(SET[0]))
    both(conns, bind("", "r") + SYNC)
    both(conns, query("show work_mem"))
    both(conns, bind("p", "r") + execute("p") + parse("", SEEN) + bind() + execute() + SYNC)
    both(conns, query("show work_mem"))


def test_the_client_is_told_its_own_value_and_never_the_servers(pair):
    for conn in pair():
        conn.ask("set timezone = 'Europe/Paris'")
        told = []
        for text in ("reset timezone", "select 1", "discard all", "select 1"):
            told += [message.body for message in conn.ask(text) if message.tag == "S"]
        assert told == [b"TimeZone\0Asia/Tokyo\0"], told


def test_a_client_that_keeps_its_server_has_its_values_there_as_well(pair):
    conns = pair()
    for text in ("select pg_advisory_lock_shared(77)", *SET, "do $$begin reset work_mem; end$$", SEEN, "discard all", SEEN, "select pg_advisory_unlock_all()"):
        both(conns, query(text))


def test_a_client_that_resets_and_leaves_at_once_leaves_a_server_that_serves_others(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    pids = set()
    for number in range(20):
        with p.wire(work_mem="3MB", TimeZone="Asia/Tokyo") as one:
            pids.add(one.value("select pg_backend_pid()"))
            one.ask("discard all")
            if number % 2:
                one.send(TERMINATE)
        with p.wire() as two:
            assert (two.value("show work_mem"), two.value("show timezone") == "Asia/Tokyo") == ("4MB", False)
    assert len(pids) == 1


def test_nobody_else_sees_what_was_set_again(pair):
    mine, _ = pair()
    other, bare = pair(application_name="other")
    for text in (*SET, "reset all", "discard all"):
        mine.ask(text)
        assert other.rows(SEEN) == bare.rows(SEEN)


def test_a_value_that_cannot_be_set_again_ends_the_client_with_its_reason(pooler, cluster):
    """A role that has been taken away meanwhile."""
    with cluster.connect() as direct:
        direct.execute("drop role if exists lent; create role lent; grant lent to bouncer")
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire(options="-c role=lent") as one:
        assert one.value("show role") == "lent"
        one.ask("set role none")
        with cluster.connect() as direct:
            direct.execute("revoke lent from bouncer")
        told = one.send(query("reset role") + query("select current_user")).closed()
        assert "permission denied to set role" in told[-1].fields()["M"], told
    with p.wire() as two:
        assert two.value("select current_user") == "bouncer"
