"""metrics_listen: what Prometheus reads, who may read it, and that nobody can hurt the pooler by it."""
import shutil
import socket
import subprocess
import threading
import time

import psycopg
import pytest
import servers
from web import Site, wait_for_site, with_site
from wire import eventually

pytestmark = pytest.mark.skipif(servers.IS_PGBOUNCER, reason="PgBouncer serves no HTTP")

# Every name that prometheus-community/pgbouncer_exporter gives for the console of PgBouncer 1.24 and later.
EXPORTER = {
    "pgbouncer_databases_": "pool_size reserve_pool max_connections current_connections paused disabled",
    "pgbouncer_stats_totals_": "queries_pooled_total queries_duration_seconds_total received_bytes_total queries_total "
                               "sent_bytes_total client_wait_seconds_total sql_transactions_pooled_total "
                               "server_in_transaction_seconds_total client_parses_total server_parses_total binds_total "
                               "server_assignments_total",
    "pgbouncer_pools_": "client_active_connections client_waiting_connections client_active_cancel_connections "
                        "client_waiting_cancel_connections server_active_connections server_idle_connections "
                        "server_used_connections server_testing_connections server_login_connections "
                        "server_active_cancel_connections server_being_canceled_connections client_maxwait_seconds",
    "pgbouncer_": "databases users pools free_clients used_clients login_clients free_servers used_servers cached_dns_names "
                  "cached_dns_zones in_flight_dns_queries config_max_client_connections config_max_user_connections "
                  "client_connections version_info up",
}


def test_the_exporters_names_and_types_are_there(pooler):
    proxy, site = with_site(pooler)
    with proxy.connect() as client:
        client.execute("select 1")
        metrics = site.metrics()
    expected = {prefix + name for prefix, names in EXPORTER.items() for name in names.split()}
    assert expected - metrics.names() == set()
    for name in expected:
        assert metrics.types[name] == ("counter" if name.endswith("_total") else "gauge"), name
    assert metrics.value("pgbouncer_up") == 1


def test_the_exporters_values_are_those_of_the_console(pooler):
    proxy, site = with_site(pooler, pool_mode="transaction", default_pool_size=7)
    with proxy.connect(application_name="shop") as client:
        for _ in range(10):
            client.execute("select pg_sleep(0.01)")
        metrics = site.metrics()
        stats = next(row for row in proxy.command("SHOW STATS_TOTALS") if row["database"] == "p0")
    p0 = {"database": "p0"}
    assert metrics.value("pgbouncer_stats_totals_queries_pooled_total", **p0) == 10 == int(stats["query_count"])
    assert metrics.value("pgbouncer_stats_totals_sql_transactions_pooled_total", **p0) == 10
    seconds = metrics.value("pgbouncer_stats_totals_queries_duration_seconds_total", **p0)
    assert seconds == pytest.approx(int(stats["query_time"]) / 1e6) and seconds > 0.1
    assert metrics.value("pgbouncer_databases_pool_size", name="p0") == 7
    assert metrics.value("pgbouncer_pools_client_active_connections", user="bouncer", **p0) == 1
    assert metrics.value("pgbouncer_client_connections", application_name="shop", user="bouncer", state="idle", **p0) == 1
    assert metrics.value("pgbouncer_config_max_client_connections") == 1000


def test_histograms_of_query_queue_and_transaction_time(pooler):
    proxy, site = with_site(pooler, pool_mode="transaction", default_pool_size=1)

    def sleeper():
        with proxy.connect() as client:
            client.execute("select pg_sleep(0.3)")
    begun = time.monotonic()
    with proxy.connect() as holder:
        holder.execute("begin")
        threads = [threading.Thread(target=sleeper) for _ in range(3)]
        for thread in threads:
            thread.start()
        eventually(lambda: proxy.pool()["cl_waiting"] == 3)
        time.sleep(0.3)
        holder.execute("commit")
    for thread in threads:
        thread.join()
    wall = time.monotonic() - begun
    metrics, pool = site.metrics(), {"database": "p0", "user": "bouncer"}
    assert metrics.types["pgweir_query_seconds"] == "histogram"
    assert metrics.value("pgweir_query_seconds_count", **pool) == 5
    assert metrics.value("pgweir_query_seconds_bucket", le="+Inf", **pool) == 5
    # The holder's two, and the sleepers' three of 0.3 s and more.
    assert metrics.value("pgweir_query_seconds_bucket", le="0.25", **pool) == 2
    assert 0.9 <= metrics.value("pgweir_query_seconds_sum", **pool) <= wall
    # All wait for the holder, the 2nd another 0.3 s, the 3rd 0.6 s.
    assert 3 * 0.3 + 0.9 <= metrics.value("pgweir_queue_seconds_sum", **pool) <= 3 * wall
    assert metrics.value("pgweir_waits_total", reason="pool_size", **pool) == 3
    assert metrics.value("pgweir_transaction_seconds_count", **pool) == 4
    assert metrics.value("pgweir_pool_size", **pool) == 1


def test_errors_closes_and_logins_are_counted(pooler):
    proxy, site = with_site(pooler, auth_type="scram-sha-256")
    with proxy.connect() as client:
        for _ in range(3):
            with pytest.raises(psycopg.Error):
                client.execute("select 1 / 0")
    with pytest.raises(psycopg.Error):
        proxy.connect(user="bouncer", password="wrong")
    assert eventually(lambda: site.metrics().values("pgweir_closed_connections_total", side="client", reason="client_close_request"))
    metrics = site.metrics()
    assert metrics.value("pgweir_errors_total", sqlstate="22012") == 3
    assert metrics.value("pgweir_errors_total", sqlstate="28P01") == 1
    assert metrics.value("pgweir_client_logins_failed_total") == 1
    assert metrics.value("pgweir_closed_connections_total", side="client", reason="sasl_failed") == 1
    assert metrics.value("pgweir_client_login_seconds_count") >= 1
    closes = site.json("/api/closes")
    assert {"sasl_failed", "client_close_request"} <= {row["reason"] for row in closes["rows"]}


def test_the_first_statements_stand_in_the_metrics_and_their_number_is_bounded(pooler):
    proxy, site = with_site(pooler, metrics_queries=5)
    with proxy.connect() as client:
        for i in range(30):
            client.execute(f"select {i} as c{i}")
        begun = time.monotonic()
        for _ in range(4):
            client.execute("select pg_sleep(0.05)")
        wall = time.monotonic() - begun
    metrics = site.metrics()
    assert len(metrics.values("pgweir_statement_calls_total")) == 5
    slow = {"query": "select pg_sleep($1)", "database": "p0", "user": "bouncer"}
    assert metrics.value("pgweir_statement_calls_total", **slow) == 4
    id_of = next(has["queryid"] for name, has, _ in metrics.samples if has.get("query") == "select pg_sleep($1)")
    assert 0.2 <= metrics.value("pgweir_statement_seconds_total", queryid=id_of, part="server") <= wall


def test_promtool_has_no_objection(pooler):
    if not shutil.which("promtool"):
        pytest.skip("promtool (Debian package prometheus) is not installed")
    proxy, site = with_site(pooler)
    with proxy.connect(application_name='a "quoted" \\ name') as client:
        client.execute("select 1")
        text = site.text("/metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
    lint = [line for line in done.stderr.splitlines()
            # Names that the exporter gives, and that dashboards know.
            if not line.startswith("pgbouncer_")]
    assert (lint, "error while linting" in done.stderr) == ([], False), done.stderr


def test_a_password_where_one_is_set(pooler):
    proxy, site = with_site(pooler, password="s3cret")
    assert site.status("/metrics") == 200 and site.status("/") == 200
    stranger = Site(site.port)
    answer, _ = stranger.ask("/metrics")
    assert answer.status == 401 and answer.getheader("WWW-Authenticate").startswith("Basic")
    assert stranger.status("/api/overview") == 401
    assert Site(site.port, "wrong").status("/metrics") == 401
    assert stranger.status("/healthz") == 200 and stranger.status("/readyz") == 200
    assert {row["key"]: row["value"] for row in proxy.command("SHOW CONFIG")}["metrics_password"] == "***"


def test_ready_is_told_from_healthy(pooler):
    proxy, site = with_site(pooler)
    assert (site.status("/healthz"), site.status("/readyz")) == (200, 200)
    proxy.command("PAUSE")
    assert (site.status("/healthz"), site.status("/readyz")) == (200, 503)
    proxy.command("RESUME")
    assert site.status("/readyz") == 200


def test_a_reload_listens_elsewhere_and_a_taken_port_is_no_disaster(pooler):
    proxy, site = with_site(pooler)
    other = servers.free_port()
    proxy.settings["metrics_listen"] = f"127.0.0.1:{other}"
    proxy.write_ini()
    proxy.command("RELOAD")
    assert wait_for_site(other).status("/healthz") == 200
    with pytest.raises(OSError):
        site.status("/healthz")
    del proxy.settings["metrics_listen"]
    proxy.write_ini()
    proxy.command("RELOAD")
    assert eventually(lambda: "metrics_listen: off" in proxy.log())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        proxy.settings["metrics_listen"] = "127.0.0.1:%d" % taken.getsockname()[1]
        proxy.write_ini()
        proxy.command("RELOAD")
        assert eventually(lambda: "cannot listen on metrics_listen" in proxy.log())
    with proxy.connect() as client:
        assert client.execute("select 1").fetchone() == (1,)


def test_silent_large_and_malformed_clients_are_got_rid_of(pooler):
    proxy, site = with_site(pooler)

    def raw(data):
        with socket.create_connection(("127.0.0.1", site.port), 15) as sock:
            sock.settimeout(15)
            sock.sendall(data)
            try:
                return sock.recv(65536).decode()
            except ConnectionResetError:
                return ""
    assert " 400 " in raw(b"nonsense\r\n\r\n")
    assert " 431 " in raw(b"GET / HTTP/1.1\r\nHost: a\r\nX-Big: " + b"x" * 20000 + b"\r\n\r\n")
    assert " 413 " in raw(b"POST /api/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                          b"Content-Length: 100000\r\n\r\n" + b"x" * 20000)
    # More silent connections than there are places: whoever asks something is still answered.
    silent = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(200)]
    try:
        assert site.status("/healthz") == 200
        drip = socket.create_connection(("127.0.0.1", site.port))
        silent.append(drip)
        began = time.monotonic()
        drip.settimeout(20)
        drip.sendall(b"GET / HT")
        assert drip.recv(100) == b""
        assert time.monotonic() - began < 15
    finally:
        for sock in silent:
            sock.close()
    assert site.metrics().value("pgbouncer_up") == 1


@pytest.mark.parametrize("place", ["9127", "127.0.0.1", "127.0.0.1:0", "::1:9127", "a b:9127", "127.0.0.1:99999"])
def test_a_place_that_is_none_is_a_mistake_in_the_file(pooler, place):
    proxy = pooler(start=False, metrics_listen=place)
    proxy.expected_end = True
    proxy.start(wait=False)
    assert proxy.process.wait(10) != 0
    assert "is not host:port" in proxy.log() + (proxy.folder / "stderr").read_text()
