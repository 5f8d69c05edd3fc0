"""A real Prometheus (Debian package prometheus) scrapes us, with a password and over TLS."""
import json
import shutil
import subprocess
import urllib.parse
import urllib.request

import certificates
import pytest
import servers
from web import Site, wait_for_site
from wire import eventually

pytestmark = pytest.mark.skipif(servers.IS_PGBOUNCER, reason="PgBouncer serves no HTTP")
needs_prometheus = pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus (Debian package) is not installed")

@pytest.fixture
def authority():
    return certificates.Authority()


def secured(pooler, authority, **settings):
    """A pooler whose page is served over TLS only, and asks for a password."""
    port = servers.free_port()
    certificate, key = authority.issue("localhost", "DNS:localhost,IP:127.0.0.1")
    proxy = pooler(metrics_listen=f"127.0.0.1:{port}", metrics_password="s3cret", metrics_tls_cert_file=certificate,
                   metrics_tls_key_file=key, **settings)
    wait_for_site(port)
    return proxy, Site(port, "s3cret", str(authority.file))


def test_the_page_over_tls(pooler, authority):
    proxy, site = secured(pooler, authority)
    proxy.log_has(rf"metrics and page on https://127\.0\.0\.1:{site.port}/ \(with a password\)")
    assert site.metrics().value("pgbouncer_up") == 1
    assert site.sign_in() == 200
    assert "; Secure" in site.ask("/api/session", "POST", {"user": "admin", "password": "adminpass"})[0].getheader("Set-Cookie")
    with pytest.raises((OSError, ValueError, Exception)) as refused:
        Site(site.port, "s3cret").status("/healthz")       # without TLS
    assert "403" not in str(refused.value)
    # A reload takes a new certificate; one that is no good leaves the old one in force.
    other = certificates.Authority("another CA")
    proxy.settings["metrics_tls_cert_file"], proxy.settings["metrics_tls_key_file"] = other.issue("localhost", "IP:127.0.0.1")
    proxy.write_ini()
    proxy.command("RELOAD")
    renewed = Site(site.port, "s3cret", str(other.file))

    def trusted(one):
        try:
            return one.status("/healthz") == 200
        except OSError:
            return False
    assert eventually(lambda: trusted(renewed)) and not trusted(site)
    proxy.settings["metrics_tls_cert_file"] = proxy.folder / "pooler.ini"
    proxy.write_ini()
    proxy.command("RELOAD")
    proxy.log_has("ERROR metrics_tls_cert_file, metrics_tls_key_file: cannot use the certificate in ")
    assert trusted(renewed)


def test_half_of_the_tls_settings_is_a_mistake(pooler):
    proxy = pooler(start=False, metrics_listen="127.0.0.1:9127", metrics_tls_cert_file="/nowhere/cert")
    proxy.expected_end = True
    proxy.start(wait=False)
    assert proxy.process.wait(10) != 0
    assert "metrics_tls_cert_file and metrics_tls_key_file must be set together" in proxy.log() + proxy.output()


@needs_prometheus
def test_prometheus_scrapes_us(pooler, authority):
    proxy, site = secured(pooler, authority, pool_mode="transaction")
    with proxy.connect(application_name='a "quoted" \\ name') as client:
        for _ in range(7):
            client.execute("select pg_sleep(0.01)")
    folder, port = proxy.folder, servers.free_port()
    (folder / "prometheus.yml").write_text(json.dumps({     # JSON is YAML
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "pgweir", "scheme": "https", "static_configs": [{"targets": [f"127.0.0.1:{site.port}"]}],
                            "tls_config": {"ca_file": str(authority.file)}, "basic_auth": {"username": "x", "password": "s3cret"}}]}))
    process = subprocess.Popen(["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
                                f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)

    def ask(path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=5) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    def value(expression):
        data = ask("query?" + urllib.parse.urlencode({"query": expression}))
        return float(data["result"][0]["value"][1]) if data and data["result"] else None
    try:
        assert eventually(lambda: value("up") == 1, 30), ask("targets")
        assert value('pgweir_query_seconds_count{database="p0"}') == 7
        assert value('pgbouncer_stats_totals_queries_pooled_total{database="p0"}') == 7
        assert 0.005 < value('histogram_quantile(0.5, pgweir_query_seconds_bucket{database="p0"})') < 0.1
        assert ask("targets")["activeTargets"][0]["lastError"] == ""
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_tls_handshakes_are_timed(pooler, authority):
    proxy, site = secured(pooler, authority, **certificates.server_settings(authority))
    for _ in range(3):
        proxy.connect(sslmode="require").close()
    metrics = site.metrics()
    assert metrics.types["pgweir_tls_handshake_seconds"] == "histogram"
    assert metrics.value("pgweir_tls_handshake_seconds_count", side="client") == 3
    assert 0 < metrics.value("pgweir_tls_handshake_seconds_sum", side="client") < 5
    assert metrics.value("pgweir_tls_handshake_seconds_count", side="server") == 0
