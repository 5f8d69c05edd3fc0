"""auth_query: secrets that come from a server, in all placements, and what must never happen on its connection."""
import os
import re
import threading
import time

import pytest
import servers
from wire import Conn, PgError, eventually, startup_packet

AUTH = {"bouncer": "zzzz", "admin": "adminpass"}          # bouncer runs auth_query; everybody else is looked up
QUERY = "select usename, passwd from pg_shadow where usename = $1"


@pytest.fixture(scope="module")
def looked_up():
    """A PostgreSQL that lets `bouncer` read pg_authid; the roles of its own differ in their kind of secret."""
    cluster = servers.Cluster()
    with cluster.connect() as conn:
        conn.execute("alter role bouncer superuser")
        conn.execute("set password_encryption = 'scram-sha-256'")
        for role, password in (('we"ird us\'er', "odd"), ("expired", "old"), ("nologin", "x"), ("nopass", None)):
            quoted = '"' + role.replace('"', '""') + '"'
            conn.execute(f"create role {quoted} {'nologin' if role == 'nologin' else 'login'} "
                         + (f"password '{password}'" if password else ""))
        conn.execute("alter role expired valid until '2020-01-01'")
    yield cluster
    cluster.remove()


@pytest.fixture
def p(pooler, looked_up):
    def make(**options):
        options.setdefault("auth", AUTH)
        options.setdefault("auth_type", "scram-sha-256")
        options.setdefault("auth_user", "bouncer")
        return pooler(looked_up, **options)
    return make


def refusal(pooler, *arguments, **options):
    with pytest.raises(PgError) as caught:
        pooler.wire(*arguments, **options)
    return caught.value.fields


def lookups(cluster, mark="pg_authid|pg_shadow"):
    return len(re.findall(rf"execute <unnamed>: .*({mark})", cluster.log()))


@pytest.mark.ours
@pytest.mark.parametrize("auth_type", ["plain", "md5", "scram-sha-256"])
def test_a_user_that_only_the_server_knows_logs_in_and_a_wrong_password_does_not(p, auth_type):
    one = p(auth_type=auth_type)
    with one.wire("p0", "scramuser1", "foo") as conn:
        assert conn.value("select current_user") == "scramuser1", "SCRAM keys passed through"
    assert refusal(one, "p0", "scramuser1", "wrong")["S"] == "FATAL"


@pytest.mark.parametrize("auth_type", ["plain", "md5"])
def test_md5_secrets_work(p, auth_type):
    with p(auth_type=auth_type).wire("p0", "muser1", "foo") as conn:
        assert conn.value("select current_user") == "muser1"


def test_trust_asks_the_server_whether_the_user_exists(p):
    one = p(auth_type="trust")
    with one.wire("p0", "alice", "") as conn:
        assert conn.value("select current_user") == "alice"
    assert refusal(one, "p0", "nosuchuser")["S"] == "FATAL"


@pytest.mark.ours
def test_auth_user_and_auth_query_may_stand_in_the_database(p):
    one = p(auth_user=None, databases={"p0": f"auth_user=bouncer auth_query='{QUERY}'", "p1": ""})
    with one.wire("p0", "scramuser1", "foo") as conn:
        assert conn.value("select current_user") == "scramuser1"
    assert refusal(one, "p1", "scramuser1", "foo")["S"] == "FATAL", "p1 has no auth_user"


@pytest.mark.ours
@pytest.mark.parametrize("where", ["global", "database"])
def test_auth_dbname_names_where_the_query_runs(p, where):
    options = {"auth_dbname": "p7"} if where == "global" else {}
    own = "auth_dbname=p7" if where == "database" else ""
    one = p(databases={"p0": own, "p7": ""}, **options)
    with one.wire("p0", "scramuser1", "foo") as conn:
        assert conn.value("select current_user") == "scramuser1"
    assert one.pool("p7", "bouncer")["sv_idle"] == 1 and one.pool("p0", "bouncer") is None


@pytest.mark.ours
def test_an_unknown_auth_dbname_is_a_configuration_error(p):
    one = p(auth_dbname="nowhere", databases={"p0": ""})
    assert refusal(one, "p0", "scramuser1", "foo")["M"] == "bouncer config error"
    one.log_has('authentication database "nowhere" is not configured')


@pytest.mark.ours
def test_a_disabled_auth_database_is_told(p):
    one = p(auth_dbname="p7")
    one.command("disable p7")
    assert refusal(one, "p0", "scramuser1", "foo")["M"] == 'authentication database "p7" is disabled'


def test_an_automatic_database_looks_its_users_up_in_itself(p):
    one = p(databases={"*": ""})
    with one.wire("p3", "scramuser1", "foo") as conn:
        assert conn.value("select current_database() || '/' || current_user") == "p3/scramuser1"


def test_the_userlist_comes_first(p, looked_up):
    one = p(auth={**AUTH, "alice": "mine"}, auth_type="plain", databases={"p0": "user=bouncer"})
    before = lookups(looked_up)
    one.wire("p0", "alice", "mine").close()
    assert refusal(one, "p0", "alice", "apass")["S"] == "FATAL"
    assert lookups(looked_up) == before


@pytest.mark.ours
def test_an_entry_without_secret_is_looked_up(p):
    one = p(auth={**AUTH, "scramuser1": ""})
    one.wire("p0", "scramuser1", "foo").close()


def test_a_name_with_quotes_is_a_parameter(p):
    with p().wire("p0", 'we"ird us\'er', "odd") as conn:
        assert conn.value("select current_user") == 'we"ird us\'er'


def test_cve_2025_2291_a_role_past_its_valid_until_does_not_log_in(p):
    one = p(auth_query=QUERY.replace("passwd", "case when valuntil < now() then null else passwd end"))
    assert refusal(one, "p0", "expired", "old")["S"] == "FATAL"


@pytest.mark.ours
@pytest.mark.parametrize("user", ["expired", "nologin", "nopass"])
def test_the_default_query_keeps_out_who_may_not_log_in(p, user):
    assert refusal(p(), "p0", user, "old")["M"] == "SASL authentication failed"


def test_cve_2015_6817_an_unknown_user_does_not_become_auth_user(p):
    one = p(auth_type="trust")
    assert refusal(one, "p0", "nosuchuser")["S"] == "FATAL"
    assert one.pool("p0", "nosuchuser") is None


@pytest.mark.ours
def test_cve_2025_12819_nothing_a_client_says_reaches_the_connection_of_auth_query(p, looked_up):
    one = p(track_extra_parameters="search_path", databases={"p5": ""})
    with Conn(one.address) as conn:
        conn.login("scramuser1", "p5", "foo", search_path="evil", application_name="evil")
    said = [line for line in looked_up.log().splitlines() if "bouncer@p5" in line]
    assert any("pg_authid" in line for line in said) and not any("evil" in line or " SET " in line for line in said)


@pytest.mark.ours
@pytest.mark.parametrize("auth_type", ["plain", "md5", "scram-sha-256"])
def test_an_unknown_user_and_a_wrong_password_look_alike(p, auth_type):
    one = p(auth_type=auth_type)
    one.wire("p0", "scramuser1", "foo").close()
    answers = []
    for user in ("scramuser1", "nosuchuser"):
        with Conn(one.address) as conn:
            conn.send(startup_packet(user, "p0"))
            seen = [conn.read()]
            conn.answer(seen[0].body, user, "wrong")
            message = conn.read()
            if message.tag == "R":
                conn.answer(message.body, user, "wrong")
                message = conn.read()
            answers.append((seen, message))
    assert answers[0] == answers[1] and answers[0][1].tag == "E"
    one.log_has("no such user: nosuchuser")


@pytest.mark.parametrize("query", ["select usename from pg_shadow where usename = $1",
                                   "select null, passwd from pg_shadow where usename = $1",
                                   "select 1, 2, 3 where $1 = $1"])
def test_an_answer_of_another_shape_is_a_configuration_error(p, query):
    one = p(auth_query=query)
    assert refusal(one, "p0", "scramuser1", "foo")["M"] == "bouncer config error"
    eventually(lambda: one.pool("p0", "bouncer")["sv_idle"] == 0)


@pytest.mark.ours
@pytest.mark.parametrize("query", ["select nonsense from nowhere where a = $1", "select 'postgres', 'x' where $1 = $1"])
def test_a_query_that_fails_or_names_somebody_else_is_a_configuration_error(p, query):
    one = p(auth_query=query)
    assert refusal(one, "p0", "scramuser1", "foo")["M"] == "bouncer config error"


@pytest.mark.ours
def test_a_crowd_of_one_user_costs_one_query_at_a_time(p, looked_up):
    """Twenty logins while the first query sleeps: it and one more at most, for those that came too late."""
    one = p(auth_query="select usename, passwd from pg_shadow, pg_sleep(1) /*crowd*/ where usename = $1", workers=1)
    logins = []
    threads = [threading.Thread(target=lambda: logins.append(one.wire("p0", "scramuser1", "foo"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = lookups(looked_up, "crowd")
    assert len(logins) == 20 and asked <= (2 if "workers" not in os.environ.get("PGWEIR_SETTINGS", "") else 10)
    for conn in logins:
        conn.close()


@pytest.mark.ours
def test_keys_survive_reconnects_and_a_new_secret_replaces_them(p, looked_up):
    """h7."""
    one = p()
    with one.wire("p0", "scramuser2", "bar") as conn:
        assert conn.value("select 1") == "1"
        one.command("reconnect")
        assert conn.value("select 1") == "1", "T64: the keys survive a reconnect"
        with looked_up.connect() as direct:
            direct.execute("alter role scramuser2 password 'new'")
        assert refusal(one, "p0", "scramuser2", "bar")["M"] == "SASL authentication failed"
        one.wire("p0", "scramuser2", "new").close()
        one.command("reconnect")
        assert conn.value("select 1") == "1"
        with looked_up.connect() as direct:
            direct.execute("alter role scramuser2 password 'bar'")


@pytest.mark.ours
def test_a_client_that_leaves_closes_the_server_it_asked(p, looked_up):
    one = p(auth_query="select usename, passwd from pg_shadow, pg_sleep(30) where usename = $1")
    conn = Conn(one.address)
    conn.send(startup_packet("scramuser1", "p0"))
    eventually(lambda: one.pool("p0", "bouncer") and one.pool("p0", "bouncer")["sv_active"] == 1)
    conn.close()
    one.log_has("closing because: client disconnected with query in progress")


@pytest.mark.ours
def test_client_login_timeout_ends_a_lookup_that_takes_too_long(p):
    one = p(auth_query="select usename, passwd from pg_shadow, pg_sleep(30) where usename = $1", client_login_timeout=1)
    assert refusal(one, "p0", "scramuser1", "foo")["M"] == "client_login_timeout"


@pytest.mark.ours
def test_while_the_pool_is_paused_a_login_waits(p):
    one = p()
    one.command("pause p0")
    done = []
    thread = threading.Thread(target=lambda: done.append(one.wire("p0", "scramuser1", "foo")))
    thread.start()
    time.sleep(0.3)
    assert not done
    one.command("resume p0")
    thread.join()
    done[0].close()


@pytest.mark.ours
def test_query_wait_timeout_ends_a_login_that_gets_no_server(p):
    one = p(query_wait_timeout=1)
    one.command("pause p0")
    assert refusal(one, "p0", "scramuser1", "foo")["M"] == "query_wait_timeout"


@pytest.mark.ours
def test_a_server_that_refuses_auth_user_is_told_in_its_words(p):
    one = p(auth={"scramuser1": "wrong", "admin": "adminpass"}, auth_user="scramuser1")
    assert "password authentication failed" in refusal(one, "p0", "alice", "apass")["M"]


@pytest.mark.ours
def test_lookups_work_with_a_pool_of_one_and_several_workers(p):
    one = p(default_pool_size=1, workers=3, auth_dbname="p7")
    logins, wrong = [], []

    def log_in(user, password):
        try:
            logins.append(one.wire("p0", user, password))
        except Exception as error:              # shown by the assertion below
            wrong.append(error)

    threads = [threading.Thread(target=log_in, args=who) for who in
               [("scramuser1", "foo"), ("scramuser2", "bar"), ("muser1", "foo"), ("alice", "apass")] * 6]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for conn in logins:
        conn.close()
    assert not [error for error in wrong if "muser1" not in str(error) and "SASL" not in str(error)]
    assert len(logins) == 18, "all but muser1, whose md5 secret cannot answer SCRAM"


@pytest.mark.ours
def test_console_users_are_looked_up_where_auth_dbname_says(p):
    one = p(admin_users="scramuser1", auth_dbname="p7")
    with one.wire("pgbouncer", "scramuser1", "foo") as console:
        assert console.table("show version")
    assert refusal(one, "pgbouncer", "scramuser1", "wrong")["M"] == "SASL authentication failed"


def test_an_unknown_database_is_told_after_the_proof_only(p):
    one = p(databases={"p0": ""})
    assert refusal(one, "elsewhere", "scramuser1", "foo")["M"] in ("SASL authentication failed",)
    assert "no such database" in refusal(one, "elsewhere", "bouncer", "zzzz")["M"]
