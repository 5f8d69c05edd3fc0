"""Texts that monitors and people look for, and that no other file meets: to clients, on the console, in the log."""
import signal
import struct

import pytest
from fake_server import FakeServer
from servers import free_port
from wire import SYNC, Conn, PgError, errors, eventually, msg, query, scram_secret, send_cancel, z

# PgBouncer 1.18 has older words for many of them: SIGTERM ended it at once, `login failed` was not logged.
pytestmark = pytest.mark.ours


def refusal(pooler, *arguments, **options):
    with pytest.raises(PgError) as refused:
        pooler.wire(*arguments, **options).close()
    return refused.value.fields["M"]


def server_pids(cluster, user="bouncer"):
    with cluster.connect() as conn:
        return [row[0] for row in conn.execute("select pid from pg_stat_activity where datname = 'p0' and usename = %s", [user])]


def test_a_login_that_waits_for_a_server_that_is_down_says_so(pooler):
    p = pooler(databases={"p0": f"host=127.0.0.1 port={free_port()}"}, client_login_timeout=1)
    assert refusal(p) == "client_login_timeout (server down)"
    p.log_has(r"C-\S+: p0/bouncer@\S+ closing because: client_login_timeout \(server down\) \(age=1s\)")


def test_a_secret_that_cannot_answer_the_server_is_told(pooler):
    p = pooler(auth={"scramuser1": scram_secret("foo"), "muser1": scram_secret("foo")})
    for user in ("scramuser1", "muser1"):
        assert refusal(p, "p0", user) == "server login failed: wrong password type"


def test_a_method_of_the_server_that_nobody_here_knows_is_told(pooler):
    """GSSAPI, as a server without a rule for our kind would ask for."""
    with FakeServer(lambda conn: (conn.send(msg("R", struct.pack("!I", 7))), conn.closed())) as server:
        p = pooler(databases={"p0": f"host=127.0.0.1 port={server.port}"}, client_login_timeout=3)
        assert refusal(p) == "server login failed: unknown/unsupported auth method"


def test_a_login_that_fails_is_logged_with_database_and_user(pooler):
    p = pooler(auth_type="plain")
    refusal(p, password="wrong")
    p.log_has("LOG C-.* login failed: db=p0 user=bouncer")
    refusal(p, "p0", "nobody", password="wrong")
    p.log_has("login failed: db=p0 user=nobody")


def test_what_the_console_says_to_messages_and_words_it_does_not_take(pooler):
    p = pooler()
    for message, number in ((SYNC, 83), (msg("H"), 72), (msg("f", z("x")), 102)):
        with p.console() as console:
            said = errors(console.send(message).closed())
            assert [error["M"] for error in said] == [f"unsupported packet type for admin console: {number}"]
    with p.console() as console:
        for words in ("show " + "x" * 64, "pause " + "x" * 64, "x" * 16, "set verbose = '" + "1" * 256 + "'"):
            assert errors(console.ask(words))[0]["M"] == "bad arguments", words
        console.ask("set timezone = 'UTC'")
        assert [notice["M"] for notice in console.notices] == ["SET ignored"]
        for verb, said in (("pause", "pause"), ("disable", "disable"), ("enable", "disable"), ("kill", "kill")):   # sic: enable
            with pytest.raises(PgError, match=f"cannot {said} admin db: pgbouncer"):
                console.rows(f"{verb} pgbouncer")


@pytest.mark.parametrize("number, said", [
    (signal.SIGTERM, "got SIGTERM, shutting down, waiting for all clients disconnect"),
    (signal.SIGINT, "got SIGINT, shutting down, waiting for all servers connections to be released")])
def test_what_the_log_says_of_signals(pooler, number, said):
    p = pooler(pool_mode="session")
    with p.wire() as busy:
        busy.ask("select 1")
        p.signal(signal.SIGHUP)
        p.log_has("LOG got SIGHUP, re-reading config")
        p.signal(number)
        p.log_has("LOG " + said)
        p.signal(signal.SIGUSR2)
        p.log_has("got SIGUSR2 while shutting down, ignoring")
        p.signal(number)
        assert p.wait_exit() == 0
        assert f"got {number.name} while shutting down, fast exit" in p.log()


def test_when_the_last_one_has_left_the_log_says_why_it_ends(pooler):
    for number, said in ((signal.SIGTERM, "client connections dropped, exiting"), (signal.SIGINT, "server connections dropped, exiting")):
        p = pooler()
        with p.wire() as conn:
            conn.ask("select 1")
        p.signal(number)
        assert p.wait_exit() == 0
        assert said in p.log()


def test_the_reasons_why_servers_are_closed(pooler, cluster):
    p = pooler(pool_mode="transaction", default_pool_size=3)
    reason = lambda text: p.log_has(rf"LOG S-\S+: p0/bouncer@127\.0\.0\.1:{cluster.port} closing because: {text} \(age=\d+s\)")
    conns = [p.wire() for _ in range(3)]
    for conn in conns:
        conn.ask("begin")
    for conn in conns:
        conn.ask("commit")
    p.command("set default_pool_size = 2")
    reason("too many servers in the pool")
    with cluster.connect() as conn:
        conn.execute("select pg_terminate_backend(%s)", [server_pids(cluster)[0]])
    reason("idle server got dirty|server conn crashed\\?")
    conns[0].ask("select 1")
    p.command("pause p0")
    reason("pause mode")
    p.command("resume p0")
    conns[0].ask("begin")
    conns[0].close()
    reason("client disconnect while server was not ready")
    conns[1].send(query("select pg_sleep(20)"))
    eventually(lambda: p.pool()["sv_active"] == 1)
    conns[1].close()
    reason("client disconnected with query in progress")
    conns[2].ask("begin")
    p.command("reconnect p0")
    conns[2].ask("commit")
    reason("close_needed")
    p.databases["p0"] = "dbname=p1"
    conns[2].ask("select 1")
    p.write_ini()
    p.command("reload")
    eventually(lambda: p.log().count("closing because: close_needed") == 2)


def test_what_the_log_says_of_cancel_requests(pooler, cluster):
    p = pooler(verbose=1)
    with p.wire() as conn:
        conn.send(query("select pg_sleep(20)"))
        eventually(lambda: cluster.running("pg_sleep(20)", "p0"))
        send_cancel(p.address, conn.key)
        assert errors(conn.until())[0]["C"] == "57014"
        p.log_has(r"DEBUG S-\S+: p0/bouncer@\S+ successfully sent cancel request")
        send_cancel(p.address, conn.key[:7] + bytes([conn.key[7] ^ 1]))
        p.log_has("failed cancel request")
    p.settings["pool_mode"] = "transaction"
    p.write_ini()
    p.command("reload")
    with p.wire() as conn:
        conn.ask("select 1")
        send_cancel(p.address, conn.key)
        p.log_has("cancel request for idle client")


def test_a_message_that_lies_about_itself_is_answered_in_postgresqls_words(pooler, cluster):
    """PgBouncer closes with `broken Parse packet`; PostgreSQL knows where the next message begins, and goes on."""
    p = pooler(pool_mode="transaction")
    messages = [msg("P", b"no end"), msg("P", z("s") + b"no end"), msg("P", z("s") + z("select 1") + b"\x00"), msg("B", b"no end"),
                msg("B", z("") + b"no end"), msg("D", b""), msg("D", b"S"), msg("C", b"S")]
    with p.wire() as through, cluster.wire() as direct:
        for message in messages:
            here, there = (errors(conn.send(message, SYNC).until()) for conn in (through, direct))
            assert [error["C"] for error in here] == [error["C"] for error in there] == ["08P01"], (message, here, there)
            assert through.value("select 1") == "1"


def test_names_passwords_and_packets_that_are_too_long_or_cut(pooler):
    p = pooler(auth_type="plain")
    assert refusal(p, "p0", "u" * 128) == "username too long"
    assert refusal(p, password="x" * 70000) == "bad packet header: '7000011175'"
    assert refusal(p, password="x" * 65530) == "password authentication failed"
    body = struct.pack("!I", 196608) + z("user") + z("bouncer")
    with Conn(p.address) as conn:
        said = errors(conn.send(struct.pack("!I", len(body) + 4) + body).closed())
        assert [error["M"] for error in said] == ["invalid startup packet layout: expected terminator as last byte"]


def test_the_log_names_the_commands(pooler):
    p = pooler()
    with p.console() as console:
        for words, logged in (("pause p0", "PAUSE 'p0'"), ("resume p0", "RESUME 'p0'"), ("reconnect", "RECONNECT"), ("disable p0", "DISABLE 'p0'"),
                              ("enable p0", "ENABLE 'p0'"), ("kill p0", "KILL 'p0'"), ("wait_close p0", "WAIT_CLOSE 'p0'"), ("reload", "RELOAD")):
            console.rows(words)
            p.log_has(rf"\] LOG {logged} command issued\n")
