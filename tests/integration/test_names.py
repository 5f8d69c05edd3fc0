"""Names and hosts: DNS with its times, names that move, several hosts per database, the fallback entry, connect_query."""
import shutil
import socket
import threading

import pytest
from dns import AAAA, SOA, DnsServer
from servers import new_folder
from wire import PgError, errors, eventually, msg, query, send_cancel

ours = pytest.mark.ours


@pytest.fixture
def dns():
    server = DnsServer()
    yield server
    server.close()


@pytest.fixture
def named(pooler, cluster, dns, request):
    """A pooler whose databases are met by name: named(databases, **settings)."""
    folder = new_folder("pgdns")
    request.addfinalizer(lambda: shutil.rmtree(folder))

    def make(databases=None, **settings):
        return pooler(databases=databases or {"p0": f"host=db.test port={cluster.port}"},
                      resolv_conf=dns.resolv_conf(folder), **settings)

    return make


def hosts(p):
    return {row["hostname"]: row for row in p.command("show dns_hosts")}


def addresses_of(p, host="db.test"):
    """Without ports."""
    return {one.rsplit(":", 1)[0] for one in (hosts(p)[host]["addrs"] or "").split(",") if one}


def server_rows(p):
    return p.command("show servers")


class Relay:
    """Passes connections to `address` on to `target`; those it has stay when it closes."""

    def __init__(self, address, target):
        self.target, self.listener = target, socket.create_server(address)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)     # wakes accept()
        except OSError:
            pass
        self.thread.join()
        self.listener.close()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=pair, daemon=True).start()

    @staticmethod
    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


# --- DNS

def test_a_name_is_looked_up_with_the_name_servers_of_resolv_conf(named, dns):
    dns.names["db.test"] = (300, ["127.0.0.1"])
    p = named()
    with p.wire() as conn:
        assert conn.value("select 1") == "1"
    row = hosts(p)["db.test"]
    assert 0 < int(row["ttl"]) <= 15
    assert addresses_of(p) == {"127.0.0.1"}
    assert {row["list"]: int(row["items"]) for row in p.command("show lists")}["dns_names"] == 1
    with p.console() as console:
        assert console.ask("show dns_hosts")[0].columns() == [("hostname", 25), ("ttl", 20), ("addrs", 25)]


@ours
def test_the_ttl_counts_where_it_is_shorter_than_dns_max_ttl(named, dns):
    dns.names["db.test"] = (2, ["127.0.0.1"])
    p = named(dns_max_ttl=60)
    with p.wire() as conn:
        conn.value("select 1")
        assert 0 <= int(hosts(p)["db.test"]["ttl"]) <= 2
        # Whoever is connected to a name hears when it moves: it is asked for again when its time is over.
        eventually(lambda: dns.asked("db.test") >= 2, 10)


def test_an_answer_is_kept_for_dns_max_ttl(named, dns):
    dns.names["db.test"] = (300, ["127.0.0.1"])
    p = named(dns_max_ttl=100, default_pool_size=5, server_lifetime=0)
    for _ in range(4):
        with p.wire() as conn:
            conn.value("select 1")
    assert dns.asked("db.test") == 1


def test_a_name_that_does_not_exist_is_not_asked_for_again_at_once(named, dns):
    p = named(dns_nxdomain_ttl=100, query_wait_timeout=1, server_login_retry="0.1")
    for _ in range(2):
        with pytest.raises(PgError):
            p.wire()
    p.log_has("server DNS lookup failed")
    assert dns.asked("db.test") == 1


@ours
def test_a_name_that_appears_is_found_when_dns_nxdomain_ttl_is_over(named, dns):
    p = named(dns_nxdomain_ttl=1, server_login_retry="0.2")
    with pytest.raises(TimeoutError):
        p.wire(timeout=1)
    dns.names["db.test"] = (300, ["127.0.0.1"])
    with p.wire() as conn:
        assert conn.value("select 1") == "1"


@ours
def test_a_name_that_moves_takes_its_servers_along(named, dns, cluster):
    """Idle servers at the old address are closed at once, those in use when they are released; nobody is disturbed."""
    dns.names["db.test"] = (1, ["127.0.0.1"])
    p = named(pool_mode="transaction", default_pool_size=2)
    with p.wire() as busy, p.wire() as idle:
        busy.value("begin; select 1")
        idle.value("select 1")
        assert {row["addr"] for row in server_rows(p)} == {"127.0.0.1"}
        dns.names["db.test"] = (1, ["127.0.0.2"])
        with Relay(("127.0.0.2", cluster.port), cluster.address):
            eventually(lambda: [row["close_needed"] for row in server_rows(p) if row["addr"] == "127.0.0.1"] == ["1"], 10)
            assert busy.value("select 2") == "2"
            busy.rows("commit")
            eventually(lambda: not [row for row in server_rows(p) if row["addr"] == "127.0.0.1"], 10)
            assert idle.value("select 3") == "3"
            assert {row["addr"] for row in server_rows(p)} == {"127.0.0.2"}
    p.log_has("db.test is not at 127.0.0.1 any more")


@ours
def test_where_no_name_server_answers_the_last_addresses_count(named, dns):
    dns.names["db.test"] = (1, ["127.0.0.1"])
    p = named(server_lifetime=0, dns_nxdomain_ttl=1)
    with p.wire() as conn:
        conn.value("select 1")
    dns.failing = True
    p.log_has("no answer from DNS for db.test", 15)
    with p.wire() as conn:
        assert conn.value("select 2") == "2"
    dns.failing, dns.silent = False, True
    with p.wire() as conn:
        assert conn.value("select 3") == "3"


def test_servers_spread_over_all_addresses_of_a_name(named, dns, cluster):
    dns.names["db.test"] = (300, ["127.0.0.1", "127.0.0.2"])
    with Relay(("127.0.0.2", cluster.port), cluster.address):
        p = named(pool_mode="session", default_pool_size=4)
        conns = [p.wire() for _ in range(4)]
        for conn in conns:
            conn.value("select 1")
        assert {row["addr"] for row in server_rows(p)} == {"127.0.0.1", "127.0.0.2"}
        for conn in conns:
            conn.close()


@ours
def test_a_cancel_goes_to_the_address_its_server_is_at(named, dns, cluster):
    """The name has two addresses; at the other one nobody would know the key."""
    dns.names["db.test"] = (300, ["127.0.0.1", "127.0.0.3"])
    p = named(pool_mode="session", server_connect_timeout=2)
    with p.wire() as conn:
        assert conn.value("select 1") == "1"
        for _ in range(3):
            conn.send(query("select pg_sleep(20)"))
            running = "select count(*) from pg_stat_activity where state = 'active' and query = 'select pg_sleep(20)'"
            eventually(lambda: cluster.value(running) == 1, 5)      # a cancel that comes earlier cancels nothing
            send_cancel(p.address, conn.key)
            assert [error["C"] for error in errors(conn.until())] == ["57014"]


@ours
def test_a_zone_with_a_new_serial_is_looked_up_again(named, dns):
    dns.names["db.test"], dns.serials["test"] = (300, ["127.0.0.1"]), 7
    p = named(dns_zone_check_period=1, dns_max_ttl=300)
    with p.wire() as conn:
        conn.value("select 1")
    eventually(lambda: [(row["zonename"], row["serial"], row["count"]) for row in p.command("show dns_zones")]
               == [("test", "7", "1")], 10)
    assert dns.asked("test", SOA) >= 1
    asked = dns.asked("db.test")
    dns.names["db.test"], dns.serials["test"] = (300, ["127.0.0.2"]), 8
    eventually(lambda: dns.asked("db.test") > asked, 10)
    eventually(lambda: addresses_of(p) == {"127.0.0.2"}, 10)


@ours
def test_both_families_of_a_name_are_used(named, dns):
    dns.names["db.test"] = (300, ["::1", "127.0.0.1"])
    p = named(pool_mode="session")
    with p.wire() as conn:                       # PostgreSQL listens on 127.0.0.1 only
        assert conn.value("select 1") == "1"
    assert dns.asked("db.test", AAAA) == 1
    assert addresses_of(p) == {"[::1]", "127.0.0.1"}


# --- several hosts

@pytest.fixture
def pair(cluster):
    """Two addresses of one PostgreSQL: the second goes through a relay that a test may end."""
    relay = Relay(("127.0.0.2", cluster.port), cluster.address)
    yield relay
    relay.close()


def where(p):
    return sorted(row["addr"] for row in server_rows(p))


@ours
def test_the_hosts_of_a_list_are_taken_in_turn(pooler, cluster, pair):
    p = pooler(databases={"p0": f"host=127.0.0.1,127.0.0.2 port={cluster.port}"}, pool_mode="session", workers=1)
    conns = [p.wire() for _ in range(4)]
    for conn in conns:
        conn.value("select 1")
    assert where(p) == ["127.0.0.1"] * 2 + ["127.0.0.2"] * 2
    pools, entries = p.command("show pools"), p.command("show databases")
    assert [row["load_balance_hosts"] for row in pools if row["database"] == "p0"] == ["round-robin"]
    assert [(row["host"], row["load_balance_hosts"]) for row in entries if row["name"] == "p0"] == [
        ("127.0.0.1,127.0.0.2", "round-robin")]
    for conn in conns:
        conn.close()


@ours
def test_load_balance_hosts_disable_stays_with_a_host_until_it_fails(pooler, cluster, pair):
    p = pooler(databases={"p0": f"host=127.0.0.2,127.0.0.1 port={cluster.port} load_balance_hosts=disable"},
               pool_mode="session")
    first = [p.wire() for _ in range(3)]
    for conn in first:
        conn.value("select 1")
    assert where(p) == ["127.0.0.2"] * 3
    pair.close()
    with p.wire() as conn:
        assert conn.value("select 1") == "1"
        assert "127.0.0.1" in where(p)
    for conn in first:
        conn.close()


@ours
@pytest.mark.parametrize("way", ["round-robin", "disable"])
def test_a_host_that_refuses_costs_no_client_its_login(pooler, cluster, way):
    """PgBouncer wants all hosts to be there at all times."""
    p = pooler(databases={"p0": f"host=127.0.0.2,127.0.0.1 port={cluster.port} load_balance_hosts={way}"},
               pool_mode="session", server_login_retry=15)
    conns = [p.wire(timeout=5) for _ in range(6)]
    for conn in conns:
        assert conn.value("select 1") == "1"
    assert where(p) == ["127.0.0.1"] * 6
    p.log_has("127.0.0.2: connect failed; trying the next host")
    for conn in conns:
        conn.close()


@ours
def test_a_host_that_says_nothing_is_left_after_server_connect_timeout(pooler, cluster):
    with socket.create_server(("127.0.0.2", cluster.port)):
        p = pooler(databases={"p0": f"host=127.0.0.2,127.0.0.1 port={cluster.port}"}, server_connect_timeout=1)
        with p.wire() as conn:
            assert conn.value("select 1") == "1"
    p.log_has("127.0.0.2: connect timeout; trying the next host")


@ours
def test_a_host_that_is_starting_up_is_passed_over(pooler, cluster):
    """57P03 is no answer to a login."""
    def refuse(listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.recv(1000)
            fields = b"SFATAL\0C57P03\0Mthe database system is starting up\0\0"
            sock.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
            sock.close()

    with socket.create_server(("127.0.0.2", cluster.port)) as listener:
        threading.Thread(target=refuse, args=(listener,), daemon=True).start()
        p = pooler(databases={"p0": f"host=127.0.0.2,127.0.0.1 port={cluster.port}"})
        with p.wire(timeout=5) as conn:
            assert conn.value("select 1") == "1"


# --- auto-databases, connect_query, server_login_retry

def test_a_name_that_only_the_fallback_knows_is_registered_once(pooler):
    p = pooler(databases={"*": ""})
    for _ in range(3):
        with p.wire("p3") as conn:
            assert conn.value("select current_database()") == "p3"
    p.log_has("registered new auto-database: p3")
    assert p.log().count("registered new auto-database: p3") == 1
    assert "p3" in {row["name"] for row in p.command("show databases")}


@ours
def test_autodb_idle_timeout_forgets_it(pooler):
    p = pooler(databases={"*": ""}, autodb_idle_timeout=1, server_idle_timeout=1)
    with p.wire("p3") as conn:
        conn.value("select 1")
    eventually(lambda: "p3" not in {row["name"] for row in p.command("show databases")}, 15)
    with p.wire("p3") as conn:
        assert conn.value("select current_database()") == "p3"


def test_connect_query_runs_once_on_each_server(pooler, cluster):
    p = pooler(databases={"p0": "connect_query='set work_mem = ''7777kB'''"}, pool_mode="transaction", default_pool_size=2)
    with p.wire() as one, p.wire() as two:
        one.value("begin; select 1")
        assert two.value("select current_setting('work_mem')") == "7777kB"
        assert one.value("select current_setting('work_mem')") == "7777kB"


def test_a_connect_query_that_fails_is_logged_and_passed_over(pooler):
    p = pooler(databases={"p0": "connect_query='select 1/0'"})
    with p.wire() as conn:
        assert conn.value("select 1") == "1"
    p.log_has("division by zero")


@ours
def test_what_connect_query_sets_is_there_again_after_a_clean(pooler):
    """A client's temporary table makes the server be cleaned, which takes back what connect_query has set."""
    p = pooler(databases={"p0": "connect_query='set work_mem = ''7777kB'''"}, pool_mode="transaction", default_pool_size=1)
    with p.wire() as one:
        one.rows("create temp table mine (a int)")
        pid = one.value("select pg_backend_pid()")
        one.send(msg("X"))
        one.closed()
    with p.wire() as two:
        assert two.value("select pg_backend_pid()") == pid      # cleaned, not replaced
        assert two.value("select to_regclass('pg_temp.mine') is null") == "t"
        assert two.value("select current_setting('work_mem')") == "7777kB"


def test_tcp_socket_buffer_is_set_on_both_sides(pooler):
    p = pooler(tcp_socket_buffer=4096, pool_mode="transaction")
    big = "x" * 300000
    with p.connect() as conn:
        assert conn.execute(f"select '{big}'").fetchone()[0] == big


@ours
@pytest.mark.parametrize("setting", ["pkt_buf = 8192", "sbuf_loopcnt = 0", "job_name = x", "service_name = x"])
def test_settings_without_an_effect_are_accepted_and_say_so(pooler, setting):
    name, value = setting.split(" = ")
    p = pooler(**{name: value})
    with p.wire() as conn:
        assert conn.value("select 1") == "1"
    assert f"{name} = {value} has no effect: " in p.output()
    assert {row["key"]: row["value"] for row in p.command("show config")}[name] == value
