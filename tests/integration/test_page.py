"""The page of metrics_listen: its JSON, who may order what, and the page itself in headless Chromium."""
import re
import threading
import time
from contextlib import ExitStack

import psycopg
import pytest
import servers
from browser import PROGRAM, Browser
from web import Site, with_site
from wire import eventually

pytestmark = pytest.mark.skipif(servers.IS_PGBOUNCER, reason="PgBouncer has no page")
drives = pytest.mark.skipif(not PROGRAM, reason="chromium (Debian package chromium) is not installed")


def in_background(*tasks):
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    return threads


def sleeper(proxy, seconds, over):
    """Sleeps on a server, again and again, until it is over."""
    def run():
        with proxy.connect() as client:
            while not over.is_set():
                client.execute(f"select pg_sleep({seconds})")
    return run


def paused(proxy, database="p0"):
    return next(row["paused"] for row in proxy.command("SHOW DATABASES") if row["name"] == database) == "1"


def test_the_page_is_one_document_that_asks_nobody_else(pooler):
    _, site = with_site(pooler)
    answer, text = site.ask("/")
    assert answer.status == 200 and answer.getheader("Content-Type").startswith("text/html")
    policy = answer.getheader("Content-Security-Policy")
    nonce = re.search(r"'nonce-([0-9a-f]+)'", policy)[1]
    assert "default-src 'none'" in policy and "connect-src 'self'" in policy and "unsafe" not in policy
    assert f'<script nonce="{nonce}">' in text and "{{nonce}}" not in text
    assert re.search(r"'nonce-([0-9a-f]+)'", site.ask("/")[0].getheader("Content-Security-Policy"))[1] != nonce
    outside = set(re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]+", text)) - {"http://www.w3.org"}
    assert outside == set()


def test_json_of_pools_queries_and_one_query(pooler):
    proxy, site = with_site(pooler, pool_mode="transaction", default_pool_size=4)
    with proxy.connect() as client:
        for i in range(20):
            client.execute(f"select {i}")
        begun = time.monotonic()
        client.execute("select pg_sleep(0.2)")
        wall_ms = (time.monotonic() - begun) * 1000
        time.sleep(0.6)     # what pages ask for all the time is shared for half a second
        overview = site.json("/api/overview")
    pool = next(row for row in overview["pools"] if row["database"] == "p0")
    assert (pool["pool_size"], pool["cl_active"], pool["paused"]) == (4, 1, False)
    rows = site.json("/api/show/queries?by=calls&limit=1")["rows"]
    assert [(row["query"], row["calls"]) for row in rows] == [("select $1", 20)]
    slow = site.json("/api/show/queries?by=max&limit=5")["rows"][0]
    entry = site.json("/api/query/" + slow["queryid"])["entries"][0]
    assert entry["query"] == "select pg_sleep($1)" and 200 <= entry["parts"]["server"]["total_ms"] <= wall_ms
    assert sum(bucket[2] for bucket in entry["histogram"]) == 1
    assert site.status("/api/query/0000000000000000") == 404
    assert site.status("/api/query/x") == 400
    assert site.status("/api/show/queries?by=beauty") == 400
    assert site.status("/api/show/clients") == 404     # grows with the number of clients
    assert site.status("/nowhere") == 404


def test_the_last_minutes_are_told_as_rates(pooler):
    proxy, site = with_site(pooler)
    calls = []
    with proxy.connect() as client:
        until = time.monotonic() + 6
        while time.monotonic() < until:
            client.execute("select 1")
            calls.append(time.time() * 1000)
        points = site.json("/api/history?seconds=60")["points"]
    assert len(points) >= 2
    told = sum(point["queries"] * (point["at"] - before["at"]) / 1000 for before, point in zip(points, points[1:]))
    assert told == pytest.approx(sum(points[0]["at"] < at <= points[-1]["at"] for at in calls), rel=0.3)
    assert 0 < points[-1]["p50_ms"] <= points[-1]["p99_ms"]


def test_only_an_administrator_orders_and_only_from_the_page(pooler):
    proxy, site = with_site(pooler)
    assert site.command("PAUSE", "p0") == 401
    assert site.sign_in("stats", "statspass") == 403            # no administrator
    assert site.sign_in("admin", "wrong") == 403
    assert site.sign_in("nobody", "") == 403
    assert site.sign_in() == 200
    assert site.json("/api/session")["user"] == "admin"
    assert site.command("PAUSE", "p0", **{"X-CSRF-Token": ""}) == 403
    assert site.command("PAUSE", "p0", Origin="http://evil.example") == 403
    assert site.command("PAUSE", "p0", **{"Content-Type": "text/plain"}) == 403
    assert site.status("/api/command") == 405
    assert not paused(proxy)
    assert site.command("PAUSE", "p0") == 200
    assert paused(proxy)
    assert site.json("/api/overview")["paused"] is False        # one database, not all
    assert site.command("RESUME", "p0") == 200 and not paused(proxy)
    assert site.command("RECONNECT", "p0") == 200
    assert site.command("PAUSE", "no such") == 400 and site.command("PAUSE", "pgbouncer") == 400
    assert site.command("SHUTDOWN", "p0") == 400
    assert "PAUSE 'p0' command issued by admin on the page" in proxy.log()
    assert site.ask("/api/session", "DELETE", {})[0].status == 200
    assert site.command("PAUSE", "p0") == 401


def test_kill_closes_the_clients(pooler):
    proxy, site = with_site(pooler)
    client = proxy.connect()
    client.execute("select 1")
    assert site.sign_in() == 200 and site.command("KILL", "p0") == 200
    with pytest.raises(psycopg.Error):
        client.execute("select 1")
    assert site.command("RESUME", "p0") == 200


def test_an_administrator_who_is_none_any_more_orders_nothing(pooler):
    proxy, site = with_site(pooler)
    assert site.sign_in() == 200
    proxy.settings["admin_users"] = "bouncer"
    proxy.write_ini()
    proxy.signal(1)
    assert eventually(lambda: site.command("PAUSE", "p0") == 401)


# --- in a browser

@pytest.mark.timeout(120)
@drives
def test_the_page_shows_sorts_opens_a_query_and_a_wait(pooler):
    proxy, site = with_site(pooler, pool_mode="transaction", default_pool_size=1, log_min_duration_statement=100)
    with proxy.connect() as client:
        for i in range(30):
            client.execute(f"select {i} as often")
        client.execute("select pg_sleep(0.3)")
    seen = threading.Event()
    threads = in_background(*[sleeper(proxy, 2, seen) for _ in range(3)])
    with ExitStack() as end:
        end.callback(seen.set)
        browser = end.enter_context(Browser())
        browser.go(f"http://127.0.0.1:{site.port}/")
        browser.until("document.querySelector('#state')?.textContent.startsWith('live')")
        browser.until("document.querySelector('#table-pools')?.textContent.includes('p0')")
        browser.until("Number(document.querySelectorAll('#table-pools tbody td')[9]?.textContent) > 0")      # waiting
        browser.click("#tab-waits")
        browser.until("document.querySelector('#table-waits')?.textContent.includes('pool_size')")
        browser.click("#tab-activity")
        browser.until("document.querySelector('#table-activity')?.textContent.includes('pg_sleep')")
        browser.click("#tab-queries")
        first = "document.querySelector('#table-queries tbody tr td').textContent"
        browser.until(f"document.querySelector('#table-queries') && {first} == 'select pg_sleep($1)'")
        browser.click("#table-queries th[data-key=calls]")
        browser.until(f"{first} == 'select $1 as often'")
        browser.click("#table-queries tbody tr")
        browser.until("document.querySelector('#detail').open && document.querySelectorAll('#histogram rect').length > 0")
        assert "select $1 as often" in browser.run("document.querySelector('#detail').textContent")
        browser.click("#detail-close")
        browser.click("#tab-slow")
        browser.until("document.querySelector('#table-slow')?.textContent.includes('pg_sleep')")
        seen.set()
        for thread in threads:
            thread.join()
        browser.click("#tab-closes")
        browser.until("document.querySelector('#table-closes')?.textContent.includes('client close request')")
        browser.resize(390, 844, mobile=True)
        assert browser.run("document.documentElement.scrollWidth") <= 390
        assert browser.errors == []


@pytest.mark.timeout(120)
@drives
def test_an_administrator_pauses_a_pool_on_the_page(pooler):
    proxy, site = with_site(pooler)
    with proxy.connect() as client, Browser() as browser:
        client.execute("select 1")
        browser.go(f"http://127.0.0.1:{site.port}/")
        browser.until("document.querySelector('#table-pools')?.textContent.includes('p0')")
        assert browser.run("document.querySelectorAll('.acts button').length") == 0
        browser.click("#sign")
        browser.run("document.querySelector('#user').value = 'admin'; document.querySelector('#password').value = 'adminpass'")
        browser.click("#login-go")
        browser.until("document.querySelectorAll('.acts button').length > 0")
        assert browser.run("document.querySelector('.acts button').textContent") == "PAUSE"
        browser.click(".acts button")
        assert eventually(lambda: paused(proxy))
        browser.until("document.querySelector('.acts').textContent.includes('paused')")
        assert browser.run("document.querySelector('.acts button').textContent") == "RESUME"
        browser.click(".acts button")
        assert eventually(lambda: not paused(proxy))
        assert browser.errors == []
