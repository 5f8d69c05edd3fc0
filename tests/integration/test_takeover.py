"""-R: a new process takes over from the one that runs, and clients do not notice."""
import os
import signal
import subprocess
import threading
import time

import psycopg
import pytest
import servers
from certificates import Authority, server_settings
from web import Site
from wire import Closed, Conn, PgError, bind, describe, errors, eventually, execute, parse, query, rows, send_cancel, tags, SYNC

pytestmark = pytest.mark.ours


class Generations:
    """One pooler after the other, with one configuration."""

    def __init__(self, pooler):
        self.p, self.old, self.files = pooler, [], 0

    def next(self, wait=True):
        """Starts a process that takes over from the one that runs; that one may still be there afterwards."""
        old = self.p.process
        self.old.append(old)
        mark = len(self.p.log())
        out = open(self.p.folder / f"stderr{len(self.old)}", "w+")
        self.p.process = subprocess.Popen([self.p.binary, "-R", self.p.ini], cwd=self.p.folder, stdin=subprocess.DEVNULL,
                                          stdout=out, stderr=out, **servers.identity())
        out.close()
        if wait:
            eventually(lambda: "process up" in self.p.log()[mark:], 15)
        return old

    def end(self):
        for process in self.old:
            if process.poll() is None:
                process.send_signal(signal.SIGQUIT)
            process.wait(10)


@pytest.fixture
def generations(pooler):
    made = []

    def make(**options):
        options.setdefault("pool_mode", "transaction")
        made.append(Generations(pooler(**options)))
        return made[-1]
    yield make
    for one in made:
        one.end()


def gone(process):
    assert process.wait(15) == 0


def test_an_idle_client_goes_on_with_the_new_process(generations, cluster):
    g = generations(default_pool_size=2)
    with g.p.wire("p0", application_name="walker", DateStyle="German") as conn:
        backend = conn.value("select pg_backend_pid()")
        conn.ask("set work_mem = '7MB'")
        conn.send(parse("s1", "select $1::int + 1") + SYNC).until()
        old = g.next()
        gone(old)
        eventually(lambda: len(g.p.command("show servers")) == 1)
        assert conn.value("show work_mem") == "7MB"
        assert conn.value("show application_name") == "walker" and conn.value("show datestyle") == "German, DMY"
        assert conn.value("select pg_backend_pid()") == backend          # its server came along
        conn.send(bind("", "s1", [41]) + describe() + execute() + SYNC)
        assert [m.values() for m in conn.until() if m.tag == "D"] == [["42"]]
        assert g.p.wire().value("select 1") == "1"
        assert [row["database"] for row in g.p.command("show clients") if row["application_name"] == "walker"] == ["p0"]


def test_a_transaction_under_way_ends_in_the_old_process(generations):
    g = generations()
    with g.p.wire() as busy, g.p.wire() as idle:
        idle.value("select 1")
        busy.ask("begin")
        busy.ask("create temporary table t (id int) on commit drop")
        old = g.next()
        assert idle.value("select 2") == "2"
        assert busy.value("select count(*) from t") == "0" and old.poll() is None
        assert tags(busy.ask("commit")) == "CZ"
        gone(old)
        assert busy.value("select 3") == "3"
        assert len([1 for row in g.p.command("show clients") if row["database"] == "p0"]) == 2


def test_a_client_in_session_mode_comes_with_its_server(generations):
    g = generations(pool_mode="session")
    with g.p.wire() as conn:
        backend = conn.value("select pg_backend_pid()")
        conn.ask("create temporary table t as select 5 id")
        gone(g.next())
        assert conn.value("select id from t") == "5" and conn.value("select pg_backend_pid()") == backend


@pytest.mark.parametrize("version", [196608, 196610])
def test_cancel_keys_stay_good(generations, version):
    from wire import startup_packet
    g = generations()
    with Conn(g.p.address) as conn:
        conn.send(startup_packet("bouncer", "p0", version=version)).authenticate("bouncer", "zzzz")
        for _ in range(2):
            gone(g.next())
            conn.send(query("select pg_sleep(30)"))
            eventually(lambda: g.p.pool()["sv_active"] == 1)
            send_cancel(g.p.address, conn.key[:-1] + bytes([conn.key[-1] ^ 1]))
            assert conn.quiet(0.2)
            send_cancel(g.p.address, conn.key)
            assert errors(conn.until())[0]["C"] == "57014"


def test_clients_of_the_unix_socket_come_too_and_the_file_stays(generations):
    g = generations()
    with g.p.wire(unix=True) as conn:
        conn.value("select 1")
        gone(g.next())
        assert conn.value("select 2") == "2" and os.path.exists(g.p.unix_path)
        assert g.p.wire(unix=True).value("select 3") == "3"
    gone_ = g.p.process
    g.p.signal(signal.SIGQUIT)
    g.p.expected_end = True
    gone_.wait(5)
    assert not os.path.exists(g.p.unix_path)


def test_a_client_with_tls_stays_with_the_old_process_until_it_leaves(generations):
    g = generations(**{**server_settings(Authority()), "client_tls_sslmode": "allow"})
    plain = g.p.wire()
    tls = g.p.connect(sslmode="require")
    try:
        assert tls.execute("select 1").fetchone() == (1,)
        old = g.next()
        assert plain.value("select 2") == "2"
        time.sleep(0.5)
        assert old.poll() is None and tls.execute("select 3").fetchone() == (3,)
    finally:
        tls.close()
        plain.close()
    gone(old)


def test_a_client_with_tls_is_told_at_the_deadline_and_finds_the_new_process(generations):
    g = generations(shutdown_drain_timeout=2, **{**server_settings(Authority()), "client_tls_sslmode": "allow"})
    with g.p.connect(sslmode="require") as tls:
        old = g.next()
        assert tls.execute("select 1").fetchone() == (1,)
        gone(old)
        with pytest.raises(psycopg.OperationalError, match="terminating connection due to administrator command"):
            tls.execute("select 2")
    with g.p.connect(sslmode="require") as tls:
        assert tls.execute("select 3").fetchone() == (3,)


def test_the_deadline_is_for_those_who_stay(generations):
    g = generations(shutdown_drain_timeout=1)
    with g.p.wire() as busy:
        busy.ask("begin")
        old = g.next()
        assert errors(busy.closed())[-1]["C"] == "57P01"
        gone(old)


def test_under_load_over_two_generations_no_client_sees_an_error(generations, cluster):
    g = generations(default_pool_size=4)
    with cluster.connect("p3") as conn:
        conn.execute("create table handed (id int)")
        conn.execute("grant all on handed to public")
    over, wrong, committed, connected = threading.Event(), [], [], []

    def stay(number):
        try:
            with g.p.wire("p3", timeout=30) as conn:
                while not over.is_set():
                    raise_any = [conn.rows("begin"), conn.rows(f"insert into handed values ({number})"), conn.rows("commit")]
                    committed.append(raise_any)
        except (OSError, Closed, PgError) as error:
            wrong.append(error)

    def come_and_go():
        while not over.is_set():
            try:
                with Conn(g.p.address, 30) as conn:
                    connected.append(conn.login("bouncer", "p3", "zzzz").value("select 1"))
            except (OSError, Closed, PgError) as error:
                wrong.append(error)

    threads = [threading.Thread(target=stay, args=(n,)) for n in range(6)] + [threading.Thread(target=come_and_go) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            mark = len(committed), len(connected)
            eventually(lambda: len(committed) > mark[0] + 50 and len(connected) > mark[1] + 5 or wrong, 30)
            gone(g.next())
        mark = len(committed)
        eventually(lambda: len(committed) > mark + 50 or wrong, 30)
    finally:
        over.set()
        for thread in threads:
            thread.join(40)
    assert wrong == []
    assert cluster.value("select count(*) from handed", "p3") == len(committed)


def test_nobody_there_is_no_obstacle(generations):
    g = generations(start=False)
    g.p.arguments = ["-R"]
    g.p.start()
    assert g.p.wire().value("select 1") == "1" and "nobody to take over from" in g.p.log() + g.p.output()


def test_a_new_process_that_fails_leaves_the_old_one_as_it_was(generations):
    g = generations()
    with g.p.wire() as conn:
        good = g.p.ini.read_text()
        g.p.write("pooler.ini", good + "client_tls_sslmode = require\nclient_tls_cert_file = /nonexistent\n")
        done = subprocess.run([g.p.binary, "-R", g.p.ini], cwd=g.p.folder, capture_output=True, text=True, timeout=20,
                              stdin=subprocess.DEVNULL, **servers.identity())
        assert done.returncode == 1
        g.p.write("pooler.ini", good)
        assert conn.value("select 1") == "1" and g.p.wire().value("select 2") == "2"
        assert g.p.wire(unix=True).value("select 3") == "3"
        gone(g.next())                                                   # and it can still be taken over
        assert conn.value("select 4") == "4"


def test_the_pid_file_and_the_page_change_hands(generations):
    port = servers.free_port()
    g = generations(start=False, metrics_listen=f"127.0.0.1:{port}")
    g.p.settings["pidfile"] = g.p.folder / "pid"
    g.p.write_ini()
    g.p.start()
    g.p.log_has("metrics and page on")
    assert Site(port).status("/readyz") == 200
    busy = g.p.wire()
    busy.ask("begin")
    old = g.next()
    assert old.poll() is None and int((g.p.folder / "pid").read_text()) == g.p.process.pid
    g.p.log_has("(?s)metrics and page on.*metrics and page on")  # the new one's line, behind the old one's
    assert Site(port).status("/readyz") == 200
    busy.ask("commit")
    gone(old)
    busy.close()
    assert int((g.p.folder / "pid").read_text()) == g.p.process.pid


def test_only_the_processs_own_user_can_ask_for_it(pooler):
    p = pooler()
    with p.console() as console:
        assert errors(console.ask("takeover"))[0]["M"] == "TAKEOVER is for the process's own user, over the unix socket"
        assert rows(console.ask("show version"))


def test_a_service_manager_would_lose_sight_of_it(generations, monkeypatch):
    g = generations()
    monkeypatch.setenv("NOTIFY_SOCKET", str(g.p.folder / "nowhere"))
    done = subprocess.run([g.p.binary, "-R", g.p.ini], cwd=g.p.folder, capture_output=True, text=True, timeout=20,
                          stdin=subprocess.DEVNULL, **servers.identity())
    assert done.returncode == 1 and "-R is not for processes of a service manager" in done.stderr


def test_a_database_that_the_new_configuration_lacks_is_told(generations):
    g = generations()
    with g.p.wire("p1") as conn:
        conn.value("select 1")
        del g.p.databases["p1"]
        g.p.write_ini()
        gone(g.next())
        assert errors(conn.closed())[0]["M"] == "database removed"

