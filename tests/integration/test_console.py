"""The console: what each SHOW looks like on the wire, and who may ask for it."""
import os
import re
import subprocess
import time

import pytest
import servers
from wire import SYNC, Closed, Conn, PgError, errors, eventually, parse, query, rows, tags

TEXT, INT4, INT8, NUMERIC = 25, 23, 20, 1700
OIDS = {"": TEXT, "i": INT4, "q": INT8, "N": NUMERIC}

CLIENTS = ("type user database replication state addr port:i local_addr local_port:i connect_time request_time wait:i "
           "wait_us:i close_needed:i ptr link remote_pid:i tls application_name prepared_statements:i id:i")
SOCKETS = CLIENTS + " recv_pos:i pkt_pos:i pkt_remain:i send_pos:i send_remain:i pkt_avail:i send_avail:i"
COUNTERS = "server_assignment_count xact_count query_count"
PARSES = "client_parse_count server_parse_count bind_count client_login_count"
TIMES = "xact_time query_time wait_time"


def prefixed(prefix, names):
    return " ".join(f"{prefix}{name}" for name in names.split())


# Column lists as PgBouncer 1.25.2 sends them; `:i` int4, `:q` int8, `:N` numeric, else text. STATS are all numeric.
SHOWS = {
    "clients": CLIENTS, "servers": CLIENTS, "sockets": SOCKETS, "active_sockets": SOCKETS,
    "pools": "database user cl_active:i cl_waiting:i cl_active_cancel_req:i cl_waiting_cancel_req:i sv_active:i "
             "sv_active_cancel:i sv_being_canceled:i sv_idle:i sv_used:i sv_tested:i sv_login:i maxwait:i maxwait_us:i "
             "pool_mode load_balance_hosts",
    "peer_pools": "peer_id:i cl_active_cancel_req:i cl_waiting_cancel_req:i sv_active_cancel:i sv_login:i",
    "databases": "name host port:i database force_user pool_size:i min_pool_size:i reserve_pool_size:i "
                 "server_lifetime:i pool_mode load_balance_hosts max_connections:i current_connections:i "
                 "max_client_connections:i current_client_connections:i paused:i disabled:i",
    "peers": "peer_id:i host port:i pool_size:i",
    "users": "name pool_size reserve_pool_size pool_mode max_user_connections:i current_connections:i "
             "max_user_client_connections:i current_client_connections:i",
    "lists": "list items:i",
    "stats": "database " + " ".join(f"{name}:N" for name in (
        prefixed("total_", f"{COUNTERS} received sent {TIMES} {PARSES}") + " " +
        prefixed("avg_", f"{COUNTERS} recv sent {TIMES} {PARSES}") + " total_handed_over_count total_reparse_count").split()),
    "stats_totals": "database " + " ".join(
        f"{name}:N" for name in f"{COUNTERS} bytes_received bytes_sent {TIMES} {PARSES} handed_over_count reparse_count".split()),
    "stats_averages": "database " + " ".join(
        f"{name}:N" for name in f"{COUNTERS} bytes_received bytes_sent {TIMES}".split() +
        "avg_client_parse_count avg_server_parse_count avg_bind_count avg_client_login_count handed_over_count reparse_count".split()),
    "totals": "name value:N",
    "config": "key value default changeable",
    "mem": "name size:i used:i free:i memtotal:i",
    "dns_hosts": "hostname ttl:q addrs",
    "dns_zones": "zonename serial:q count:i",
    "version": "version",
    "state": "key value",
}


# The settings of PgBouncer 1.25.2.
PGBOUNCERS = """
admin_users application_name_add_host auth_dbname auth_file auth_hba_file auth_ident_file auth_ldap_options
auth_query auth_type auth_user autodb_idle_timeout cancel_wait_timeout client_idle_timeout
client_login_timeout client_tls13_ciphers client_tls_ca_file client_tls_cert_file client_tls_ciphers
client_tls_dheparams client_tls_ecdhcurve client_tls_key_file client_tls_protocols client_tls_sslmode conffile
default_pool_size disable_pqexec dns_max_ttl dns_nxdomain_ttl dns_zone_check_period idle_transaction_timeout
ignore_startup_parameters job_name listen_addr listen_backlog listen_port log_connections log_disconnections
log_pooler_errors log_stats logfile login_notify_message max_client_conn max_db_client_connections
max_db_connections max_packet_size max_prepared_statements max_user_client_connections max_user_connections
min_pool_size peer_id pidfile pkt_buf pool_idle_timeout pool_mode query_timeout query_wait_notify
query_wait_timeout reserve_pool_size reserve_pool_timeout resolv_conf sbuf_loopcnt scram_iterations
server_check_delay server_check_query server_connect_timeout server_fast_close server_idle_timeout
server_lifetime server_login_retry server_reset_query server_reset_query_always server_round_robin
server_tls13_ciphers server_tls_ca_file server_tls_cert_file server_tls_ciphers server_tls_key_file
server_tls_protocols server_tls_sslmode service_name so_reuseport stats_period stats_users suspend_timeout
syslog syslog_facility syslog_ident tcp_defer_accept tcp_keepalive tcp_keepcnt tcp_keepidle tcp_keepintvl
tcp_socket_buffer tcp_user_timeout track_extra_parameters transaction_timeout unix_socket_dir
unix_socket_group unix_socket_mode user verbose
""".split()


@pytest.mark.ours
@pytest.mark.parametrize("name", list(SHOWS))
def test_the_columns_of_show(pooler, name):
    """h12."""
    p = pooler(pool_mode="transaction")
    expected = [(word.partition(":")[0], OIDS[word.partition(":")[2]]) for word in SHOWS[name].split()]
    with p.wire() as client, p.console() as console:
        client.ask("select 1")
        messages = console.ask(f"show {name}")
        assert messages[0].tag == "T" and messages[0].columns() == expected
        assert all(len(message.values()) == len(expected) for message in messages if message.tag == "D")
        assert messages[-2].text() == "SHOW" and tags(messages[-2:]) == "CZ"


def test_show_clients_and_servers_tell_who_holds_whom(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire(application_name="my app") as client:
        client.ask("begin")
        pid = client.value("select pg_backend_pid()")
        (mine,) = [row for row in p.command("show clients") if row["database"] == "p0"]
        (server,) = [row for row in p.command("show servers") if row["database"] == "p0"]
        assert (mine["type"], mine["user"], mine["state"], mine["addr"]) == ("C", "bouncer", "active", "127.0.0.1")
        assert (server["type"], server["state"], server["remote_pid"]) == ("S", "active", pid)
        assert mine["link"] == server["ptr"] and server["link"] == mine["ptr"]
        assert int(server["port"]) == p.cluster.port and int(mine["local_port"]) == p.port
        assert mine["application_name"] == "my app"
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \w+", mine["connect_time"])
        client.ask("commit")


def test_show_pools_counts_active_waiting_and_idle(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as one, p.wire() as two:
        one.ask("begin")
        two.send(query("select 1"))
        eventually(lambda: p.pool()["cl_waiting"] == 1)
        row = p.pool()
        assert (row["cl_active"], row["sv_active"], row["sv_idle"], row["pool_mode"]) == (1, 1, 0, "transaction")
        time.sleep(1.1)
        assert p.pool()["maxwait"] >= 1
        one.ask("commit")
        two.until()
    eventually(lambda: p.pool()["sv_idle"] == 1)


@pytest.mark.ours
def test_show_stats_counts_transactions_queries_and_logins(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire() as client:
        for sql in ("begin", "select 1", "commit", "select 2"):
            client.ask(sql)
        (row,) = [row for row in p.command("show stats") if row["database"] == "p0"]
        assert (row["total_xact_count"], row["total_query_count"]) == ("2", "4")
        assert row["total_client_login_count"] == "1"
        assert int(row["total_received"]) > 30 and int(row["total_sent"]) > 50
        (totals,) = [row for row in p.command("show stats_totals") if row["database"] == "p0"]
        assert (totals["xact_count"], totals["query_count"]) == ("2", "4")
        assert {row["name"]: row["value"] for row in p.command("show totals")}["total_xact_count"] == "2"


def test_show_lists_counts_what_there_is(pooler):
    p = pooler(databases={"p0": "", "p1": ""})
    with p.wire():
        lists = {row["list"]: int(row["items"]) for row in p.command("show lists")}
    assert lists["databases"] == 3, "the console is one of them"
    assert lists["pools"] == 2 and lists["used_clients"] == 2 and lists["users"] >= len(servers.ROLES)


def test_show_databases_shows_the_entries(pooler):
    p = pooler(databases={"p0": "pool_size=7 pool_mode=statement", "alias": "dbname=p1 user=alice"})
    found = {row["name"]: row for row in p.command("show databases")}
    assert (found["p0"]["pool_size"], found["p0"]["pool_mode"], found["p0"]["host"]) == ("7", "statement", "127.0.0.1")
    assert (found["alias"]["database"], found["alias"]["force_user"]) == ("p1", "alice")
    assert found["pgbouncer"]["force_user"] == "pgbouncer"


def test_show_config_lists_settings_with_values_and_defaults(pooler):
    config = {row["key"]: row for row in pooler(default_pool_size=13).command("show config")}
    assert (config["default_pool_size"]["value"], config["default_pool_size"]["default"]) == ("13", "20")
    assert (config["listen_port"]["changeable"], config["default_pool_size"]["changeable"]) == ("no", "yes")
    assert config["server_check_query"]["default"] in ("select 1", "<empty>")


@pytest.mark.ours
def test_show_config_has_every_setting_that_pgbouncer_has(pooler):
    shown = [row["key"] for row in pooler().command("show config")]
    assert [name for name in PGBOUNCERS if name not in shown] == [] and len(set(shown)) == len(shown)


@pytest.mark.ours
def test_show_version_says_pgbouncer_for_those_who_look_at_it(pooler):
    p = pooler()
    assert re.match(r"PgBouncer 1\.\d+|pgweir ", p.command("show version")[0]["version"])
    with p.console() as console:
        assert re.fullmatch(r"1\.\d+\.\d+/bouncer", console.parameters["server_version"])


def test_show_help_is_a_notice(pooler):
    with pooler().console() as console:
        reply = console.ask("show help")
        assert console.notices[0]["M"] == "Console usage" and "SHOW" in console.notices[0]["D"]
        assert tags(reply)[-2:] == "CZ"


@pytest.mark.parametrize("statement", ["SHOW VERSION", "show version;", "  show   version  ;  ", 'show "version"'])
def test_the_grammar_is_forgiving_about_case_and_blanks(pooler, statement):
    with pooler().console() as console:
        assert console.rows(statement)


@pytest.mark.parametrize("statement", ["", ";", "show version; show version", "bogus", "show bogus",
                                       "insert into x values (1)", "show" + " x" * 9, "pause a b c"])
def test_what_the_console_does_not_know_is_an_error_and_the_connection_stays(pooler, statement):
    with pooler().console() as console:
        reply = console.ask(statement)
        assert errors(reply)[0]["S"] == "ERROR" and errors(reply)[0]["C"] == "08P01"
        assert tags(reply) == "EZ"
        assert console.rows("show version")


def test_the_extended_protocol_is_refused(pooler):
    with pooler().console() as console:
        console.send(parse("", "show version"), SYNC)
        said = errors(console.closed())
        assert said[0]["M"] == "extended query protocol not supported by admin console"


def test_drivers_may_ask_the_console_for_their_settings(pooler):
    """h8."""
    with pooler().console() as console:
        for name, value in {"client_encoding": "UTF-8", "default_transaction_isolation": "read committed",
                            "standard_conforming_strings": "on", "datestyle": "ISO", "timezone": "GMT"}.items():
            assert console.value(f"show {name}") == value
        assert "E" not in tags(console.ask("set datestyle = 'ISO'"))


def test_only_admin_and_stats_users_get_the_console(pooler):
    with pytest.raises(PgError, match="not allowed"):
        pooler().wire("pgbouncer", "bouncer")


ADMIN_ONLY = ["reload", "set verbose = 0", "pause", "pause p0", "resume", "resume p0", "suspend", "disable p0",
              "enable p0", "reconnect", "reconnect p0", "kill p0", "kill", "shutdown", "wait_close", "wait_close p0",
              "show fds"]


@pytest.mark.parametrize("statement", ADMIN_ONLY)
def test_cve_2026_6667_a_stats_user_may_only_look(pooler, statement):
    p = pooler()
    with p.console("stats") as console, p.wire() as client:
        reply = console.ask(statement)
        assert errors(reply)[0]["M"] == "admin access needed"
        assert client.value("select 1") == "1" and console.rows("show pools")
    assert p.process.poll() is None


@pytest.mark.ours
@pytest.mark.parametrize("statement", ["kill_client 1", "kill_client", "shutdown wait_for_servers",
                                       "shutdown wait_for_clients"])
def test_cve_2026_6667_newer_verbs_are_closed_to_a_stats_user_too(pooler, statement):
    with pooler().console("stats") as console:
        assert errors(console.ask(statement))[0]["M"] == "admin access needed"


def test_the_users_of_the_process_are_admin_on_the_unix_socket(pooler):
    """h8: User pgbouncer, unix socket, same uid: no password. Another uid gets nothing."""
    p = pooler(auth_type="md5")
    arguments = ["psql", "-X", "-A", "-t", "-w", "-h", str(p.folder), "-p", str(p.port), "-U", "pgbouncer", "pgbouncer",
                 "-c", "show lists"]
    same = subprocess.run(arguments, capture_output=True, text=True, cwd=p.folder, **servers.identity())
    assert same.returncode == 0, same.stderr
    if os.getuid() == 0:
        other = subprocess.run(arguments, capture_output=True, text=True)
        assert other.returncode != 0
    with pytest.raises((PgError, Closed)):
        Conn(p.address).login("pgbouncer", "pgbouncer", "guess")


def test_show_output_reads_in_psql(pooler):
    done = pooler().psql("-c", "show databases", database="pgbouncer", user="admin")
    assert done.returncode == 0 and "p0" in done.stdout


def test_many_consoles_at_once_are_answered(pooler):
    p = pooler()
    consoles = [p.console() for _ in range(20)]
    for console in consoles:
        console.send(query("show pools"))
    assert all(rows(console.until()) for console in consoles)


@pytest.mark.ours
def test_show_fds_tells_sockets_and_no_secrets(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire() as client, p.console() as console:
        client.ask("begin")
        found = console.table("show fds")
        servers = [row for row in found if row["task"] == "server"]
        clients = [row for row in found if row["task"] == "client" and row["database"] == "p0"]
        assert len(servers) == len(clients) == 1
        assert (servers[0]["link"], clients[0]["link"]) == (clients[0]["fd"], servers[0]["fd"])
        assert all(row[name] is None for row in found for name in ("cancel", "password", "scram_client_key", "scram_server_key"))
