"""Every timeout closes what it is meant to close, says so, and leaves the rest alone."""
import socket
import time

import pytest
from wire import Closed, Conn, PgError, errors, eventually, query, rows, startup_packet


def said_before_closing(conn):
    return [error["M"] for error in errors(conn.closed())]


def test_query_wait_timeout_closes_clients_that_wait_too_long(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, query_wait_timeout=1)
    with p.wire() as busy, p.wire() as waiting:
        busy.ask("begin")
        begun = time.monotonic()
        waiting.send(query("select 1"))
        assert said_before_closing(waiting) == ["query_wait_timeout"]
        assert 0.8 < time.monotonic() - begun < 15
        assert busy.value("select 1") == "1"


@pytest.mark.ours
def test_query_wait_timeout_may_be_set_per_user_and_per_database(pooler):
    """h10."""
    p = pooler(pool_mode="transaction", default_pool_size=1, query_wait_timeout=60,
               databases={"p0": "", "p1": "query_wait_timeout=1"}, users={"alice": "query_wait_timeout=1"})
    for database, user in (("p1", "bouncer"), ("p0", "alice")):
        with p.wire(database, user) as busy, p.wire(database, user) as waiting:
            busy.ask("begin")
            waiting.send(query("select 1"))
            assert said_before_closing(waiting) == ["query_wait_timeout"]


@pytest.mark.ours
def test_query_wait_notify_tells_a_client_that_it_waits(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, query_wait_notify=1)
    with p.wire() as busy, p.wire() as waiting:
        busy.ask("begin")
        waiting.send(query("select 1"))
        notice = waiting.read()
        assert notice.tag == "N" and notice.fields()["M"] == \
            "No server connection available in postgres backend, client being queued"
        assert waiting.quiet(1.5), "once per wait"
        busy.ask("commit")
        assert rows(waiting.until()) == [["1"]]


def test_query_timeout_closes_a_client_whose_query_runs_too_long(pooler, cluster):
    p = pooler(pool_mode="transaction", query_timeout=1)
    with p.wire("p2") as conn, p.wire("p2") as quick:
        conn.send(query("select pg_sleep(20)"))
        assert said_before_closing(conn) == ["query timeout"]
        assert quick.value("select 1") == "1"


def test_query_timeout_leaves_a_client_alone_that_is_idle(pooler):
    p = pooler(pool_mode="transaction", query_timeout=1)
    with p.wire() as conn:
        conn.ask("select 1")
        time.sleep(1.6)
        assert conn.value("select 2") == "2"


@pytest.mark.ours
def test_query_timeout_leaves_a_client_alone_that_is_idle_in_a_transaction(pooler):
    p = pooler(pool_mode="transaction", query_timeout=1)
    with p.wire() as conn:
        conn.ask("begin")
        time.sleep(1.6)
        assert conn.value("select 2") == "2"


@pytest.mark.ours
def test_transaction_timeout_closes_long_transactions_busy_or_not(pooler):
    p = pooler(pool_mode="transaction", transaction_timeout=1)
    for second in ("select 1", "select pg_sleep(20)"):
        with p.wire() as conn:
            conn.ask("begin")
            conn.send(query(second))
            assert said_before_closing(conn) == ["transaction timeout"]


def test_idle_transaction_timeout_closes_clients_idle_in_a_transaction(pooler):
    p = pooler(pool_mode="transaction", idle_transaction_timeout=1)
    with p.wire() as idle, p.wire() as busy:
        idle.ask("begin")
        busy.ask("begin")
        busy.send(query("select pg_sleep(1.6)"))
        assert said_before_closing(idle) == ["idle transaction timeout"]
        assert busy.until()[-1].tag == "Z"
        busy.ask("commit")
        time.sleep(1.2)
        assert busy.value("select 1") == "1"


def test_client_idle_timeout_closes_clients_that_hold_no_server(pooler):
    p = pooler(pool_mode="transaction", client_idle_timeout=1)
    with p.wire() as idle, p.wire() as holder:
        holder.ask("begin")
        idle.ask("select 1")
        assert said_before_closing(idle) == ["client_idle_timeout"]
        assert holder.value("select 1") == "1"


def test_client_login_timeout_closes_clients_that_do_not_log_in(pooler):
    p = pooler(client_login_timeout=1, auth_type="md5")
    silent, halfway = Conn(p.address), Conn(p.address)
    halfway.send(startup_packet("bouncer", "p0"))
    assert halfway.read().tag == "R"
    begun = time.monotonic()
    for conn in (silent, halfway):
        assert [text[:20] for text in said_before_closing(conn)] in (["client_login_timeout"], [])
    assert time.monotonic() - begun < 15


@pytest.mark.ours
def test_user_settings_override_the_global_timeouts(pooler):
    p = pooler(pool_mode="transaction", users={"alice": "query_timeout=2 idle_transaction_timeout=2",
                                               "bob": "client_idle_timeout=2 transaction_timeout=2"})
    with p.wire(user="alice") as alice, p.wire(user="bob") as bob, p.wire() as plain:
        alice.send(query("select pg_sleep(20)"))
        bob.ask("select 1")
        plain.ask("begin")
        assert said_before_closing(alice) == ["query timeout"]
        assert said_before_closing(bob) == ["client_idle_timeout"]
        assert plain.value("select 1") == "1"


def test_server_lifetime_replaces_old_servers_when_they_are_free(pooler):
    p = pooler(pool_mode="transaction", server_lifetime=1)
    with p.wire() as conn:
        first = conn.value("select pg_backend_pid()")
        eventually(lambda: conn.value("select pg_backend_pid()") != first, pause=0.3)
    p.log_has("closing because: server lifetime over")


def test_server_lifetime_never_cuts_a_transaction(pooler):
    p = pooler(pool_mode="transaction", server_lifetime=1)
    with p.wire() as conn:
        conn.ask("begin")
        first = conn.value("select pg_backend_pid()")
        time.sleep(1.8)
        assert conn.value("select pg_backend_pid()") == first
        conn.ask("commit")
        eventually(lambda: conn.value("select pg_backend_pid()") != first)


def test_a_server_lifetime_of_zero_uses_each_server_once(pooler):
    """h10."""
    p = pooler(pool_mode="transaction", server_lifetime=0)
    with p.wire() as conn:
        pids = {conn.value("select pg_backend_pid()") for _ in range(5)}
    assert len(pids) == 5


def test_server_idle_timeout_closes_idle_servers(pooler, cluster):
    p = pooler(pool_mode="transaction", server_idle_timeout=1)
    with p.wire("p3") as conn:
        conn.ask("select 1")
        assert cluster.backends("p3") == 1
        eventually(lambda: cluster.backends("p3") == 0)
        assert conn.value("select 1") == "1"
    p.log_has("closing because: server idle timeout")


def test_server_connect_timeout_gives_up_on_a_server_that_says_nothing(pooler):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        p = pooler(databases={"p0": f"host=127.0.0.1 port={mute.getsockname()[1]}"}, server_connect_timeout=1,
                   query_wait_timeout=4)
        conn = Conn(p.address)
        conn.send(startup_packet("bouncer", "p0"))
        p.log_has("closing because: connect timeout")


def test_a_query_waits_for_a_server_that_is_down_until_it_is_up(pooler, own_cluster):
    p = pooler(behind=own_cluster, pool_mode="transaction", server_login_retry=1, query_wait_timeout=15)
    with p.wire() as conn:
        conn.ask("select 1")
        own_cluster.stop()
        conn.send(query("select 'back'"))
        assert conn.quiet(0.6)
        own_cluster.start()
        assert rows(conn.until()) == [["back"]]


def test_a_login_waits_for_a_server_that_is_down_until_it_is_up(pooler, own_cluster):
    own_cluster.stop()
    p = pooler(behind=own_cluster, pool_mode="transaction", server_login_retry=1, query_wait_timeout=20)
    conn = Conn(p.address, timeout=15)
    conn.send(startup_packet("bouncer", "p0"))
    assert conn.quiet(0.5)
    own_cluster.start()
    assert conn.authenticate("bouncer", "zzzz").value("select 1") == "1"


@pytest.mark.ours
def test_clients_of_a_warm_pool_are_told_while_logins_are_refused(pooler, own_cluster):
    p = pooler(behind=own_cluster, pool_mode="transaction", server_login_retry=5)
    with p.wire() as one, p.wire() as two:
        one.ask("select 1")
        with own_cluster.connect() as superuser:
            superuser.execute("alter role bouncer nologin")
            superuser.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'bouncer'")
        eventually(lambda: p.pool()["sv_idle"] == 0)
        one.send(query("select 1"))
        (first,) = errors(one.closed())
        assert (first["C"], first["M"]) == ("28000", 'role "bouncer" is not permitted to log in')
        two.send(query("select 1"))
        # At once during the pause after the refusal; afterwards it is this client's turn to find out.
        assert said_before_closing(two) in (
            ['server login has been failing, cached error: role "bouncer" is not permitted to log in (server_login_retry)'],
            ['role "bouncer" is not permitted to log in'])


def can_ask(pooler):
    try:
        with pooler.wire() as conn:
            return conn.value("select 1") == "1"
    except (PgError, Closed):
        return False


@pytest.mark.ours
def test_a_warm_pool_recovers_by_itself_from_a_refused_login(pooler, own_cluster):
    p = pooler(behind=own_cluster, pool_mode="transaction", server_login_retry=1)
    with p.wire() as one, p.wire() as two:
        one.ask("select 1")
        with own_cluster.connect() as superuser:
            superuser.execute("alter role bouncer nologin")
            superuser.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'bouncer'")
            eventually(lambda: p.pool()["sv_idle"] == 0)
            one.send(query("select 1"))
            assert errors(one.closed())
            superuser.execute("alter role bouncer login")
        # `two` would be told of the refusal while the pause after it lasts.
        eventually(lambda: can_ask(p), 15, 0.3)
        assert two.value("select 2") == "2"


def test_server_check_query_is_sent_after_the_delay_only(pooler, cluster):
    p = pooler(pool_mode="transaction", server_check_query="select 'still there'", server_check_delay=3)
    mark = len(cluster.log())                             # may take longer than the delay
    with p.wire() as conn:
        conn.ask("select 1")
        conn.ask("select 2")
        assert "still there" not in cluster.log()[mark:]
        time.sleep(3.6)
        assert conn.value("select 3") == "3"
        eventually(lambda: "still there" in cluster.log()[mark:])


def test_server_reset_query_runs_between_sessions(pooler, cluster):
    p = pooler(pool_mode="session", default_pool_size=1)
    with p.wire() as one:
        one.ask("create temp table leftover(a int)")
        one.ask("set work_mem = '7MB'")
    with p.wire() as two:
        assert errors(two.ask("select * from leftover"))[0]["C"] == "42P01"
        assert two.value("show work_mem") == "4MB"


def test_server_reset_query_does_not_run_in_transaction_mode_unless_asked(pooler, cluster):
    for always, expected in ((0, False), (1, True)):
        p = pooler(pool_mode="transaction", server_reset_query="select 'wiped'", server_reset_query_always=always)
        with p.wire() as conn:
            mark = len(cluster.log())
            conn.ask("select 1")
            conn.ask("select 2")
            if expected:
                eventually(lambda: "wiped" in cluster.log()[mark:])
            else:
                time.sleep(0.3)
                assert "wiped" not in cluster.log()[mark:]


def test_a_login_on_a_cold_pool_without_a_server_ends_by_query_wait_timeout(pooler):
    p = pooler(databases={"away": "host=127.0.0.1 port=1"}, query_wait_timeout=1, client_login_timeout=30)
    begun = time.monotonic()
    with pytest.raises((PgError, Closed)) as refused:
        p.wire("away", timeout=10)
    assert "query_wait_timeout" in str(refused.value) and time.monotonic() - begun < 20
