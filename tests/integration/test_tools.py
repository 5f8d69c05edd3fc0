"""Tools that people have, unchanged, against the console and the log: each skipped where it is not installed."""
import json
import os
import re
import shutil
import subprocess
import urllib.request

import pytest
from servers import free_port
from wire import eventually


def needs(program, package):
    if not shutil.which(program):
        pytest.skip(f"{program} (Debian package {package}) is not installed")


def environment(password, **more):
    return {**os.environ, "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "10", "LC_ALL": "C.UTF-8", **more}


@pytest.fixture
def busy(pooler):
    """Two pools with traffic, one client that holds a server."""
    # Debian's exporter 1.7 wants columns that PgBouncer itself has given up.
    p = pooler(pool_mode="transaction", ignore_startup_parameters="extra_float_digits", show_old_columns=1)
    with p.wire() as client, p.wire("p1", "alice") as other:
        for _ in range(5):
            client.ask("select 1")
        other.ask("select 2")
        client.ask("begin")
        yield p


@pytest.mark.ours
def test_the_prometheus_exporter_of_debian(busy):
    needs("prometheus-pgbouncer-exporter", "prometheus-pgbouncer-exporter")
    port = free_port()
    exporter = subprocess.Popen(
        ["prometheus-pgbouncer-exporter", "--host", "127.0.0.1", "--port", str(port), "--pgbouncer-host", "127.0.0.1",
         "--pgbouncer-port", str(busy.port), "--pgbouncer-user", "stats"],
        env=environment("statspass"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def page():
        assert exporter.poll() is None, exporter.stderr.read()
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
        except OSError:
            return None

    try:
        metrics = eventually(page, 20, 0.2)
    finally:
        exporter.kill()
        exporter.communicate()
    values = {}
    for name, labels, value in re.findall(r"^(pgbouncer_\w+)(?:\{(.*)\})? (\S+)$", metrics, re.M):
        values.setdefault(name, {})[tuple(sorted(re.findall(r'(\w+)="([^"]*)"', labels)))] = float(value)
    pool = (("database", "p0"), ("user", "bouncer"))
    assert values["pgbouncer_active_clients"][pool] == 1, metrics
    assert any(key == (("database", "p0"),) and value >= 6 for found in values.values() for key, value in found.items()), metrics
    assert values["pgbouncer_used_clients"][()] >= 3 and values["pgbouncer_pools"][()] >= 3, metrics


@pytest.mark.parametrize("action", ["cl_active", "cl_waiting", "maxwait", "sv_active", "sv_idle", "sv_login", "sv_tested", "sv_used"])
def test_check_postgres_reads_show_pools(busy, action):
    needs("check_postgres", "check-postgres")
    done = subprocess.run(["check_postgres", f"--action=pgb_pool_{action}", "--host=127.0.0.1", f"--port={busy.port}",
                           "--dbuser=stats", "--dbpass=statspass", "--include=p0", "--warning=50", "--critical=60"],
                          env=environment("statspass"), capture_output=True, text=True, timeout=50)
    assert done.returncode == 0 and re.search(r"OK: .*\bp0=%d" % (action in ("cl_active", "sv_active")), done.stdout), (
        done.stdout + done.stderr)


def test_check_postgres_counts_clients_and_watches_settings(busy):
    needs("check_postgres", "check-postgres")
    common = ["--host=127.0.0.1", f"--port={busy.port}", "--dbuser=admin", "--dbpass=adminpass"]
    run = lambda *arguments: subprocess.run(["check_postgres", *arguments, *common], env=environment("adminpass"),
                                            capture_output=True, text=True, timeout=50)
    backends = run("--action=pgbouncer_backends", "--warning=90%", "--critical=95%")
    assert backends.returncode == 0 and " of 1000 " in backends.stdout, backends.stdout + backends.stderr
    first = run("--action=pgbouncer_checksum", "--critical=0")
    (checksum,) = re.findall(r"\b[0-9a-f]{32}\b", first.stdout)
    assert run("--action=pgbouncer_checksum", f"--critical={checksum}").returncode == 0
    busy.command("set default_pool_size = 7")
    assert run("--action=pgbouncer_checksum", f"--critical={checksum}").returncode == 2


def test_pgcli_talks_to_the_console_and_through_the_pool(busy, tmp_path):
    needs("pgcli", "pgcli")

    def run(database, user, password, text):
        done = subprocess.run(["pgcli", "-h", "127.0.0.1", "-p", str(busy.port), "-U", user, "-d", database, "--less-chatty",
                               "--row-limit", "0", "--pgclirc", str(tmp_path / "rc")], input=text, capture_output=True, text=True,
                              timeout=50, env=environment(password, HOME=str(tmp_path), TERM="dumb", PAGER="cat"))
        return done.stdout + done.stderr

    shown = run("pgbouncer", "stats", "statspass", "show pools;\n")
    assert re.search(r"\|\s*p0\s*\|\s*bouncer\s*\|", shown), shown
    shown = run("p1", "alice", "apass", "select 6 * 7 as answer;\n")
    assert re.search(r"\|\s*42\s*\|", shown), shown


@pytest.mark.ours
@pytest.mark.parametrize("command", ["\\l", "\\d", "\\du", "\\dt", "\\conninfo"])
def test_psqls_own_queries_are_refused_as_pgbouncer_does_and_psql_goes_on(busy, command):
    done = busy.psql("-c", command, "-c", "show version", database="pgbouncer", user="stats")
    refused = command != "\\conninfo"
    assert ("invalid command" in done.stderr) == refused, done.stderr
    assert "PgBouncer 1." in done.stdout
    assert done.returncode == 0


@pytest.mark.ours
def test_psql_shows_every_table(busy):
    tables = ("clients servers pools databases users lists stats stats_totals stats_averages totals config mem dns_hosts dns_zones "
              "sockets active_sockets peers peer_pools state version help").split()
    done = busy.psql(*(word for table in tables for word in ("-c", f"show {table}")), database="pgbouncer", user="stats")
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr


@pytest.mark.ours
def test_pgbadger_reads_pgbouncers_lines(pooler, tmp_path):
    """The default log, by pgbadger's format for PgBouncer: sessions, errors and the stats lines."""
    needs("pgbadger", "pgbadger")
    p = pooler(pool_mode="transaction", log_stats=1, stats_period=1, max_client_conn=20)
    for _ in range(4):
        with p.wire() as client:
            client.ask("select 1")
    with p.wire("p1", "alice") as client:
        client.ask("select 1")
    with pytest.raises(Exception):
        p.wire("nowhere")
    p.log_has(r"stats: [1-9]\d* xacts/s|stats: 0 xacts/s", 10)
    (tmp_path / "pgbouncer.log").write_text(p.log())
    done = subprocess.run(["pgbadger", "-q", "-x", "json", "-o", tmp_path / "report.json",
                           tmp_path / "pgbouncer.log"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    connections = json.dumps(report.get("pgb_connection_info", {}))
    assert '"p0"' in connections and '"alice"' in connections, report.keys()
    assert "no such database" in json.dumps(report.get("pgb_error_info", {})) + json.dumps(report.get("pgb_pool_info", {})), report
