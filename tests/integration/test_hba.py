"""auth_type=hba: which rule a client meets, what the methods do, and what is told of a file with mistakes."""
import getpass
import os
import re
import subprocess

import pytest
import servers
from wire import PgError, scram_secret

ME = getpass.getuser()
PASSWORDS = {"bouncer": "zzzz", "alice": "apass", "admin": "adminpass", ME: "x"}
ADMIN = "host pgbouncer admin 127.0.0.1/32 trust\n"      # first, for the console of the tests


def refusal(pooler, *arguments, **options):
    with pytest.raises(PgError) as caught:
        pooler.wire(*arguments, **options)
    return caught.value.fields


def words(pooler, *arguments, **options):
    return refusal(pooler, *arguments, **options)["M"]


@pytest.mark.parametrize("method", ["trust", "password", "md5", "scram-sha-256"])
def test_each_method_of_a_rule_lets_the_right_client_in(pooler, method):
    one = pooler(hba=f"{ADMIN}host all all 127.0.0.1/32 {method}\n")
    with one.wire("p0", "bouncer", "zzzz") as conn:
        assert conn.value("select current_user") == "bouncer"
    if method != "trust":
        assert refusal(one, "p0", "bouncer", "wrong")["S"] == "FATAL"


@pytest.mark.ours
def test_the_first_rule_that_fits_decides(pooler):
    one = pooler(hba="host p0 alice 127.0.0.1 255.255.255.255 reject\nhost p0,p1 all 127.0.0.0/8 trust\n"
                     "host sameuser all all trust\n", databases={"p0": "", "p1": "", "p2": "", "alice": "dbname=p3"})
    one.wire("p0", "bouncer", "").close()
    one.wire("p1", "alice", "").close()
    one.wire("alice", "alice", "").close()
    assert words(one, "p0", "alice", "") == "login rejected"
    assert words(one, "p2", "alice", "") in ("no authentication method is found", "login rejected")


@pytest.mark.ours
def test_without_a_rule_there_is_no_method(pooler):
    one = pooler(hba="host p1 all all trust\n", databases={"p0": "", "p1": ""})
    assert words(one, "p0", "bouncer") == "no authentication method is found"
    one.log_has("closing because: no authentication method is found")


def test_local_rules_are_for_unix_sockets_and_host_rules_for_tcp(pooler):
    one = pooler(hba="local all bouncer trust\nhost all alice 127.0.0.1/32 trust\n")
    one.wire("p0", "bouncer", "", unix=True).close()
    one.wire("p0", "alice", "").close()
    assert refusal(one, "p0", "bouncer", "")["S"] == "FATAL"
    assert refusal(one, "p0", "alice", "", unix=True)["S"] == "FATAL"


@pytest.mark.ours
def test_the_console_obeys_the_rules_too(pooler):
    one = pooler(hba="host pgbouncer admin 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")
    assert words(one, "pgbouncer", "admin", "wrong") == "SASL authentication failed"
    assert one.command("show version")


def test_peer_lets_the_system_user_in_and_nobody_else(pooler):
    one = pooler(hba="local all all peer\n", auth=PASSWORDS, databases={"p0": "user=bouncer"})
    with one.wire("p0", ME, "", unix=True) as conn:
        assert conn.value("select 1") == "1"
    assert words(one, "p0", "alice", "", unix=True) == "unix socket login rejected"


@pytest.mark.ours
@pytest.mark.parametrize("line, user", [(f"m {ME} alice", "alice"), (f"m /^{ME[:-1]}(.)$ other\\1", None),
                                        (f"m {ME} all", "alice"), (r"m /^(\w+)$ \1", ME)])
def test_peer_obeys_its_map(pooler, line, user):
    one = pooler(hba="local all all peer map=m\n", auth=PASSWORDS, databases={"p0": "user=bouncer"}, start=False,
                 auth_ident_file="ident.conf")
    one.write("ident.conf", line + "\n")
    one.start()
    if user:
        one.wire("p0", user, "", unix=True).close()
    if "all" not in line:
        assert words(one, "p0", "nosuchuser", "", unix=True) == "unix socket login rejected"


@pytest.mark.ours
def test_an_own_cluster_of_names_samehost_and_localhost(pooler):
    one = pooler(hba="host p0 all samehost trust\nhost p1 all samenet trust\nhost p2 all localhost trust\n"
                     "host p3 all nosuchhost.invalid trust\n")
    for database in ("p0", "p1", "p2"):
        one.wire(database, "bouncer", "").close()
    assert words(one, "p3", "bouncer", "") == "no authentication method is found"


@pytest.mark.ours
def test_groups_are_asked_of_the_server(pooler, own_cluster):
    with own_cluster.connect() as conn:
        conn.execute("create role staff; grant staff to alice; create role outer_staff; grant outer_staff to staff")
    one = pooler(own_cluster, hba="host p1 +staff all reject\nhost all +outer_staff all trust\n"
                                  "host samerole all all trust\n", auth_user="bouncer",
                 databases={"p0": "", "p1": "", "staff": "dbname=p2"})
    one.wire("p0", "alice", "").close()
    one.wire("staff", "alice", "").close()
    assert words(one, "p1", "alice", "") == "login rejected"
    assert words(one, "p0", "bob", "") == "no authentication method is found"


@pytest.mark.ours
def test_a_rule_about_a_group_that_nobody_can_tell_lets_nobody_past(pooler):
    one = pooler(hba="host all +staff all reject\nhost all all all trust\n")
    assert words(one, "p0", "alice", "") == "no authentication method is found"
    one.log_has("there is no auth_user to ask")


@pytest.mark.ours
def test_a_rule_and_auth_query_work_together(pooler, own_cluster):
    with own_cluster.connect() as conn:
        conn.execute("alter role bouncer superuser")
    one = pooler(own_cluster, hba="host all all 127.0.0.1/32 scram-sha-256\n", auth_user="bouncer", auth={"bouncer": "zzzz"})
    with one.wire("p0", "scramuser1", "foo") as conn:
        assert conn.value("select current_user") == "scramuser1"
    assert words(one, "p0", "scramuser1", "wrong") == "SASL authentication failed"


def test_a_broken_line_is_left_out_with_a_warning(pooler):
    one = pooler(hba="nonsense all all trust\nhost all all 127.0.0.1/32 trust\n")
    one.wire("p0", "bouncer", "").close()
    assert "unknown connection type" in one.output() or servers.IS_PGBOUNCER


@pytest.mark.ours
def test_a_reload_takes_a_good_file_and_refuses_a_bad_one(pooler):
    one = pooler(hba=ADMIN + "host p0 all all trust\n")
    one.wire("p0", "bouncer", "").close()
    one.write("hba.conf", ADMIN + "host p0 all all reject\nhost all all 300.0.0.0/8 trust\n")
    one.command("reload")
    one.wire("p0", "bouncer", "").close()
    one.log_has(r"hba.conf:3\)")
    one.write("hba.conf", ADMIN + "host p0 all all reject\n")
    one.command("reload")
    assert words(one, "p0", "bouncer", "") == "login rejected"


@pytest.mark.ours
def test_check_tells_every_mistake_with_its_place(pooler):
    one = pooler(hba="x all all trust\nhost all all 1.2.3.4/40 md5\nlocal all all magic\nlocal all all peer map=none\n",
                 start=False)
    done = subprocess.run([one.binary, "--check", str(one.ini)], capture_output=True, text=True, cwd=one.folder,
                          **servers.identity())
    said = done.stdout + done.stderr
    for line, what in ((1, "unknown connection type"), (2, "invalid CIDR mask"), (3, "unknown authentication method"),
                       (4, 'no map "none"')):
        assert re.search(rf"hba\.conf:{line}: .*{what}", said), said
    assert os.path.exists(one.ini)


@pytest.mark.ours
def test_cert_lets_nobody_in_without_a_certificate(pooler):
    one = pooler(hba="hostssl all all all cert\nhost all all all trust\n")
    one.wire("p0", "bouncer", "").close()


@pytest.mark.ours
def test_many_peers_at_once_on_several_workers(pooler):
    one = pooler(hba="local all all peer\n", auth=PASSWORDS, databases={"p0": "user=bouncer"}, workers=2)
    conns = [one.wire("p0", ME, "", unix=True) for _ in range(50)]
    assert all(conn.value("select 1") == "1" for conn in conns[::10])
    for conn in conns:
        conn.close()


def test_secrets_of_auth_file_serve_rules(pooler):
    one = pooler(hba="host all all 127.0.0.1/32 md5\n", auth={"bouncer": scram_secret("zzzz"), "alice": "apass"},
                 databases={"p0": "user=bouncer password=zzzz"})
    one.wire("p0", "bouncer", "zzzz").close()
    one.wire("p0", "alice", "apass").close()
