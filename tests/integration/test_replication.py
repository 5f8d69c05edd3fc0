"""Replication connections: real pg_basebackup, pg_receivewal, pg_recvlogical and a subscription through the pool."""
import os
import re
import signal
import subprocess
import time

import pytest
import servers
from wire import Closed, Conn, PgError, copy_data, errors, eventually, query, rows, send_cancel, startup_packet, tags

pytestmark = pytest.mark.ours
PG_BIN = servers.PG_BIN


@pytest.fixture(scope="module")
def primary():
    """A cluster that logical replication works with."""
    running = servers.Cluster()
    running.run("psql", "-h", "127.0.0.1", "-p", running.port, "-U", "postgres", "-c", "alter system set wal_level = logical",
                "-c", "alter system set max_wal_senders = 20", "-c", "alter system set max_replication_slots = 20")
    running.stop("fast")
    running.start()
    running.run("psql", "-h", "127.0.0.1", "-p", running.port, "-U", "postgres", "-c", "alter role bouncer replication")
    yield running
    running.remove()


@pytest.fixture
def pool(pooler, primary):
    def make(**options):
        options.setdefault("pool_mode", "transaction")
        databases = {"p0": "", "p1": "", "replication": "dbname=postgres"}
        return pooler(primary, databases=databases, **options)
    return make


def tool(p, program, *arguments):
    environment = dict(os.environ, PGPASSWORD="zzzz", PGCONNECT_TIMEOUT="10")
    return subprocess.Popen([PG_BIN / program, "-h", "127.0.0.1", "-p", str(p.port), "-U", "bouncer", *map(str, arguments)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env=environment)


def ended(process, seconds=50):
    out, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, out
    return out


def replication(p, kind="database", database="p0", **parameters):
    return p.wire(database, replication=kind, **parameters)


@pytest.mark.timeout(200)                                # a hundred megabytes in a thousand files, on whatever disk this is
def test_pg_basebackup_makes_a_copy_that_starts(pool, primary):
    p = pool()
    with primary.connect("p0") as conn:
        conn.execute("create table kept as select generate_series(1, 10000) id")
    copy = servers.new_folder("pgbb")
    try:
        ended(tool(p, "pg_basebackup", "-D", copy / "data", "-X", "stream", "-c", "fast", "--no-sync"), 150)
        subprocess.run(["chown", "-R", "--reference", str(primary.data), str(copy)], check=True)
        os.chmod(copy / "data", 0o700)
        single = subprocess.run([PG_BIN / "postgres", "--single", "-D", copy / "data", "p0"], input="select count(*) from kept\n",
                                capture_output=True, text=True, cwd=copy, **servers.identity())
        assert '"10000"' in single.stdout, single.stderr
    finally:
        subprocess.run(["rm", "-rf", copy], check=True)
        with primary.connect("p0") as conn:
            conn.execute("drop table kept")
    assert re.search(r"login attempt: db=replication user=bouncer tls=no replication=yes", p.log())
    assert "closing because: replication client was closed" in p.log()


def test_pg_receivewal_receives_wal(pool, primary):
    p = pool()
    folder = servers.new_folder("pgrw")
    process = tool(p, "pg_receivewal", "-D", folder, "--no-loop", "--synchronous", "--status-interval=1")
    try:
        eventually(lambda: list(folder.iterdir()), 20)
        wanted = primary.value("select pg_walfile_name(pg_current_wal_lsn())")
        primary.value("select pg_switch_wal()")
        eventually(lambda: (folder / wanted).exists(), 20)
        assert (folder / wanted).stat().st_size == 16 * 1024 * 1024
        assert {row["replication"] for row in p.command("show clients") if row["database"] == "replication"} == {"physical"}
        assert {row["replication"] for row in p.command("show servers")} == {"physical"}
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        subprocess.run(["rm", "-rf", folder], check=True)
    eventually(lambda: not p.command("show servers"))


def test_pg_recvlogical_receives_changes(pool, primary):
    p = pool()
    with primary.connect("p0") as conn:
        conn.execute("create table changes (id int primary key, t text)")
        conn.execute("grant insert on changes to bouncer")
    ended(tool(p, "pg_recvlogical", "-d", "p0", "--slot", "recv", "--create-slot", "-P", "test_decoding"))
    process = tool(p, "pg_recvlogical", "-d", "p0", "--slot", "recv", "--start", "-f", "-", "--no-loop", "-s", "1")
    try:
        with p.wire("p0") as conn:                    # an ordinary client of the same pool, beside it
            conn.rows("insert into changes select i, repeat('x', 3000) from generate_series(1, 500) i")
        seen = [process.stdout.readline() for _ in range(502)]
        assert seen[0].startswith("BEGIN") and seen[501].startswith("COMMIT")
        assert sum("table public.changes: INSERT" in line for line in seen) == 500
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        with primary.connect("p0") as conn:               # its walsender takes its time
            eventually(lambda: conn.execute("select 1 from pg_replication_slots where slot_name = 'recv' and active").fetchone() is None)
        ended(tool(p, "pg_recvlogical", "-d", "p0", "--slot", "recv", "--drop-slot"))
        with primary.connect("p0") as conn:
            conn.execute("drop table changes")


def test_a_subscription_follows_through_the_pool(pool, primary):
    p = pool()
    with primary.connect("p0") as source, primary.connect("p1") as target:
        source.execute("create table orders (id int primary key)")
        source.execute("insert into orders select generate_series(1, 100)")
        source.execute("grant select on orders to bouncer")
        source.execute("create publication pub for table orders")
        target.execute("create table orders (id int primary key)")
        # Both ends are one server here, so that the slot has to be made first.
        source.execute("select pg_create_logical_replication_slot('sub', 'pgoutput')")
        target.execute(f"create subscription sub connection 'host=127.0.0.1 port={p.port} dbname=p0 user=bouncer password=zzzz'"
                       " publication pub with (create_slot = false, slot_name = 'sub')")
        try:
            count = lambda: target.execute("select count(*) from orders").fetchone()[0]
            eventually(lambda: count() == 100, 30)
            source.execute("insert into orders select generate_series(101, 300)")
            source.execute("delete from orders where id <= 50")
            eventually(lambda: count() == 250, 30)
            assert any(row["replication"] == "logical" for row in p.command("show clients"))
        finally:
            target.execute("alter subscription sub disable")
            eventually(lambda: not source.execute("select active from pg_replication_slots where slot_name = 'sub'").fetchone()[0])
            target.execute("alter subscription sub set (slot_name = none)")
            target.execute("drop subscription sub")
            source.execute("select pg_drop_replication_slot('sub')")
            source.execute("drop publication pub")
            source.execute("drop table orders")
            target.execute("drop table orders")


def test_its_server_is_its_own_and_never_another_clients(pool):
    """h14."""
    p = pool(default_pool_size=2)
    with p.wire() as other:
        pids = {other.value("select pg_backend_pid()")}
        with replication(p) as conn:
            pids.add(conn.value("select pg_backend_pid()"))
            assert len(pids) == 2
            assert other.value("select pg_backend_pid()") != conn.value("select pg_backend_pid()")
            conn.ask("set work_mem = '7MB'")
            assert conn.value("show work_mem") == "7MB"          # it stays, whatever the pool's mode
            assert conn.rows("IDENTIFY_SYSTEM")[0][3] == "p0"
        eventually(lambda: len(p.command("show servers")) == 1)
        assert other.value("show work_mem") == "4MB"


def test_an_idle_server_makes_room_for_it_and_a_busy_one_does_not(pool):
    """h14."""
    p = pool(default_pool_size=1, client_login_timeout=30)
    with p.wire() as other:
        first = other.value("select pg_backend_pid()")
        with replication(p) as conn:
            assert conn.value("select pg_backend_pid()") != first
            assert "closing because: evicted" in p.log()
            other.send(query("select 2"))
            assert other.quiet(0.5)                              # the pool is full
        assert rows(other.until()) == [["2"]]
        other.ask("begin")
        waiting = Conn(p.address)
        waiting.send(startup_packet("bouncer", "p0", replication="database"))
        assert waiting.quiet(0.5)
        other.ask("commit")
        assert waiting.authenticate("bouncer", "zzzz").value("select 3") == "3"
        waiting.close()


def test_startup_parameters_and_options_go_to_its_server_whole(pool):
    """h14."""
    p = pool()
    with replication(p, application_name="walker", options="-c work_mem=9MB -c statement_timeout=1234", extra_float_digits="2",
                     DateStyle="German") as conn:
        for name, value in {"application_name": "walker", "work_mem": "9MB", "statement_timeout": "1234ms",
                            "extra_float_digits": "2", "datestyle": "German, DMY"}.items():
            assert conn.value(f"show {name}") == value
        assert conn.parameters["DateStyle"] == "German, DMY" and conn.parameters["is_superuser"] == "off"


@pytest.mark.parametrize("value,kind", [("true", "yes"), ("on", "yes"), ("1", "yes"), ("YES", "yes"), ("database", "database"),
                                        ("Database", "database"), ("false", "no"), ("off", "no"), ("0", "no"), ("no", "no")])
def test_replication_is_read_as_postgresql_reads_it(pool, value, kind):
    p = pool()
    with p.wire("p0", replication=value) as conn:
        works = not errors(conn.ask("IDENTIFY_SYSTEM"))
        assert works == (kind != "no")
    p.log_has(f"login attempt: db=p0 user=bouncer tls=no replication={kind}\n")


def test_nonsense_as_replication_is_refused(pool):
    with pytest.raises(PgError, match="invalid value for parameter \"replication\": \"perhaps\""):
        pool().wire("p0", replication="perhaps")


def test_a_login_that_the_server_refuses_concerns_that_client_only(pool, primary):
    """h14."""
    p = pool(default_pool_size=1)
    with p.wire("p0", "alice") as other:
        with pytest.raises(PgError, match="must be superuser or replication role to start walsender"):
            p.wire("p0", "alice", replication="database")
        assert other.value("select 1") == "1"
        with pytest.raises(PgError, match="invalid value for parameter \"datestyle\"|DateStyle"):
            replication(p, DateStyle="nonsense")


def test_reconnect_and_a_changed_database_close_it_at_once(pool):
    p = pool()
    with replication(p) as conn:
        p.command("reconnect")
        assert errors(conn.closed())[0]["M"] == "database configuration changed"
    with replication(p) as conn:
        p.databases["p0"] = "connect_query='select 1'"
        p.write_ini()
        p.signal(signal.SIGHUP)
        assert errors(conn.closed())[0]["M"] == "database configuration changed"


def test_its_statement_can_be_cancelled(pool):
    p = pool()
    with replication(p) as conn:
        conn.send(query("select pg_sleep(30)"))
        time.sleep(0.2)
        send_cancel(p.address, conn.key)
        assert errors(conn.until())[0]["C"] == "57014" and conn.value("select 1") == "1"


def test_a_stream_ends_in_order_when_its_client_says_so(pool, primary):
    p = pool()
    with replication(p) as conn:
        conn.rows("CREATE_REPLICATION_SLOT ending TEMPORARY LOGICAL test_decoding")
        conn.send(query("START_REPLICATION SLOT ending LOGICAL 0/0"))
        assert conn.until("W")[-1].tag == "W"
        primary.value("select pg_logical_emit_message(true, 'x', 'y')", "p0")
        conn.until("d")
        conn.send(copy_data(b"r" + bytes(32) + b"\1"))           # a status that asks for an answer
        assert conn.until("d")
        conn.send(b"c\0\0\0\4")
        rest = conn.until()
        assert "c" in tags(rest) and tags(rest)[-2:] == "CZ"
        assert conn.value("select 5") == "5"


def test_pause_waits_and_a_client_that_comes_then_is_served_after_resume(pool):
    p = pool()
    with p.console() as console:
        console.ask("pause")
        waiting = Conn(p.address)
        waiting.send(startup_packet("bouncer", "p0", replication="database"))
        assert waiting.quiet(0.5)
        console.ask("resume")
        assert waiting.authenticate("bouncer", "zzzz").value("select 1") == "1"
        waiting.close()


def test_hba_rules_for_replication_meet_physical_connections_only(pooler, primary):
    """h14."""
    p = pooler(primary, databases={"p0": "", "replication": "dbname=postgres"}, pool_mode="transaction",
               hba="host replication bouncer 127.0.0.1/32 trust\nhost p0 alice 127.0.0.1/32 trust\nhost p0 bouncer 127.0.0.1/32 reject\n"
                   "local all all trust\nhost pgbouncer all 127.0.0.1/32 trust\n")
    with p.wire("replication", "bouncer", replication="true") as conn:
        assert not errors(conn.ask("IDENTIFY_SYSTEM"))
    with pytest.raises(PgError, match="login rejected"):
        replication(p)
    with pytest.raises(PgError, match="no authentication method"):
        p.wire("p0", "alice", replication="true")


def test_the_server_going_away_ends_the_client(pool, primary):
    p = pool()
    with replication(p) as conn:
        pid = conn.value("select pg_backend_pid()")
        primary.value(f"select pg_terminate_backend({pid})")
        assert errors(conn.closed())[0]["C"] == "57P01"
    with pytest.raises((OSError, Closed)):
        conn.value("select 1")


def test_the_clients_leaving_ends_the_server(pool, primary):
    p = pool()
    conn = replication(p)
    conn.send(query("CREATE_REPLICATION_SLOT gone TEMPORARY LOGICAL test_decoding")).until()
    conn.send(query("START_REPLICATION SLOT gone LOGICAL 0/0")).until("W")
    conn.close()
    eventually(lambda: primary.value("select count(*) from pg_replication_slots where slot_name = 'gone'") == 0, 15)
    assert p.command("show servers") == []
