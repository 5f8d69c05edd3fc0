"""The console's commands: PAUSE, RESUME, KILL, DISABLE, RECONNECT, SET and their refusals."""
import time

import pytest
import servers
from wire import Closed, Conn, PgError, errors, eventually, query, rows, startup_packet, tags


def error(console, command):
    return errors(console.ask(command))[0]["M"]


def test_pause_waits_for_running_transactions_and_resume_goes_on(pooler, cluster):
    p = pooler(pool_mode="transaction")
    with p.wire("p2") as client, p.console() as console, p.console() as other:
        client.ask("begin")
        console.send(query("pause p2"))
        assert console.quiet(0.4)
        client.ask("commit")
        assert tags(console.until()) == "CZ"
        eventually(lambda: cluster.backends("p2") == 0)
        client.send(query("select 1"))
        assert client.quiet(0.3)
        assert tags(other.ask("resume p2")) == "CZ"
        assert rows(client.until()) == [["1"]]


def test_pause_without_a_name_pauses_everything(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire() as client, p.console() as console:
        client.ask("select 1")
        console.ask("pause")
        client.send(query("select 2"))
        assert client.quiet(0.3)
        assert error(console, "pause") == "already suspended/paused"
        console.ask("resume")
        assert rows(client.until()) == [["2"]]


@pytest.mark.ours
def test_show_state_follows_pause_and_resume(pooler):
    with pooler().console() as console:
        state = lambda: {row["key"]: row["value"] for row in console.table("show state")}
        assert state() == {"active": "yes", "paused": "no", "suspended": "no"}
        console.ask("pause")
        assert state() == {"active": "no", "paused": "yes", "suspended": "no"}
        console.ask("resume")
        assert state()["active"] == "yes"


def test_refusals_of_pause_and_resume(pooler):
    with pooler().console() as console:
        assert error(console, "resume") == "pooler is not paused/suspended"
        assert error(console, "resume p0") == "database p0 is not paused"
        assert error(console, "pause nosuchdb") == "no such database: nosuchdb"
        assert error(console, "pause pgbouncer") == "cannot pause admin db: pgbouncer"


@pytest.mark.ours
def test_T51_resume_answers_a_pause_that_waits(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire() as client, p.console() as console, p.console() as other:
        client.ask("begin")
        console.send(query("pause"))
        assert console.quiet(0.3)
        other.ask("resume")
        assert console.until()[-1].tag == "Z"
        assert client.value("select 1") == "1"


def test_disable_refuses_new_clients_and_keeps_the_old(pooler):
    p = pooler()
    with p.wire() as client, p.console() as console:
        console.ask("disable p0")
        with pytest.raises(PgError, match="disabled|does not allow"):
            p.wire()
        assert client.value("select 1") == "1"
        console.ask("enable p0")
        p.wire().close()


def test_refusals_of_disable_and_enable(pooler):
    with pooler().console() as console:
        assert error(console, "disable") == "a database is required"
        assert error(console, "enable") == "a database is required"
        assert error(console, "disable pgbouncer") == "cannot disable admin db: pgbouncer"
        assert error(console, "disable nosuchdb") == "no such database: nosuchdb"


def test_reconnect_replaces_servers_once_they_are_free(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as client, p.console() as console:
        old = client.value("select pg_backend_pid()")
        client.ask("begin")
        assert tags(console.ask("reconnect p0")) == "CZ"
        assert client.value("select pg_backend_pid()") == old
        console.send(query("wait_close p0"))
        assert console.quiet(0.3)
        client.ask("commit")
        assert tags(console.until()) == "CZ"
        assert client.value("select pg_backend_pid()") != old


def test_kill_closes_clients_and_servers_and_leaves_the_database_paused(pooler, cluster):
    p = pooler(pool_mode="transaction")
    with p.wire("p2") as client, p.console() as console:
        client.ask("begin")
        console.ask("kill p2")
        with pytest.raises(Closed):
            client.until()
            client.until()
        eventually(lambda: cluster.backends("p2") == 0)
        assert [row["paused"] for row in console.table("show databases") if row["name"] == "p2"] == ["1"]
        console.ask("resume p2")
    p.wire("p2").close()


@pytest.mark.ours
def test_kill_tells_its_clients_why(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire("p2") as client, p.console() as console:
        client.ask("select 1")
        console.ask("kill p2")
        assert errors(client.closed())[0] == {"S": "FATAL", "C": "08P01", "M": "database removed"}


@pytest.mark.ours
def test_kill_client_closes_exactly_one(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire(application_name="victim") as victim, p.wire() as other, p.console() as console:
        (identity,) = [row["id"] for row in console.table("show clients") if row["application_name"] == "victim"]
        assert tags(console.ask(f"kill_client {identity}")) == "CZ"
        assert errors(victim.closed())[0]["M"] == "admin forced disconnect"
        assert other.value("select 1") == "1"
        assert error(console, "kill_client 99999999") == "client not found"
        assert error(console, "kill_client abc") == "invalid client pointer supplied"


def test_set_changes_a_setting_until_the_next_reload(pooler):
    p = pooler(default_pool_size=5)
    with p.console() as console:
        value = lambda: {row["key"]: row["value"] for row in console.table("show config")}["default_pool_size"]
        assert tags(console.ask("set default_pool_size = 9")) == "CZ"
        assert value() == "9"
        console.ask("set default_pool_size to '11'")
        assert value() == "11"
        console.ask("reload")
        assert value() == "5"


@pytest.mark.parametrize("statement", ["set nonsense = 1", "set default_pool_size = many"])
def test_set_refuses_what_it_cannot_do(pooler, statement):
    with pooler().console() as console:
        assert errors(console.ask(statement))[0]["S"] == "ERROR"
        assert console.rows("show version")


def test_a_smaller_pool_size_closes_servers_as_they_become_free(pooler, cluster):
    p = pooler(pool_mode="transaction", default_pool_size=4)
    held = [p.wire("p3") for _ in range(4)]
    for client in held:
        client.ask("begin")
    p.command("set default_pool_size = 1")
    for client in held:
        client.ask("commit")
    eventually(lambda: cluster.backends("p3") == 1)


def test_suspend_stops_serving_until_resume(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire() as client, p.console() as console:
        client.ask("select 1")
        assert tags(console.ask("suspend")) == "CZ"
        client.send(query("select 2"))
        assert client.quiet(0.3)
        console.ask("resume")
        assert rows(client.until()) == [["2"]]


@pytest.mark.ours
def test_suspend_is_told_keeps_newcomers_waiting_and_ends_with_its_console(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire() as client, p.console() as other:
        console = p.console()
        assert tags(console.ask("suspend")) == "CZ"
        assert {row["key"]: row["value"] for row in other.table("show state")} == {"active": "no", "paused": "no", "suspended": "yes"}
        assert errors(other.ask("suspend"))[0]["M"] == errors(other.ask("pause"))[0]["M"] == "already suspended/paused"
        with Conn(p.address) as newcomer:
            newcomer.send(startup_packet("bouncer", "p0"))
            client.send(query("select 2"))
            assert newcomer.quiet(0.3) and client.quiet(0.1)
            console.close()
            newcomer.authenticate("bouncer", "zzzz")
            assert rows(client.until()) == [["2"]] and newcomer.value("select 3") == "3"
        other.ask("pause p1")
        assert errors(other.ask("suspend"))[0]["M"] == "cannot suspend with paused databases"


@pytest.mark.ours
def test_suspend_waits_for_what_is_to_go_out_up_to_suspend_timeout(pooler):
    p = pooler(pool_mode="transaction", suspend_timeout=1, tcp_socket_buffer=4096)
    with p.wire() as slow, p.console() as console:
        slow.send(query("select repeat('x', 1000) from generate_series(1, 50000)"))     # more than the kernel keeps
        eventually(lambda: any(int(row["send_avail"]) for row in p.command("show sockets")))
        time.sleep(0.5)
        begun = time.monotonic()
        assert tags(console.ask("suspend")) == "CZ"
        assert 0.8 < time.monotonic() - begun
        p.log_has("closing because: suspend_timeout")
        console.ask("resume")


def test_shutdown_ends_the_process_without_an_answer(pooler):
    """h8."""
    p = pooler()
    with p.console() as console:
        begun = time.monotonic()
        console.send(query("shutdown"))
        assert console.closed() == [] and p.wait_exit() == 0 and time.monotonic() - begun < 15


@pytest.mark.ours
def test_shutdown_wait_for_clients_waits_for_clients(pooler):
    p = pooler(pool_mode="transaction")
    client = p.wire()
    with p.console() as console:
        console.send(query("shutdown wait_for_clients"))
        time.sleep(0.5)
        assert p.process.poll() is None and client.value("select 1") == "1"
        with pytest.raises((OSError, Closed, PgError)):
            p.wire()
    client.close()
    assert p.wait_exit() == 0
    assert "client connections dropped, exiting" in p.log()


@pytest.mark.ours
def test_shutdown_wait_for_servers_lets_transactions_end_and_refuses_the_queue(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as busy, p.wire() as waiting, p.console() as console:
        busy.ask("begin")
        waiting.send(query("select 1"))
        eventually(lambda: p.pool()["cl_waiting"] == 1)
        console.send(query("shutdown wait_for_servers"))
        assert errors(waiting.closed())[0]["M"] == "server shutting down"
        assert busy.value("select 2") == "2"
        busy.ask("commit")
        assert p.wait_exit() == 0
        assert "server connections dropped, exiting" in p.log()
