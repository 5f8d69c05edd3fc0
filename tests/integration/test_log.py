"""The log lines that operators and their tools match."""
import re
import struct
import time

import pytest
from servers import IS_PGBOUNCER
from wire import SYNC, PgError, bind, describe, execute, extended, msg, parse, query

STAMP = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \w+ \[\d+\] "
CLIENT = r"C-0x[0-9a-f]+: p0/bouncer@127\.0\.0\.1:\d+ "
SERVER = r"S-0x[0-9a-f]+: p0/bouncer@127\.0\.0\.1:\d+ "


def has_line(pooler, pattern):
    return pooler.log_has("(?m)" + pattern)


def durations(pooler, what, suffix=r"(?:  \(waited [\d.]+ ms\))?$"):
    """Of the logged statements of that kind, in milliseconds and in order; at least one."""
    pattern = rf"(?m)LOG .*duration: (\d+\.\d{{3}}) ms  {re.escape(what)}{suffix}"
    pooler.log_has(pattern)
    return [float(found) for found in re.findall(pattern, pooler.log())]


def test_every_line_has_a_stamp_a_pid_and_a_level(pooler):
    p = pooler()
    with p.wire() as conn:
        conn.send(msg("X"))
        conn.closed()
    has_line(p, "closing because")
    for line in p.log().splitlines():
        assert re.match(STAMP + "(FATAL|ERROR|WARNING|LOG|DEBUG|NOISE) ", line) or line.startswith("\t"), line
        assert f"[{p.process.pid}]" in line or line.startswith("\t")


def test_start_tells_where_it_listens(pooler):
    p = pooler()
    has_line(p, STAMP + r"LOG kernel file descriptor limit: \d+ \(hard: \d+\); max_client_conn: 1000, max expected fd use: \d+$")
    has_line(p, STAMP + rf"LOG listening on 127\.0\.0\.1:{p.port}$")
    has_line(p, STAMP + rf"LOG listening on unix:{p.unix_path}$")
    ours = r"pgweir [\d.]+ \(PgBouncer 1\.25\.2\), event loop: \w+, workers: \d+, tls: OpenSSL "
    has_line(p, STAMP + "LOG process up: " + ("PgBouncer " if IS_PGBOUNCER else ours))


def test_a_login_and_its_end_are_logged(pooler):
    """h11."""
    p = pooler()
    with p.wire() as conn:
        conn.ask("select 1")
        conn.send(msg("X"))
        conn.closed()
    has_line(p, STAMP + "LOG " + CLIENT + "login attempt: db=p0 user=bouncer tls=no")
    has_line(p, STAMP + "LOG " + SERVER + r"new connection to server \(from 127\.0\.0\.1:\d+\)$")
    has_line(p, STAMP + "LOG " + CLIENT + r"closing because: client close request \(age=\d+s\)$")


@pytest.mark.ours
def test_a_login_attempt_names_replication(pooler):
    p = pooler()
    p.wire().close()
    has_line(p, "login attempt: db=p0 user=bouncer tls=no replication=no$")


def test_a_client_that_vanishes_is_logged_as_such(pooler):
    p = pooler()
    p.wire().close()
    has_line(p, CLIENT + r"closing because: client unexpected eof \(age=\d+s\)$")


def test_unix_clients_are_named_by_their_process(pooler):
    p = pooler()
    p.wire(unix=True).close()
    has_line(p, rf"C-0x[0-9a-f]+: p0/bouncer@unix\(\d+\):{p.port} login attempt")


def test_a_refusal_is_logged_as_a_pooler_error(pooler):
    p = pooler()
    with pytest.raises(PgError):
        p.wire("p0", "nosuchuser")
    has_line(p, STAMP + r"WARNING C-0x[0-9a-f]+: .*pooler error: \"trust\" authentication failed$")
    has_line(p, STAMP + r"LOG C-0x[0-9a-f]+: .*closing because: \"trust\" authentication failed \(age=\d+s\)$")


def test_each_kind_of_line_can_be_switched_off(pooler):
    p = pooler(log_connections=0, log_disconnections=0, log_pooler_errors=0)
    p.wire().ask("select 1")
    with pytest.raises(PgError):
        p.wire("p0", "nosuchuser")
    p.command("show version")
    assert not re.search("login attempt|new connection to server|closing because|pooler error", p.log())


def test_the_stats_line_comes_every_period(pooler):
    p = pooler(log_stats=1, stats_period=1, pool_mode="transaction")
    with p.wire() as conn:
        for _ in range(5):
            conn.ask("select 1")
        has_line(p, STAMP + r"LOG stats: \d+ xacts/s, \d+ queries/s, .*in \d+ B/s, out \d+ B/s, xact \d+ us, "
                            r"query \d+ us, wait \d+ us$")


@pytest.mark.ours
def test_the_stats_line_tells_of_parses_and_logins(pooler):
    p = pooler(log_stats=1, stats_period=1)
    has_line(p, r"stats: 0 xacts/s, 0 queries/s, 0 client parses/s, 0 server parses/s, 0 binds/s, \d+ client logins/s, "
                r"in 0 B/s, out 0 B/s, xact 0 us, query 0 us, wait 0 us$")


@pytest.mark.ours
def test_slow_statements_are_logged_as_postgres_logs_them(pooler):
    p = pooler(pool_mode="session", log_min_duration_statement=150)
    with p.wire() as conn:
        conn.ask("select 'quick'")
        begun = time.monotonic()
        conn.ask("select pg_sleep(0.2), 'slow simple'")
        conn.send(extended("select pg_sleep(0.2), 'slow unnamed'")).until()
        conn.ask("begin")
        conn.send(extended("select pg_sleep(0.2), 'slow named'", (), "fetcher")).until()
        conn.ask("commit")
        wall = (time.monotonic() - begun) * 1000
    logged = [durations(p, f"{how}: select pg_sleep(0.2), 'slow {kind}'")
              for how, kind in (("statement", "simple"), ("execute <unnamed>", "unnamed"), ("execute fetcher", "named"))]
    assert [len(of_one) for of_one in logged] == [1, 1, 1] and all(took >= 200 for (took,) in logged)
    assert sum(took for (took,) in logged) <= wall, "each of its own time"
    assert "quick" not in p.log()


@pytest.mark.ours
@pytest.mark.parametrize("pool_mode", ["session", "transaction"])
def test_a_pipeline_is_charged_per_statement_not_per_sync(pooler, pool_mode):
    p = pooler(pool_mode=pool_mode, log_min_duration_statement=200)
    with p.wire() as conn:
        conn.send(parse("sleeper", "select pg_sleep($1::float8 / 1000)") + SYNC).until()
        pipeline = b"".join([bind("", "sleeper", [400]) + execute(),
                             bind("", "sleeper", [1]) + execute(),
                             bind("", "sleeper", [900]) + execute(),
                             parse("", "select 'quick'") + bind() + execute(),
                             parse("", "select pg_sleep(0.4)") + bind() + describe() + execute(), SYNC])
        begun = time.monotonic()
        assert [m.tag for m in conn.send(pipeline).until() if m.tag == "C"] == ["C"] * 5
        wall = (time.monotonic() - begun) * 1000
    logged = durations(p, "execute sleeper: select pg_sleep($1::float8 / 1000)") + durations(p, "execute <unnamed>: select pg_sleep(0.4)")
    # A statement's time begins where the pooler has heard the end of the one before, which a busy machine delays.
    assert len(logged) == 3 and all(took > 0.6 * slept for took, slept in zip(logged, (400, 900, 400))), logged
    assert sum(logged) <= wall, "each of its own time"
    assert p.log().count("duration: ") == 3


@pytest.mark.ours
def test_portals_that_were_bound_before_are_charged_one_by_one(pooler):
    p = pooler(pool_mode="transaction", log_min_duration_statement=200)
    with p.wire() as conn:
        conn.send(parse("sleeper", "select pg_sleep($1::float8 / 1000)") + SYNC).until()
        conn.send(bind("long", "sleeper", [900]) + bind("short", "sleeper", [1]) + execute("long") + execute("short") + SYNC).until()
    (took,) = durations(p, "execute sleeper: select pg_sleep($1::float8 / 1000)")
    assert took > 0.6 * 900, "not the mean of both"


@pytest.mark.ours
def test_a_long_batch_of_one_statement_shares_its_time(pooler):
    p = pooler(log_min_duration_statement=15)
    with p.wire() as conn:
        conn.send(parse("sleeper", "select pg_sleep($1::float8 / 1000)") + SYNC).until()
        one = bind("", "sleeper", [1]) + execute()
        last = bind("", "sleeper", [400]) + execute()
        begun = time.monotonic()
        replies = conn.send(one * 33 + last + SYNC).until()
        wall = (time.monotonic() - begun) * 1000
        assert [m.tag for m in replies].count("C") == 34
    sleeper = "execute sleeper: select pg_sleep($1::float8 / 1000)"
    (first,) = durations(p, sleeper, r"  \(waited [\d.]+ ms, mean of 2 executions\)$")
    (second,) = durations(p, sleeper)[-1:]
    # The answers of both come together: neither is told apart, each is half of the 401 ms.
    assert 300 < first + second <= wall and abs(first - second) < 0.4 * (first + second), (first, second)


@pytest.mark.ours
def test_a_slow_function_call_is_logged_in_postgres_words(pooler):
    p = pooler(log_min_duration_statement=150)
    with p.wire() as conn:
        oid = int(conn.value("select 'pg_sleep'::regproc::oid"))
        seconds = struct.pack("!d", 0.2)
        call = struct.pack("!IHHHi", oid, 1, 1, 1, len(seconds)) + seconds + struct.pack("!H", 1)
        conn.send(msg("F", call)).until()
    (took,) = durations(p, f'fastpath function call: "{oid}" (OID {oid})')
    assert took >= 200


def test_line_ends_inside_a_message_are_indented(pooler):
    p = pooler()
    with pytest.raises(PgError):
        p.wire("p0", "evil\nuser FATAL forged line")
    p.log_has("authentication failed")
    assert not re.search(r"(?m)^user FATAL forged", p.log())


def test_no_password_ever_reaches_the_log(pooler):
    p = pooler(auth_type="plain", verbose=2)
    p.wire("p0", "bouncer", "zzzz").close()
    with pytest.raises(PgError):
        p.wire("p0", "bouncer", "mistyped-secret")
    p.log_has("authentication failed")
    assert "mistyped-secret" not in p.log() and "zzzz" not in p.log()


def test_debug_lines_come_only_when_asked_for(pooler):
    quiet, verbose = pooler(), pooler(verbose=2)
    for p in (quiet, verbose):
        p.wire().ask("select 1")
        p.command("show version")
    assert not re.search(" (DEBUG|NOISE) ", quiet.log())
    assert re.search(" (DEBUG|NOISE) ", verbose.log())


def test_stderr_gets_the_log_too_unless_quiet(pooler):
    loud, quiet = pooler(), pooler(arguments=("-q",))
    for p, expected in ((loud, True), (quiet, False)):
        p.log_has("process up")
        assert ("process up" in p.output()) is expected


def test_a_dead_client_does_not_fill_the_log(pooler):
    p = pooler()
    conn = p.wire()
    conn.send(query("select repeat('x', 1000000) from generate_series(1, 20)"))
    conn.reset()
    has_line(p, CLIENT + "closing because")
    assert len(p.log()) < 20000
