"""Texts that monitors and people look for, and that no other file meets: to clients, on the console, in the log."""
import signal
import struct
import subprocess
import threading

import pytest
from fake_server import AUTHENTICATED, FakeServer, key_data, ready
from servers import free_port, identity
from wire import GSSENC_REQUEST, SSL_REQUEST, SYNC, Conn, PgError, errors, eventually, msg, query, scram_secret, send_cancel, startup_packet, z

# PgBouncer 1.18 has older words for many of them: SIGTERM ended it at once, `login failed` was not logged.
pytestmark = pytest.mark.ours


def refusal(pooler, *arguments, **options):
    with pytest.raises(PgError) as refused:
        pooler.wire(*arguments, **options).close()
    return refused.value.fields["M"]


def terminate(cluster, pid):
    with cluster.connect() as conn:
        conn.execute("select pg_terminate_backend(%s)", [int(pid)])


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
    """h11."""
    p = pooler(pool_mode="transaction", default_pool_size=3)
    reason = lambda text: p.log_has(rf"LOG S-\S+: p0/bouncer@127\.0\.0\.1:{cluster.port} closing because: {text} \(age=\d+s\)")
    conns = [p.wire() for _ in range(3)]
    for conn in conns:
        conn.ask("begin")
    for conn in conns:
        conn.ask("commit")
    p.command("set default_pool_size = 2")
    reason("too many servers in the pool")
    terminate(cluster, conns[0].value("select pg_backend_pid()"))
    reason("idle server got dirty|server conn crashed\\?")
    conns[0].ask("select 1")
    p.command("pause p0")
    reason("pause mode")
    p.command("resume p0")
    conns[0].ask("begin")
    conns[0].close()
    reason("client disconnect while server was not ready")
    pid = conns[1].value("select pg_backend_pid()")
    conns[1].send(query("select pg_sleep(20)"))
    eventually(lambda: p.pool()["sv_active"] == 1)
    conns[1].close()
    reason("client disconnected with query in progress")
    terminate(cluster, pid)                                     # it would not notice for 20 s, and others count what runs
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


@pytest.mark.parametrize("code, said", [(SSL_REQUEST, "received unencrypted data after SSL request"),
                                        (GSSENC_REQUEST, "received unencrypted data after GSSAPI encryption request")])
def test_what_follows_a_request_for_encryption_unasked_is_told(pooler, code, said):
    p = pooler()
    with Conn(p.address) as conn:
        conn.send(struct.pack("!II", 8, code) + startup_packet("bouncer", "p0"))
        assert [error["M"] for error in errors(conn.closed())] == [said]
    p.log_has(f"pooler error: {said}")


def test_messages_that_nobody_knows_are_told_with_their_first_bytes(pooler):
    p = pooler()
    for raw, said in ((msg("!", b"what"), "unknown pkt"), (b"Q\0\0\0\1select 1\0", "bad packet header: '5100000001'")):
        with p.wire() as conn:
            (error,) = errors(conn.send(raw).closed())
            assert (error["S"], error["C"], error["M"]) == ("FATAL", "08P01", said)
    with Conn(p.address) as conn:
        (error,) = errors(conn.send(startup_packet("bouncer", "p0", version=4 << 16)).closed())
        assert error["M"].startswith("bad packet header: '"), error
    with Conn(p.address) as conn:
        (error,) = errors(conn.send(startup_packet("bouncer", "p0", version=2 << 16)).closed())
        assert error["M"] == "old V2 protocol not supported"


def test_a_server_that_is_lost_or_refuses_is_told_to_client_and_log(pooler, cluster):
    def vanish(conn):
        conn.send(AUTHENTICATED, key_data(1, b"abcd"), ready())
        conn.read()
        conn.close()

    with FakeServer(vanish) as fake:
        p = pooler(pool_mode="transaction", client_login_timeout=2,
                   databases={"p0": "", "wrong": "dbname=doesnotexist", "down": f"host=127.0.0.1 port={free_port()}",
                              "fake": f"host=127.0.0.1 port={fake.port}"})
        with p.wire("fake") as conn:
            (error,) = errors(conn.send(query("select 1")).closed())
            assert (error["S"], error["C"], error["M"]) == ("FATAL", "08P01", "server conn crashed?")
    p.log_has(r"S-\S+: fake/bouncer@\S+ closing because: server conn crashed\? \(age=")
    with p.wire() as conn:
        conn.ask("begin")
        terminate(cluster, conn.value("select pg_backend_pid()"))
        assert [error["C"] for error in errors(conn.closed())] == ["57P01"], "its own last word, and nothing after it"
    assert refusal(p, "wrong") == 'database "doesnotexist" does not exist'
    p.log_has(r'WARNING S-\S+: wrong/bouncer@\S+ server login failed: FATAL database "doesnotexist" does not exist')
    refusal(p, "down")
    p.log_has(r"LOG S-\S+: down/bouncer@\S+ closing because: connect failed \(age=0s\)")


def test_who_is_refused_while_disabled_or_leaving_is_told(pooler):
    p = pooler(pool_mode="transaction")
    with p.console() as console:
        console.ask("disable p0")
        assert refusal(p) == 'database "p0" is disabled'
        console.ask("enable p0")
    with p.wire() as conn:
        conn.ask("begin")
        p.signal(signal.SIGINT)
        p.log_has("got SIGINT")
        assert refusal(p, unix=True) == "pooler is shutting down"
        conn.ask("commit")
    assert p.wait_exit() == 0


def test_a_server_in_its_login_goes_at_once_where_pgbouncer_makes_it_obsolete(pooler):
    asked = threading.Event()

    def never(conn):
        asked.set()
        conn.closed()

    with FakeServer(never) as fake:
        p = pooler(databases={"p0": f"host=127.0.0.1 port={fake.port}"})
        with Conn(p.address) as client:
            client.send(startup_packet("bouncer", "p0"))
            assert asked.wait(10)
            p.command("reconnect p0")
            p.log_has(r"LOG S-\S+: p0/bouncer@\S+ closing because: close_needed \(age=0s\)")


def test_what_an_idle_server_says_unasked_is_logged_and_it_is_closed(pooler, cluster):
    p = pooler()
    with p.wire() as conn:
        pid = conn.value("select pg_backend_pid()")
    eventually(lambda: p.command("show pools")[0]["sv_idle"] == "1")
    terminate(cluster, pid)
    p.log_has(r"LOG S-\S+: p0/bouncer@\S+ got packet 'E' from server when not linked: terminating connection")
    p.log_has(r"LOG S-\S+: p0/bouncer@\S+ closing because: idle server got dirty \(age=")


def test_databases_that_are_dropped_are_named(pooler):
    p = pooler(databases={"p0": "", "p1": "", "*": ""})
    for name in ("p1", "p2"):
        p.wire(name).close()
    del p.databases["p1"], p.databases["*"]
    p.write_ini()
    p.command("reload")
    for name in ("p1", "p2"):
        p.log_has(f"LOG dropping database '{name}' as it does not exist anymore or inactive auto-database")


def test_what_cannot_be_set_or_made_is_told(pooler, binary):
    p = pooler()
    with p.console() as console:
        for words in ("set default_pool_size = many", "set nonsense = 1"):
            (error,) = errors(console.ask(words))
            assert (error["S"], error["C"], error["M"]) == ("ERROR", "08P01", "SET failed"), words
    for settings, said in (({"unix_socket_dir": "/nonexistent"}, "FATAL failed to create unix socket"),
                           ({"no_such_setting": 1}, "FATAL cannot load config file")):
        broken = pooler(start=False, **settings)
        done = subprocess.run([binary, broken.ini], capture_output=True, text=True, cwd=broken.folder, **identity())
        assert done.returncode == 1 and said in done.stderr, done.stderr
    assert "unknown parameter: pgbouncer/no_such_setting" in done.stderr


def test_sockets_are_named_before_their_login_and_with_ipv6(pooler):
    p = pooler(listen_addr="127.0.0.1,::1")
    with Conn(p.address) as client:
        assert errors(client.send(msg("p", z("zzzz"))).closed())[0]["M"].startswith("bad packet header: '70")
    p.log_has(r"LOG C-0x[0-9a-f]+: \(nodb\)/\(nouser\)@127\.0\.0\.1:\d+ closing because: bad packet header")
    Conn(("::1", p.port)).login("bouncer", "p0", "zzzz").close()
    p.log_has(r"LOG C-0x[0-9a-f]+: p0/bouncer@\[::1\]:\d+ login attempt: ")
