"""pgweir-bench and the scripts of bench/, against real poolers: every way in, what is counted, and how it all ends."""
import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import servers

from certificates import Authority, server_settings

pytestmark = pytest.mark.ours

BENCH = Path(os.environ.get("PGWEIR_BENCH", servers.ROOT / "build" / "release" / "pgweir-bench"))
SCRIPTS = servers.ROOT / "bench"
SHORT = ["--rounds", "1", "--warmup", "50ms", "--duration", "300ms", "--clients", "4", "--quiet"]


@pytest.fixture(scope="module", autouse=True)
def built():
    if not BENCH.exists():
        pytest.fail(f"{BENCH} is not built: scripts/build release pgweir-bench")


@pytest.fixture(scope="module")
def authority():
    return Authority()


def run(folder, *arguments, short=True):
    """The rows of the report, and what was printed."""
    report = folder / "report.json"
    done = subprocess.run([BENCH, "run", *(SHORT if short else []), "--json", report, *map(str, arguments)], capture_output=True, text=True, timeout=50)
    return json.loads(report.read_text())["rows"] if report.exists() else [], done


def url(pooler, user="bouncer", database="p0", more=""):
    password = servers.ROLES[user][0]
    return f"x=postgres://{user}:{password}@127.0.0.1:{pooler.port}/{database}?{more},pid={pooler.process.pid}"


def flawless(rows, done):
    assert done.returncode == 0, (done.stdout, done.stderr)
    for row in rows:
        assert row["completed"] > 0 and row["failed"] == 0 and row["errors"] == {} and row["failures"] == [], row
    return rows


@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
@pytest.mark.parametrize("pipeline", [1, 8])
def test_protocols_and_pipelines(pooler, tmp_path, protocol, pipeline):
    p = pooler(pool_mode="transaction")
    flawless(*run(tmp_path, "--target", url(p), "--protocol", protocol, "--pipeline", pipeline))


@pytest.mark.parametrize("method,user", [("trust", "alice"), ("plain", "puser1"), ("md5", "muser1"), ("scram-sha-256", "scramuser1")])
@pytest.mark.parametrize("tls", ["", "sslmode=require", "sslmode=require&sslnegotiation=direct"])
def test_login_methods_in_plain_text_and_in_tls(pooler, tmp_path, authority, method, user, tls):
    p = pooler(auth_type=method, **{**server_settings(authority), "client_tls_sslmode": "require" if tls else "allow"})
    flawless(*run(tmp_path, "--target", url(p, user, more=tls)))


def test_a_wrong_password_is_told_and_measures_nothing(pooler, tmp_path):
    p = pooler(auth_type="scram-sha-256")
    rows, done = run(tmp_path, "--target", url(p, "scramuser1").replace(":foo@", ":bar@"), "--login-time", "200ms")
    assert done.returncode == 1 and rows[0]["rounds"] == 0 and "28P01" in rows[0]["failures"][0]


def test_a_certificate_logs_in(pooler, tmp_path, authority):
    certificate, key = authority.issue("alice")
    p = pooler(auth_type="cert", **{**server_settings(authority), "client_tls_sslmode": "verify-full", "client_tls_ca_file": authority.file})
    tls = f"sslmode=require&sslcert={certificate}&sslkey={key}"
    flawless(*run(tmp_path, "--target", url(p, "alice", more=tls), "--workload", "churn"))


def test_where_tls_is_asked_for_nothing_goes_in_plain_text(pooler, tmp_path, authority):
    p = pooler(**server_settings(authority))
    rows, done = run(tmp_path, "--target", url(p), "--login-time", "200ms")
    assert done.returncode == 1 and "SSL required" in rows[0]["failures"][0]
    plain = pooler()
    rows, done = run(tmp_path, "--target", url(plain, more="sslmode=require"), "--login-time", "200ms")
    assert done.returncode == 1 and "does not speak TLS" in rows[0]["failures"][0]


def test_results_and_parameters_that_are_large_pass_whole_in_tls(pooler, tmp_path, authority):
    p = pooler(**server_settings(authority))
    rows = flawless(*run(tmp_path, "--target", url(p, more="sslmode=require"), "--workload", "result", "--result-bytes", 1_000_000))
    assert rows[0]["received_megabytes_per_second"]["median"] * 0.3 >= rows[0]["completed"] * 0.9
    script = tmp_path / "script"
    # A division by zero where the server did not get it all.
    script.write_text("select 1 / (length($1) / 1000000) <- x*1000000\n")
    flawless(*run(tmp_path, "--target", url(p, more="sslmode=require"), "--script", script, "--protocol", "extended"))


def test_a_unix_socket(pooler, tmp_path):
    p = pooler()
    target = f"u=postgres:///p0?host={p.folder}&port={p.port}&user=bouncer,pid={p.process.pid}"
    flawless(*run(tmp_path, "--target", target))


@pytest.mark.parametrize("wrong", ["sslmode=prefer", "sslcert=a&sslkey=b", "sslmode=require&sslcert=/nowhere&sslkey=/nowhere", "sslnegotiation=direct"])
def test_a_wish_for_tls_that_cannot_be_had_is_refused(tmp_path, wrong):
    rows, done = run(tmp_path, "--target", f"x=postgres://a@127.0.0.1:1/b?{wrong}")
    assert done.returncode == 2 and "target 'x=" in done.stderr and not rows


def test_a_report_has_every_figure(pooler, tmp_path):
    p = pooler(pool_mode="transaction", default_pool_size=5, workers=2)
    html = tmp_path / "report.html"
    rows, done = run(tmp_path, "--target", url(p), "--target", url(p).replace("x=", "y=", 1), "--rounds", 3, "--clients", "1,4", "--html", html)
    flawless(rows, done)
    assert [(row["target"], row["clients"]) for row in rows] == [("x", 1), ("y", 1), ("x", 4), ("y", 4)]
    for row in rows:
        assert row["rounds"] == 3
        for figure in ("transactions_per_second", "cpu_us_per_transaction", "latency_us_p50", "latency_us_p90", "latency_us_p99",
                       "latency_us_p999", "latency_us_max"):
            assert 0 < row[figure]["min"] <= row[figure]["median"] <= row[figure]["max"], figure
        assert row["rss_mib"]["median"] > 0 and row["bytes_per_client"]["median"] >= 0
        assert row["voluntary_switches_per_transaction"]["median"] >= 0 and row["involuntary_switches_per_transaction"]["median"] >= 0
    text = html.read_text()
    assert text.count("<svg") == 5 and text.count("<polyline") >= 10 and not re.search(r"(?:src|href)\s*=|https?://|@import", text)
    assert "tx/s" in done.stdout and "B/client" in done.stdout


def test_targets_take_turns_and_the_time_is_told_before(pooler, tmp_path):
    p = pooler()
    options = ["--rounds", "2", "--warmup", "10ms", "--duration", "100ms", "--clients", "1", "--target", url(p), "--target", url(p).replace("x=", "y=", 1)]
    _, done = run(tmp_path, *options, short=False)
    told = done.stderr.splitlines()
    assert re.match(r"4 measurements, about \d+ s", told[0]), told
    assert [line.split("] ")[1].split()[0] for line in told[1:]] == ["x", "y", "x", "y"]


def test_a_long_measurement_tells_what_it_is_at(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        load = subprocess.Popen([BENCH, "run", "--target", f"x=postgres://a@127.0.0.1:{silent.getsockname()[1]}/b", "--clients", "3"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        told = [load.stderr.readline() for _ in range(2)]
        load.send_signal(signal.SIGINT)
        load.communicate(timeout=20)
    assert told[1] == "[1/3] x: 0 of 3 clients are logged in\n", told


def test_an_open_loop_counts_from_the_intended_start(pooler, tmp_path):
    """One server and 50 ms for each: of 40 a second every other has to wait for those before it."""
    p = pooler(pool_mode="transaction", default_pool_size=1)
    script = tmp_path / "script"
    script.write_text("select pg_sleep(0.05)\n")
    arguments = ["--target", url(p), "--script", script, "--rounds", 1, "--clients", 1, "--warmup", "0ms", "--duration", "2s", "--drain", "10s"]
    closed = flawless(*run(tmp_path, *arguments, "--quiet", short=False))
    opened = flawless(*run(tmp_path, *arguments, "--quiet", "--rate", 40, short=False))
    assert closed[0]["latency_us_p50"]["median"] < 500_000
    assert opened[0]["latency_us_max"]["median"] > 1_500_000


def test_ctrl_c_shows_what_there_is_and_leaves_nobody(pooler, tmp_path):
    p = pooler()
    report, html = tmp_path / "report.json", tmp_path / "report.html"
    load = subprocess.Popen([BENCH, "run", "--target", url(p), "--duration", "1s", "--rounds", "60", "--json", report, "--html", html],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    told = [load.stderr.readline(), load.stderr.readline()]
    assert told[1].startswith("[1/60,"), told
    load.send_signal(signal.SIGINT)
    out, _ = load.communicate(timeout=20)
    assert load.returncode == 1 and "(stopped early)" in out
    row = json.loads(report.read_text())
    assert row["stopped"] and row["rows"][0]["completed"] > 0 and "<svg" in html.read_text()
    deadline = time.monotonic() + 10
    while any(client["database"] == "p0" for client in p.command("show clients")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def processes_of_session(leader):
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(entry.name)
    return found


def script(name, *arguments):
    return subprocess.Popen([SCRIPTS / name, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            start_new_session=True, stdin=subprocess.DEVNULL)


def test_compare_measures_everything_it_starts():
    running = script("compare", "--quick", "--rounds", 1, "--duration", "200ms", "--warmup", "50ms")
    out, _ = running.communicate(timeout=58)
    assert running.returncode == 0, out
    for server in ("null", "postgres"):
        assert f"compare, {server} server, simple" in out
    for target in ("direct", "relay", "pgweir"):
        assert len(re.findall(rf"^\| {target} ", out, re.M)) == 2, out
    assert processes_of_session(running.pid) == []


def test_users10k_tells_tails_and_errors():
    running = script("users10k", "--null", "--clients", 300, "--rounds", 1, "--duration", "1s", "--warmup", "100ms", "--think", "50ms..150ms")
    out, _ = running.communicate(timeout=50)
    assert running.returncode == 0, out
    assert re.search(r"\| target .*p99 .*p99.9 .*failed", out) and re.search(r"^\| pgweir .* 0 \|$", out, re.M), out


def test_a_script_that_is_stopped_stops_what_it_started():
    running = script("users10k", "--null", "--clients", 50, "--rounds", 50)
    while "measurements, about" not in (line := running.stdout.readline()):
        assert line, "it ended"
    assert len(processes_of_session(running.pid)) >= 4
    os.killpg(running.pid, signal.SIGINT)
    running.communicate(timeout=30)
    deadline = time.monotonic() + 10
    while left := processes_of_session(running.pid):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
