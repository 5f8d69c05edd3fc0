"""SHOW ISOLATION: which statements of which applications do something to their sessions, and what comes of it; in session
mode, what would come of it in transaction mode."""
import pytest
from test_isolation import isolation
from wire import eventually, extended, query

pytestmark = pytest.mark.ours


def classes(p, database="p0"):
    """By application and text."""
    return {(row["application_name"], row["query"]): row for row in p.command("show isolation")
            if row["database"] == database and row["queryid"]}


def test_each_class_of_statements_is_told_by_application(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=2, workers=1)
    with p.wire(application_name="web") as web, p.wire(application_name="jobs") as jobs:
        web.ask("begin")
        jobs.ask("begin")
        for value in ("5MB", "6MB"):
            web.ask(f"set work_mem to '{value}'")
        web.ask("commit")
        jobs.ask("commit")
        jobs.send(extended("select pg_advisory_lock($1)", ["7"])).until()
        web.ask("select 1")
        jobs.ask("select pg_advisory_unlock(7)")
        jobs.ask("set work_mem to '9MB'")
        jobs.ask("select 1")
    found = classes(p)
    setting = found["web", "set work_mem to $1"]
    assert (setting["runs"], setting["kept"], setting["verdict"]) == ("2", "2", "its settings follow the client")
    lock = found["jobs", "select pg_advisory_lock($1)"]
    assert (lock["runs"], lock["advisory_lock"], lock["verdict"]) == ("1", "1", "keeps its server: advisory_lock")
    assert found["jobs", "set work_mem to $1"]["kept"] == "1"
    assert not any("select 1" in text for _, text in found)
    queries = {row["query"]: row["queryid"] for row in p.command("show queries")}
    assert queries["set work_mem to $1"] == setting["queryid"]


def test_replays_are_counted_for_the_class_that_made_them(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, workers=1)
    with p.wire(application_name="one") as one, p.wire(application_name="two") as two:
        one.ask("set app.x = '1'")
        for _ in range(3):
            two.ask("select 1")
            one.ask("select 1")
    [row] = classes(p).values()
    assert (row["application_name"], row["runs"], row["kept"], row["replays"]) == ("one", "1", "1", "3")


def test_in_session_mode_it_is_a_report_of_what_transaction_mode_would_do(pooler):
    p = pooler(pool_mode="session", workers=1)
    with p.wire(application_name="app") as one:
        one.ask("select 1")
    assert isolation(p)["verdict"] == "ready for transaction mode: nothing seen that changes sessions"
    with p.wire(application_name="app") as one:
        one.ask("set app.x = '1'")
        one.send(extended("select set_config('app.x', $1, false)", ["2"])).until()
    assert isolation(p)["verdict"] == "ready for transaction mode: 2 classes of statements would be followed or looked at"
    with p.wire(application_name="app") as one:
        one.ask("create temp table scratch (x int)")
        one.ask("listen news")
        one.ask("declare c cursor with hold for select 1")
        one.ask("select pg_advisory_lock(1)")
        one.ask("do $$ begin end $$")
        one.ask("select set_config('app.' || 'y', '1', false)")
        one.send(query("load 'nothing_of_this_name'")).until()
        one.send(extended("select set_config($1, 'z', false)", ["app.z"])).until()
    said = [(text, row["verdict"]) for (_, text), row in classes(p).items()]

    def verdict(begin):
        return [verdict for text, verdict in said if text.startswith(begin)]
    assert verdict("create temp") == ["would keep its server: temporary"]
    assert verdict("declare") == ["would keep its server: held_cursor"]
    assert verdict("listen") == ["would change nothing"]
    assert verdict("select pg_advisory_lock") == ["would keep its server: advisory_lock"]
    assert verdict("select set_config($1 ||") == ["would keep its server: unreadable_setting"]
    assert verdict("select set_config($1, $2") == ["its settings would follow the client"]
    assert [row["kept"] for (_, text), row in classes(p).items() if text.startswith("select set_config($1, $2")] == ["2"]   # of either name
    assert verdict("load") == ["would keep its server: library"]
    assert verdict("do ") == ["would be looked at: a function or code"]
    assert verdict("set app") == ["its settings would follow the client"]
    assert isolation(p)["verdict"].startswith("in transaction mode ")
    assert all(row["session_state"] == "session mode" for row in classes(p).values())


def test_the_report_is_bounded(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, workers=1)
    with p.wire() as one:
        for number in range(1100):
            one.ask(f"set app.x = '1'; select 1 as c{number}")
    assert len(classes(p)) == 1000


def test_a_server_that_has_the_settings_already_is_preferred(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=2, workers=1)
    with p.wire() as one, p.wire() as two:
        one.ask("begin")
        two.ask("begin")
        one.ask("set app.x = '1'")
        one.ask("commit")
        two.ask("commit")
        eventually(lambda: isolation(p)["looks"] == 1)
        for _ in range(20):
            assert one.value("select current_setting('app.x', true)") == "1"
            assert two.value("select current_setting('app.x', true)") in (None, "")
    assert isolation(p)["replays"] == 0
