"""What an operator does on a working day: the mission's ini as it stands, and everything that may happen under load."""
import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import time

import pytest
import servers
from wire import Conn, errors, eventually, execute, msg, query, rows, startup_packet

MISSION = """\
[databases]
* = host=127.0.0.1 port={server_port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir = {folder}
logfile = {folder}/log
admin_users = admin
pool_mode = transaction
max_client_conn = 1000
default_pool_size = 20
min_pool_size = 5
reserve_pool_size = 5
reserve_pool_timeout = 3
server_lifetime = 3600
server_idle_timeout = 600
stats_period = 60
auth_type = md5
auth_file = users.txt
"""


@pytest.fixture(scope="module")
def bench_table(cluster):
    with cluster.connect("p1") as conn:
        conn.execute("create table if not exists day (id int primary key, seen int not null)")
        conn.execute("insert into day select i, 0 from generate_series(1, 1000) i on conflict do nothing")
        conn.execute("grant all on day to public")


class Load:
    """pgbench in the background, for as long as the test takes and `seconds` at least: transactions of three statements, any
    failure of which ends it with an error."""

    SCRIPT = ("\\set id random(1, 1000)\nbegin;\nselect seen from day where id = :id;\n"
              "update day set seen = seen + 1 where id = :id;\ncommit;\n")

    def __init__(self, pooler, seconds, clients=24, user="bouncer"):
        script = pooler.folder / "script.sql"
        script.write_text(self.SCRIPT)
        self.process = subprocess.Popen(
            ["pgbench", "-n", "-h", "127.0.0.1", "-p", str(pooler.port), "-U", user, "-M", "extended", "-f", str(script),
             "-c", str(clients), "-j", "2", "-T", "60", "p1"], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, env=dict(os.environ, PGPASSWORD=servers.ROLES[user][0]))
        eventually(lambda: pooler.pool("p1", user) and pooler.pool("p1", user)["cl_active"] > 0, 20)
        self.until = time.monotonic() + seconds

    def end(self):
        """The transactions that were done, or a failure with what pgbench said."""
        time.sleep(max(0, self.until - time.monotonic()))
        self.process.send_signal(signal.SIGALRM)      # pgbench's own, at the end of -T
        said = self.process.communicate(timeout=40)[0]
        assert self.process.returncode == 0 and "aborted" not in said, said[-2000:]
        assert re.search(r"failed transactions: 0 ", said), said[-2000:]
        return int(re.search(r"actually processed: (\d+)", said)[1])


def reload(pooler):
    pooler.write_ini()
    pooler.command("reload")


@pytest.fixture
def mission(pooler, cluster):
    p = pooler(start=False)
    p.write("pooler.ini", MISSION.format(server_port=cluster.port, port=p.port, folder=p.folder))
    return p


@pytest.mark.ours
def test_the_missions_ini_is_read_without_a_warning(mission, binary):
    done = subprocess.run([binary, "--check", mission.ini], capture_output=True, text=True, cwd=mission.folder)
    assert (done.returncode, done.stdout) == (0, "configuration is good: 0 errors, 0 warnings\n")


def test_the_missions_ini_serves_many_clients_with_its_pool(mission, cluster, bench_table):
    mission.start()
    settings = {row["key"]: row["value"] for row in mission.command("show config")}
    for line in MISSION.split("pool_mode", 1)[1].splitlines()[1:]:
        key, value = line.split(" = ")
        assert settings[key] == value
    load = Load(mission, 2, clients=100)
    assert load.end() > 0
    pool = mission.pool("p1")
    assert pool["pool_mode"] == "transaction" and 5 <= pool["sv_idle"] + pool["sv_used"] <= 25
    assert cluster.backends("p1") <= 25
    assert not re.search(r" (WARNING|ERROR|FATAL) ", mission.log())


RELOADS = [
    {"default_pool_size": 3}, {"default_pool_size": 30}, {"min_pool_size": 6}, {"reserve_pool_size": 2},
    {"server_lifetime": 1}, {"server_idle_timeout": 1}, {"query_wait_timeout": 30}, {"auth_type": "md5"},
    {"log_connections": 0}, {"verbose": 1}, {"max_client_conn": 10}, {"max_db_connections": 4},
    {"max_user_connections": 2}, {"server_check_delay": 0}, {"server_reset_query_always": 1},
    {"server_round_robin": 1}, {"pool_mode": "session"}, {"listen_port": 1}, {"tcp_keepidle": 30},
]


def test_a_reload_of_any_setting_disturbs_no_transaction(pooler, bench_table):
    p = pooler(pool_mode="transaction")
    load, usual = Load(p, 4), dict(p.settings)
    for change in RELOADS:
        p.settings = usual | change
        reload(p)
        time.sleep(0.06)
        p.settings = usual
        reload(p)
        time.sleep(0.06)
    assert load.process.poll() is None
    assert load.end() > 0


@pytest.mark.ours
def test_a_reload_of_a_database_or_a_user_disturbs_no_transaction(pooler, bench_table):
    p = pooler(pool_mode="transaction")
    load = Load(p, 3)
    for options in ("pool_size=2", "pool_mode=session", "connect_query='select 7'", "dbname=p1 user=alice", "",
                    "max_db_connections=3", "application_name=day", ""):
        p.databases["p1"] = options
        reload(p)
        time.sleep(0.1)
    for users in ({"bouncer": "pool_size=2"}, {"bouncer": "pool_mode=session"}, {"bouncer": "max_user_connections=2"}, {}):
        p.users = users
        reload(p)
        time.sleep(0.1)
    assert load.process.poll() is None
    assert load.end() > 0


def test_a_storm_of_sighups_disturbs_no_transaction(pooler, bench_table):
    p = pooler(pool_mode="transaction")
    load = Load(p, 2)
    for number in range(1000):
        p.signal(signal.SIGHUP)
        if number % 10 == 0:
            time.sleep(0.001)
    assert load.process.poll() is None
    assert load.end() > 0


@pytest.mark.ours
def test_a_restart_of_the_server_between_pause_and_resume_is_not_noticed(pooler, own_cluster):
    with own_cluster.connect("p1") as conn:
        conn.execute("create table day as select i as id, 0 as seen from generate_series(1, 1000) i")
        conn.execute("grant all on day to public")
    for workers in (1, 3):
        p = pooler(own_cluster, pool_mode="transaction", workers=workers, default_pool_size=4)
        load = Load(p, 3)
        eventually(lambda: sum(p.pool("p1")[state] for state in ("sv_active", "sv_idle", "sv_used")) == 4)
        p.command("pause")
        own_cluster.stop("fast")
        own_cluster.start()
        p.command("resume")
        assert load.process.poll() is None
        assert load.end() > 0
        warnings = re.findall(r".* (?:WARNING|ERROR|FATAL) .*", p.log())
        assert not warnings, warnings


@pytest.mark.ours
def test_reconnect_under_load_disturbs_no_transaction(pooler, bench_table):
    p = pooler(pool_mode="transaction")
    load = Load(p, 2)
    for _ in range(15):
        p.command("reconnect")
        time.sleep(0.03)
    assert load.process.poll() is None
    assert load.end() > 0


@pytest.mark.ours
def test_a_server_that_grants_fewer_connections_than_the_pool_is_no_failure(pooler, cluster, bench_table):
    with cluster.connect() as conn:
        conn.execute("alter role bob connection limit 3")
    try:
        p = pooler(pool_mode="transaction", default_pool_size=20)
        assert Load(p, 2, user="bob").end() > 0
        p.log_has("server login failed: FATAL too many connections for role")
    finally:
        with cluster.connect() as conn:
            conn.execute("alter role bob connection limit -1")


@pytest.mark.ours
def test_includes_quotes_and_the_fallback_entry_are_understood(pooler, cluster):
    p, here = pooler(start=False), f"host=127.0.0.1 port={cluster.port}"
    p.write("databases.ini", f"[databases]\n'odd name' = {here} dbname=p2\n\"other name\" = {here} dbname=p3\n"
            f"spaced = host='127.0.0.1'  port = {cluster.port} dbname = 'p4' password='it''s'\n"
            f"forced = {here} dbname=p5 user=alice pool_size=1 application_name='x y'\n* = {here}\n")
    p.write("users.ini", "[users]\nbouncer = pool_size=2\n'a b' = pool_size=3\n")
    text = p.ini.read_text().replace("[pgbouncer]", "%include databases.ini\n  ; a comment\n # another\n[pgbouncer]", 1)
    p.write("pooler.ini", text + "pool_mode = TRANSACTION\ndefault_pool_size = 0x10\n%include  users.ini")
    p.start()
    for name, database in {"odd name": "p2", "other name": "p3", "spaced": "p4", "p7": "p7"}.items():
        with p.wire(name) as conn:
            assert conn.rows("select current_database(), current_user") == [[database, "bouncer"]]
    with p.wire("forced") as conn:
        assert conn.rows("select current_user, current_setting('application_name')") == [["alice", "x y"]]
    sizes = {row["name"]: row["pool_size"] for row in p.command("show databases")}
    assert (sizes["forced"], sizes["p7"]) == ("1", "16")
    assert {row["name"]: row["pool_size"].strip() for row in p.command("show users")}["a b"] == "3"


@pytest.mark.ours
def test_check_tells_every_mistake_with_its_place(pooler, binary):
    p = pooler(start=False)
    mistakes = ["[databases]", "a = host=127.0.0.1 port=abc", "b = hostt=127.0.0.1", "c = host='never closed",
                "pgbouncer = host=127.0.0.1", "d = password=", "[users]", "u = pool_sise=3", "[pgbouncer]", "nosuch = 1",
                "pool_mode = foo", "max_client_conn = ten", "query_timeout = -5", "server_round_robin = yes",
                "this is no line", "%include not-there.ini", "listen_port = 99999", "[nosection]"]
    p.write("wrong.ini", "\n".join(mistakes) + "\n")
    done = subprocess.run([binary, "--check", "wrong.ini"], capture_output=True, text=True, cwd=p.folder)
    expected = [number for number, line in enumerate(mistakes, 1) if line not in ("[databases]", "[users]", "[pgbouncer]")]
    assert [int(n) for n in re.findall(r"^wrong\.ini:(\d+): error: ", done.stdout, re.M)] == expected
    assert done.returncode == 1 and f"{len(expected)} errors" in done.stdout


@pytest.mark.ours
def test_a_mistake_in_an_included_file_changes_nothing_and_is_told_with_its_place(pooler):
    p = pooler(start=False)
    p.write("more.ini", "query_timeout = 7\n")
    p.write("pooler.ini", p.ini.read_text() + "%include more.ini\n")
    p.start()
    p.write("more.ini", "query_timeout = 8\nnonsense = 1\n")
    with p.console() as console:
        assert [e["C"] for e in errors(console.ask("reload"))] == ["F0000"]
    assert {row["key"]: row["value"] for row in p.command("show config")}["query_timeout"] == "7"
    p.log_has(r"nonsense.*more\.ini:2")


def test_ipv6_and_the_abstract_socket_are_served(pooler):
    p = pooler(listen_addr="127.0.0.1,::1", start=False)
    name = f"@pgweir-{os.getpid()}-{p.port}"
    p.settings["unix_socket_dir"] = name
    p.write_ini()
    p.start(wait=False)
    p.log_has("process up")
    for host in ("::1", name):
        done = subprocess.run(["psql", "-XAtq", "-h", host, "-p", str(p.port), "-U", "bouncer", "-d", "p0", "-c", "select 7"],
                              capture_output=True, text=True, timeout=20)
        assert done.stdout == "7\n", done.stderr
    p.log_has(r"p0/bouncer@\[::1\]:\d+ login attempt")
    p.log_has(r"p0/bouncer@unix\(\d+\):\d+ login attempt")


@pytest.mark.ours
def test_one_address_that_cannot_be_had_is_a_warning(pooler):
    p = pooler(listen_addr="127.0.0.1,192.0.2.77")
    p.log_has(r"WARNING .*192\.0\.2\.77")
    assert p.wire().value("select 1") == "1"


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_pg_dump_writes_the_same_through_the_pool(pooler, cluster, bench_table, mode):
    p = pooler(pool_mode=mode)

    def dump(port):
        done = subprocess.run(["pg_dump", "-h", "127.0.0.1", "-p", str(port), "-U", "alice", "-t", "day", "p1"],
                              capture_output=True, env=dict(os.environ, PGPASSWORD="apass"), timeout=30)
        assert done.returncode == 0, done.stderr
        return re.sub(rb"\\(un)?restrict \S+", b"", done.stdout)

    assert dump(p.port) == dump(cluster.port)


def test_large_objects_go_there_and_back(pooler, tmp_path):
    p, data = pooler(pool_mode="transaction"), os.urandom(2_000_000)
    (tmp_path / "in").write_bytes(data)
    p.psql("-c", f"\\lo_import {tmp_path / 'in'}")
    oid = p.wire().value("select max(oid) from pg_largeobject_metadata")
    done = p.psql("-c", f"\\lo_export {oid} {tmp_path / 'out'}", "-c", f"\\lo_unlink {oid}")
    assert (tmp_path / "out").read_bytes() == data, done.stderr


@pytest.mark.ours
def test_a_message_of_a_hundred_megabytes_passes_through_little_memory(pooler):
    def peak():
        with open(f"/proc/{p.process.pid}/status") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1]) // 1024

    p, megabytes = pooler(pool_mode="transaction"), 100
    with p.wire(timeout=40) as conn:
        conn.ask("select 1")
        before, size = peak(), megabytes << 20
        head = msg("P", b"\0select length($1::text)\0\0\0")
        body = b"\0\0" + (0).to_bytes(2, "big") + (1).to_bytes(2, "big") + size.to_bytes(4, "big")
        conn.send(head, b"B", (4 + len(body) + size + 2).to_bytes(4, "big"), body)
        for _ in range(megabytes):
            conn.send(b"y" * (1 << 20))
        assert rows(conn.send(b"\0\0", execute(), msg("S")).until()) == [[str(size)]]
        assert peak() - before < 20


@pytest.mark.ours
def test_three_workers_show_one_consistent_picture(pooler):
    p = pooler(pool_mode="transaction", workers=3)
    conns = [p.wire() for _ in range(18)]
    for number, conn in enumerate(conns):
        conn.ask("begin" if number < 4 else "select 1")
    clients, served = p.command("show clients"), p.command("show servers")
    ids = [row["id"] for row in clients + served]
    assert len(set(ids)) == len(ids)
    links = {row["ptr"]: row["link"] for row in served if row["link"]}
    assert {row["link"]: row["ptr"] for row in clients if row["link"]} == links and len(links) == 4
    pool = p.pool()
    assert (pool["cl_active"], pool["sv_active"]) == (18, 4)
    assert {row["list"]: row["items"] for row in p.command("show lists")}["used_servers"] == str(len(served))
    victim = next(row["id"] for row in clients if row["database"] == "p0" and not row["link"])
    p.command(f"kill_client {victim}")
    eventually(lambda: p.pool()["cl_active"] == 17)
    with p.console() as console:
        console.send(query("pause p0"))
        assert console.quiet(0.2)
        for conn in conns[:4]:
            conn.ask("commit")
        assert console.until()[-1].tag == "Z"


def test_tls_that_is_required_of_a_server_is_never_left_out(pooler):
    """A server that speaks no TLS may be asked for it, and must not learn who wants to log in."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.2)
        p = pooler(databases={"p0": f"host=127.0.0.1 port={listener.getsockname()[1]}"}, server_tls_sslmode="require",
                   client_login_timeout=2)
        with Conn(p.address) as client:
            client.send(startup_packet("bouncer", "p0"))
            seen, end = [], time.monotonic() + 2
            while time.monotonic() < end:
                try:
                    server = listener.accept()[0]
                except TimeoutError:
                    continue
                with server, contextlib.suppress(ConnectionResetError):
                    server.settimeout(2)
                    seen.append(server.recv(4096))
                    server.sendall(b"N")
                    seen.append(server.recv(4096))
            assert errors(client.closed())
        assert seen and b"bouncer" not in b"".join(seen)


@pytest.mark.ours
def test_the_limit_of_file_descriptors_is_raised(pooler, binary):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < 1500:
        pytest.skip("the hard limit is too low")
    p = pooler(pool_mode="transaction", start=False)
    p.process = subprocess.Popen(["sh", "-c", f"ulimit -Sn 128; exec {binary} -q {p.ini}"], stdin=subprocess.DEVNULL,
                                 **servers.identity())
    p.stderr = open(os.devnull)
    p.wait_until_it_listens()
    conns = [p.wire() for _ in range(300)]
    assert all(conn.value("select 1") == "1" for conn in conns)
