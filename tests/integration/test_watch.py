"""What the pooler tells by itself: alerts, advice, who holds the servers, the log of statements, the history."""
import http.server
import json
import re
import shutil
import subprocess
import threading
import time

import psycopg
import pytest
import servers
from web import with_site
from wire import eventually

pytestmark = pytest.mark.skipif(servers.IS_PGBOUNCER, reason="PgBouncer does not tell")


def sleeper(proxy, seconds, **options):
    def run():
        with proxy.connect(**options) as client:
            client.execute(f"select pg_sleep({seconds})")
    return run


def in_background(*tasks):
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    return threads


@pytest.fixture
def webhook():
    """A server that keeps what is posted to it."""
    heard = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/alert", heard
    server.shutdown()
    server.server_close()
    thread.join()


# --- alerts

def test_a_full_pool_is_told_to_log_metrics_and_webhook_with_its_evidence(pooler, webhook):
    url, heard = webhook
    proxy, site = with_site(pooler, pool_mode="transaction", default_pool_size=1, alert_pool_use_time=2, alert_webhook=url)
    threads = in_background(*[sleeper(proxy, 6, application_name="hog") for _ in range(2)])
    proxy.log_has(r"WARNING alert pool_use: 1 of 1 servers of pool p0/bouncer in use for \d+ s, 1 clients wait", 15)
    assert site.metrics().value("pgweir_alert_firing", alert="pool_use") == 1
    assert [alert["alert"] for alert in site.json("/api/overview")["alerts"]] == ["pool_use"]
    assert eventually(lambda: heard)
    assert (heard[0]["alert"], heard[0]["state"]) == ("pool_use", "firing")
    assert [(row["reason"], row["waiting_now"]) for row in heard[0]["waits"] if row["reason"] == "pool_size"] == [("pool_size", 1)]
    assert "hog" in str(heard[0]["waits"])
    for thread in threads:
        thread.join()
    proxy.log_has("alert pool_use is over", 15)
    assert eventually(lambda: heard[-1]["state"] == "over")
    metrics = site.metrics()
    assert metrics.value("pgweir_alert_firing", alert="pool_use") == 0
    assert metrics.value("pgweir_alerts_total", alert="pool_use") == 1


def test_slow_queries_waits_and_failed_logins_are_alerts_where_switched_on(pooler):
    proxy = pooler(pool_mode="transaction", default_pool_size=1, alert_slow_100ms=0.02, alert_slow_1s=0.5, alert_wait_p99=0.2, alert_login_failures=2,
                   alert_pool_use=0, auth_type="scram-sha-256")
    time.sleep(2.5)      # a sample from before
    for thread in in_background(*[sleeper(proxy, 0.3) for _ in range(8)]):
        thread.join()
    for _ in range(3):
        with pytest.raises(psycopg.Error):
            proxy.connect(password="wrong")
    proxy.log_has(r"WARNING alert wait_p99: waits for a server: p99 \d+ ms in the last minute, over 200 ms", 10)
    proxy.log_has(r"WARNING alert slow_100ms: [\d.]+ queries a second over 100 ms in the last minute, more than 0.02", 10)
    proxy.log_has(r"WARNING alert login_failures: 3 failed logins in the last minute, more than 2", 10)
    assert "alert pool_use" not in proxy.log() and "alert slow_1s" not in proxy.log()


# --- who holds the servers

def test_a_queued_client_hears_which_limit_binds_and_who_has_the_servers(pooler):
    proxy = pooler(pool_mode="transaction", default_pool_size=1, query_wait_notify=1, query_wait_timeout=3)
    with proxy.connect(application_name="hog") as hog:
        hog.execute("begin")
        hog.execute("select 1")
        notices = []
        waiter = proxy.connect()
        waiter.add_notice_handler(lambda notice: notices.append((notice.message_primary, notice.message_detail)))
        with pytest.raises(psycopg.Error) as error:
            waiter.execute("select 2")
        told = proxy.command("SHOW WAITS")
        hog.execute("rollback")
    expected = (r"pool_size 1 of p0/bouncer is reached; 1 servers are held by hog \(1\), 1 of them idle in transaction; "
                r"queries: [0-9a-f]{16} \(1\)")
    assert notices[0][0] == "No server connection available in postgres backend, client being queued"
    assert re.match(expected, notices[0][1])
    assert re.search(r"query_wait_timeout\nDETAIL:  " + expected, str(error.value))
    row = next(row for row in told if row["reason"] == "pool_size")
    assert re.match(r"1 servers: hog \(1\); 100 % idle in transaction; queries: [0-9a-f]{16} \(1\)", row["holders"])


@pytest.mark.parametrize("at_login", [True, False])
def test_who_waits_for_a_server_that_is_not_there_is_told_so(pooler, at_login):
    dead = f"host=127.0.0.1 port={servers.free_port()} dbname=p0"
    proxy = pooler(databases={"p0": dead if at_login else ""}, pool_mode="transaction", query_wait_timeout=2)
    with pytest.raises(psycopg.Error) as error:
        with proxy.connect() as client:
            client.execute("select 1")
            proxy.databases["p0"] = dead
            proxy.write_ini()
            proxy.command("RELOAD")
            client.execute("select 2")
    assert "query_wait_timeout" in str(error.value)
    assert "DETAIL:  the last logins to the server failed: connect failed (server_login_retry)." in str(error.value)
    row = next(row for row in proxy.command("SHOW WAITS") if row["reason"] == "login_retry")
    assert (row["given_up"], row["waiting_now"]) == ("1", "0") and float(row["max_wait_ms"]) >= 2000


def test_who_waits_at_login_for_a_limit_is_told_who_has_the_servers(pooler):
    proxy = pooler(pool_mode="transaction", max_db_connections=1, query_wait_timeout=2)
    with proxy.connect(application_name="hog") as hog:
        hog.execute("begin")
        hog.execute("select 1")
        with pytest.raises(psycopg.Error) as error:
            proxy.connect(user="alice")
        hog.execute("rollback")
    assert "DETAIL:  max_db_connections 1 of p0 is reached; 1 servers are held by hog (1), 1 of them idle in transaction" in str(error.value)


# --- advice

def test_advice_follows_littles_law(pooler):
    proxy = pooler(pool_mode="transaction", default_pool_size=2, stats_period=3)
    stop = time.monotonic() + 8

    def load():
        with proxy.connect() as client:
            while time.monotonic() < stop:
                client.execute("select pg_sleep(0.3)")

    def dawdle():
        with proxy.connect(dbname="p2") as client:
            while time.monotonic() < stop:
                for words in ("begin", "select 1"):
                    client.execute(words)
                    time.sleep(0.2)
                client.execute("commit")
                time.sleep(0.1)
    threads = in_background(*[load for _ in range(6)], dawdle)
    time.sleep(7)
    with proxy.connect(application_name="holder", dbname="p1") as holder:
        holder.execute("begin")
        holder.execute("select 1")
        time.sleep(0.3)
        rows = proxy.command("SHOW ADVICE")
    for thread in threads:
        thread.join()
    size = next(row for row in rows if row["topic"] == "pool_size" and row["database"] == "p0")
    busy, wanted = re.search(r"= ([\d.]+) servers busy; / 0.7 = (\d+)", size["figures"]).groups()
    busy = float(busy)
    assert busy == pytest.approx(2, rel=0.1)                    # both servers work all the time
    # A transaction counts where it ends: one more or less in 3 s, and 2.1 servers busy are 3 wanted, 2.11 are 4.
    assert wanted in ("3", "4") and int(wanted) == pytest.approx(busy / 0.7 + 0.5, abs=0.52)
    assert size["advice"] == f"raise pool_size to {wanted}, or make transactions shorter"
    assert "pool_size 2" in size["figures"]
    waits = {row["advice"]: row["figures"] for row in rows if row["topic"] == "waits" and row["database"] == "p0"}
    assert "pool_size binds" in waits and int(waits["pool_size binds"].split()[0]) > 10
    idle = {row["database"]: row for row in rows if row["topic"] == "idle in transaction" and "transactions there" not in row["advice"]}
    held = next(row for row in rows if row["advice"].startswith("holder holds servers"))
    assert held["database"] == "p1" and held["topic"] == "idle in transaction"
    assert set(idle) == {"p2"}
    all_s, share = re.match(r"[\d.]+ s of ([\d.]+) s in transactions \((\d+) %\)", idle["p2"]["figures"]).groups()
    assert int(share) > 80 and float(all_s) == pytest.approx(3 * 0.8, abs=0.9)
    check = next(row for row in rows if row["topic"] == "cross-check" and row["database"] == "p0")
    assert check["figures"].startswith("workers x threads = 6 client connections; x 2 + 10 % overhead = 14; pool_size 2, 2 servers open")
    assert check["advice"].startswith("pool_size is below what the clients of now could ever keep busy")
    assert re.search(r"\d+ waits \([\d.]+ % of transactions\) with p50 [\d.]+ ms, p95 [\d.]+ ms, p99 [\d.]+ ms", size["figures"])
    assert any(row["topic"] == "max_client_conn" and "x 2 + 10 %" in row["figures"] for row in rows)


# --- history

def test_windows_keep_what_each_class_did_in_each(pooler):
    proxy, site = with_site(pooler, query_window=2)
    with proxy.connect() as client:
        for _ in range(4):
            for _ in range(5):
                client.execute("select pg_sleep(0.01)")
            time.sleep(2)
    rows = {row["query"]: row for row in proxy.command("SHOW QUERIES")}
    row = rows["select pg_sleep($1)"]
    windows = site.json("/api/query/" + row["queryid"])["entries"][0]["windows"]
    assert len(windows) >= 3 and sum(window["calls"] for window in windows) == 20
    assert sum(window["server_ms"] for window in windows) == pytest.approx(float(row["server_ms"]), rel=0.01)
    assert all(later["from"] > earlier["from"] for earlier, later in zip(windows, windows[1:]))
    told = [line["value"] for line in proxy.command(f"SHOW QUERY {row['queryid']}") if line["name"].startswith("window to")]
    assert len(told) >= 3 and sum(int(re.match(r"calls (\d+),", line)[1]) for line in told) == 20
    proxy.command("RESET QUERIES")
    assert site.status("/api/query/" + row["queryid"]) == 404


# --- the log of statements

def test_a_share_of_quicker_statements_is_logged(pooler):
    proxy = pooler(log_min_duration_statement=200, log_min_duration_sample=0, log_statement_sample_rate=0.3)
    with proxy.connect() as client:
        for _ in range(400):
            client.execute("select 'sampled'")
        client.execute("select pg_sleep(0.25)")
    assert 60 < proxy.log().count("statement: select 'sampled'") + proxy.log().count("execute <unnamed>: select 'sampled'") < 180
    proxy.log_has(r"duration: \d{3,}\.\d+ ms .*pg_sleep")


def test_json_lines_are_json_with_the_statements_parts_and_tags(pooler):
    proxy = pooler(log_format="json", log_min_duration_statement=0)
    with proxy.connect(application_name='shop "1"') as client:
        client.execute("select 1,\n 'a\"b' /*controller='cart',traceparent='00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01'*/")
        with pytest.raises(psycopg.Error):
            client.execute("select 1 / 0")
    lines = [json.loads(line) for line in proxy.log().splitlines()]
    assert any(line["message"].startswith("process up") for line in lines)
    assert all(line["time"].endswith("Z") and line["level"] in ("LOG", "WARNING", "ERROR") for line in lines)
    statements = [line for line in lines if "statement" in line]
    assert statements[0]["statement"].startswith("select 1,\n") and statements[0]["application_name"] == 'shop "1"'
    assert statements[0]["tags"] == {"controller": "cart", "traceparent": "00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01"}
    assert statements[0]["duration_ms"] >= statements[0]["server_ms"] >= 0 and statements[0]["rows"] == 1
    assert statements[1]["sqlstate"] == "22012"
    assert {"queue_ms", "state_ms", "stream_ms", "client_ms", "bytes_in", "bytes_out", "server", "queryid"} <= set(statements[0])


def test_pgbadger_reads_the_log_and_counts_as_we_do(pooler, tmp_path):
    if not shutil.which("pgbadger"):
        pytest.skip("pgbadger (Debian package pgbadger) is not installed")
    proxy = pooler(log_format="postgres", log_min_duration_statement=0, log_parameter_max_length=-1, pool_mode="transaction")
    with proxy.connect(application_name="shop") as client:
        for i in range(25):
            client.execute(f"select {i} as quick")
        for _ in range(3):
            client.execute("select pg_sleep(0.05),\n 1")
        for i in range(7):
            client.execute("select %s::int as bound", (i,))
    (tmp_path / "log").write_text(proxy.log())
    subprocess.run(["pgbadger", "-q", "-f", "stderr", "-p", "%m [%p]: user=%u,db=%d,app=%a,client=%h ", "-x", "json",
                    "-o", tmp_path / "report.json", tmp_path / "log"], check=True, capture_output=True)
    report = json.loads((tmp_path / "report.json").read_text())
    counts = {text: entry["count"] for text, entry in report["normalyzed_info"]["postgres"].items()}
    ours = {row["query"]: int(row["calls"]) for row in proxy.command("SHOW QUERIES")}
    assert sorted(counts.values()) == sorted(ours.values()) == [3, 7, 25]
    assert report["database_info"]["postgres"]["p0"]["count"] == 35
    assert proxy.log().count("DETAIL:  parameters: $1 = '") == 7
