"""RELOAD and SIGHUP: what changes, what stays, and what a broken file does not do."""
import re
import signal
import threading
import time

import pytest
from wire import Closed, Conn, PgError, errors, eventually, query, rows, startup_packet, tags


def setting(pooler, name):
    return {row["key"]: row["value"] for row in pooler.command("show config")}[name]


def reload(pooler, **settings):
    pooler.settings.update(settings)
    pooler.write_ini()
    pooler.command("reload")


@pytest.mark.parametrize("how", ["command", "signal"])
def test_a_reload_takes_the_new_settings(pooler, how):
    p = pooler(default_pool_size=5)
    p.settings["default_pool_size"] = 6
    p.write_ini()
    p.command("reload") if how == "command" else p.signal(signal.SIGHUP)
    eventually(lambda: setting(p, "default_pool_size") == "6")
    p.log_has("RELOAD command issued" if how == "command" else "got SIGHUP, re-reading config")


def test_a_line_removed_goes_back_to_its_default(pooler):
    """h15."""
    p = pooler(default_pool_size=5)
    del p.settings["default_pool_size"]
    reload(p)
    assert setting(p, "default_pool_size") == "20"


@pytest.mark.ours
def test_a_line_removed_counts_also_where_the_default_is_none(pooler):
    """PgBouncer keeps the old value then."""
    p = pooler(auth_dbname="p0")
    assert setting(p, "auth_dbname") == "p0"
    del p.settings["auth_dbname"]
    reload(p)
    assert not setting(p, "auth_dbname")


def test_a_setting_that_needs_a_restart_stays(pooler):
    """h15."""
    p = pooler()
    reload(p, listen_port=p.port + 1)
    assert p.wire().value("select 1") == "1" and setting(p, "listen_port") == str(p.port)


BROKEN = ["this is no setting\n", "default_pool_size = many\n", "no_such_setting = 1\n", "[nosection]\n"]


@pytest.mark.ours
@pytest.mark.parametrize("line", BROKEN)
def test_T54_a_broken_file_changes_nothing_and_is_reported(pooler, line):
    p = pooler(default_pool_size=5)
    with p.wire() as client, p.console() as console:
        client.ask("select 1")
        p.settings.update(default_pool_size=7, query_wait_timeout=99)
        p.write_ini()
        p.write("pooler.ini", p.ini.read_text() + line)
        failed = errors(console.ask("reload"))[0]
        assert (failed["C"], failed["M"]) == ("F0000", "RELOAD failed, see logs for additional details")
        assert (setting(p, "default_pool_size"), setting(p, "query_wait_timeout")) == ("5", "120")
        assert client.value("select 1") == "1"
        p.write_ini()
        console.ask("reload")
        assert setting(p, "default_pool_size") == "7"


def test_a_dropped_database_loses_its_clients(pooler):
    p = pooler(databases={"p0": "", "p1": ""}, pool_mode="transaction")
    with p.wire("p1") as gone, p.wire("p0") as stays:
        gone.ask("select 1")
        del p.databases["p1"]
        reload(p)
        try:
            assert [error["M"] for error in errors(gone.ask("select 1"))] == ["database removed"]
        except (Closed, BrokenPipeError):
            pass
        assert stays.value("select 1") == "1"
    p.log_has("dropping database 'p1'")


def test_a_database_may_be_added(pooler):
    p = pooler(databases={"p0": ""})
    p.databases["p1"] = ""
    reload(p)
    assert p.wire("p1").value("select current_database()") == "p1"


def test_T54_a_database_that_existed_by_the_wildcard_may_get_an_entry(pooler):
    p = pooler(databases={"*": ""}, pool_mode="transaction")
    with p.wire("p1") as conn, p.wire("p2") as other:
        assert conn.value("select current_user") == "bouncer"
        other.ask("select 1")
        p.databases["p1"] = "user=alice"
        reload(p)
        assert other.value("select 1") == "1"
    assert p.wire("p1").value("select current_user") == "alice"
    assert p.wire("p3").value("select 1") == "1", "the wildcard stays"


def test_a_changed_target_recycles_servers_and_keeps_clients(pooler):
    """h15."""
    p = pooler(databases={"db": "dbname=p0"}, pool_mode="transaction")
    with p.wire("db") as client:
        client.ask("begin")
        assert client.value("select current_database()") == "p0"
        p.databases["db"] = "dbname=p1"
        reload(p)
        assert client.value("select current_database()") == "p0", "a transaction ends where it began"
        client.ask("commit")
        eventually(lambda: client.value("select current_database()") == "p1")


def test_T52_clients_that_waited_through_pause_and_reload_get_the_new_target(pooler):
    p = pooler(databases={"db": "dbname=p0"}, pool_mode="transaction")
    with p.wire("db") as client, p.console() as console:
        client.ask("select 1")
        console.ask("pause")
        client.send(query("select current_database()"))
        assert client.quiet(0.2)
        p.databases["db"] = "dbname=p1"
        p.write_ini()
        console.ask("reload")
        console.ask("resume")
        assert rows(client.until()) == [["p1"]]


def test_T55_reloads_while_clients_connect_disturb_nobody(pooler):
    p, wrong, over = pooler(pool_mode="transaction"), [], threading.Event()

    def connect():
        while not over.is_set():
            try:
                with p.wire() as conn:
                    assert conn.value("select 1") == "1"
            except (PgError, Closed, OSError) as error:
                wrong.append(error)

    threads = [threading.Thread(target=connect) for _ in range(3)]
    for thread in threads:
        thread.start()
    with p.console() as console:
        for _ in range(40):
            assert tags(console.ask("reload")) == "CZ"
            time.sleep(0.02)
    over.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_auth_file_is_read_again(pooler):
    p = pooler(auth_type="md5")
    p.write_auth({"bouncer": "changed", "admin": "adminpass"})
    p.command("reload")
    with pytest.raises(PgError):
        p.wire("p0", "bouncer", "zzzz")
    p.wire("p0", "bouncer", "changed").close()


def test_the_log_file_is_reopened(pooler):
    p = pooler()
    moved = p.log_path.rename(p.folder / "log.1")
    p.command("reload")
    p.wire().close()
    p.log_has("login attempt")
    assert "login attempt" not in moved.read_text().split("RELOAD command issued")[-1].split("\n", 2)[-1]


def test_limits_changed_by_a_reload_count_at_once(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as busy, p.wire() as waiting:
        busy.ask("begin")
        waiting.send(query("select 'served'"))
        assert waiting.quiet(0.3)
        reload(p, default_pool_size=2)
        assert rows(waiting.until()) == [["served"]]


@pytest.mark.ours
def test_T56_the_consoles_name_is_reserved(pooler):
    p = pooler(start=False, databases={"pgbouncer": "dbname=p0"})
    p.start(wait=False)
    assert p.wait_exit() == 1 and 'database name "pgbouncer" is reserved' in p.output() + p.log()


def test_T57_a_client_that_asks_for_nothing_we_know_is_told_at_once(pooler):
    p = pooler(databases={"p0": ""})
    begun = time.monotonic()
    with Conn(p.address) as conn:
        conn.send(startup_packet("bouncer", "elsewhere"))
        assert re.search("no such database", errors(conn.closed())[0]["M"]) and time.monotonic() - begun < 10
