"""What the compatibility page claims beyond PgBouncer, or against it, and no other file shows."""
import signal
import time

import pytest
from certificates import Authority, server_settings
from dns import DnsServer
from test_tls import context, secure
from wire import Closed, PgError, errors, eventually, query

pytestmark = pytest.mark.ours


def refusal(p, *arguments, **options):
    with pytest.raises(PgError) as refused:
        p.wire(*arguments, **options).close()
    return refused.value.fields


def reload(p):
    p.write_ini()
    p.command("reload")


def test_a_changed_resolv_conf_is_read_again(pooler, cluster, tmp_path):
    first, second = DnsServer(), DnsServer()
    try:
        first.names["db.test"] = second.names["later.test"] = (300, ["127.0.0.1"])
        p = pooler(databases={"p0": f"host=db.test port={cluster.port}", "p1": f"host=later.test port={cluster.port}"},
                   resolv_conf="resolv.conf", dns_nxdomain_ttl=0, query_wait_timeout=20, start=False)
        p.write("resolv.conf", first.resolv_conf(tmp_path).read_text())
        p.start()
        assert p.wire("p0").value("select 1") == "1"
        p.write("resolv.conf", second.resolv_conf(tmp_path).read_text())
        reload(p)
        assert p.wire("p1").value("select 1") == "1"
        assert second.asked("later.test") == 1
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize("how", ["reload", "by itself"])
def test_a_changed_ca_of_client_certificates_is_read_again(pooler, how):
    old, new = Authority("old"), Authority("new")
    p = pooler(start=False, auth_type="cert", client_tls_ca_file="ca.crt", **{**server_settings(old), "client_tls_sslmode": "verify-full"})
    p.write("ca.crt", old.file.read_text())
    p.start()

    def gets_in(authority):
        try:
            with secure(p, context(certificate=authority.issue("alice"))) as conn:
                return conn.login("alice", "p0").value("select 1") == "1"
        except (OSError, Closed):
            return False

    assert gets_in(old) and not gets_in(new)
    p.write("ca.crt", new.file.read_text())
    if how == "reload":
        p.signal(signal.SIGHUP)
    eventually(lambda: gets_in(new), 10)
    assert not gets_in(old)


def test_a_changed_stats_period_counts_at_once(pooler):
    p = pooler(log_stats=1, stats_period=3600)
    p.command("set stats_period = 1")
    p.log_has("LOG stats: ")


def test_the_user_of_a_database_that_is_removed_is_gone_after_a_reload(pooler):
    p = pooler(databases={"p0": "user=alice password=apass"})
    with p.wire() as conn:
        assert conn.value("select current_user") == "alice"
    p.databases["p0"] = ""
    reload(p)
    with p.wire() as conn:
        assert conn.value("select current_user") == "bouncer"


def test_users_that_are_removed_are_gone_after_a_reload(pooler):
    p = pooler(users={"alice": "max_user_client_connections=1"}, auth_type="md5")
    with p.wire("p0", "alice"):
        assert refusal(p, "p0", "alice")["M"] == "client connections exceeded (max_user_client_connections)"
        p.users = {}
        reload(p)
        p.wire("p0", "alice").close()
    p.write_auth({"admin": "adminpass"})
    reload(p)
    assert refusal(p, "p0", "alice")["M"] == "password authentication failed"


def test_a_query_wait_timeout_of_a_user_may_be_a_fraction(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, query_wait_timeout=60, users={"alice": "query_wait_timeout=0.3"})
    with p.wire("p0", "alice") as busy, p.wire("p0", "alice") as waiting:
        busy.ask("begin")
        begun = time.monotonic()
        said = errors(waiting.send(query("select 1")).closed())
        assert [error["M"] for error in said] == ["query_wait_timeout"] and time.monotonic() - begun >= 0.3


def test_resume_is_heard_while_the_pooler_waits_for_its_clients(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire() as conn:
        conn.ask("select 1")
        p.command("pause")
        conn.send(query("select 2"))
        eventually(lambda: p.pool()["cl_waiting"] == 1)
        p.signal(signal.SIGTERM)
        p.log_has("got SIGTERM")
        with p.console_over_unix() as console:
            console.rows("resume")
        assert [m.tag for m in conn.until()] == list("TDCZ")
    assert p.wait_exit() == 0


def test_refusals_by_rules_bear_postgresqls_sqlstate(pooler):
    p = pooler(hba="host p1 all all reject\nlocal all all peer\nhost p2 all all password\nhost all admin all trust\n",
               databases={"p0": "", "p1": "", "p2": ""})
    found = [refusal(p, "p0"), refusal(p, "p1"), refusal(p, "p0", "alice", unix=True), refusal(p, "p2", password="")]
    assert [(fields["C"], fields["M"]) for fields in found] == [
        ("28000", "no authentication method is found"), ("28000", "login rejected"), ("28000", "unix socket login rejected"),
        ("28P01", "empty password returned by client")]
