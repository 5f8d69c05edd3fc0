"""LISTEN in the shared modes: clients and connections that are lost, limits, who does not read, the console, workers."""
import pytest
from listening import heard, isolation, listeners, notify, pool, settled  # noqa: F401
from wire import eventually, msg, query

pytestmark = pytest.mark.ours


def test_a_client_that_dies_is_forgotten(pool, notify, cluster):
    p = pool()
    with p.wire() as stays:
        stays.ask("listen news")
        for end in ("close", "reset", "terminate"):
            one = p.wire()
            one.ask("listen news; listen other")
            settled(p, 2)
            if end == "terminate":
                one.send(msg("X")).closed()
            elif end == "reset":
                one.reset()
            else:
                one.close()
            settled(p, 1)
        notify("news", "still")
        assert heard(stays, 1) == [("news", "still")]
        assert len(listeners(cluster)) == 1


def test_a_listener_that_is_lost_is_replaced_and_its_clients_are_told(pool, notify, cluster):
    p = pool()
    with p.wire() as one, p.wire() as two:
        one.ask("listen news"), two.ask('listen news; listen "Other"')
        settled(p, 2)
        for _ in range(2):
            before = listeners(cluster)
            cluster.value(f"select pg_terminate_backend({before[0]})")
            after = eventually(lambda: [pid for pid in listeners(cluster) if pid not in before])
            assert len(after) == 1
            for conn in (one, two):
                message = conn.read()
                fields = message.fields()
                assert message.tag == "N" and fields["S"] == "WARNING" and fields["C"] == "01000", message
                assert "may have been lost" in fields["M"], fields
            notify("news", "again")
            notify("Other", "too")
            assert heard(one, 1) == [("news", "again")]
            assert heard(two, 2) == [("news", "again"), ("Other", "too")]
            assert one.quiet(0.1) and one.value("select 5") == "5"


def test_a_listener_comes_back_with_its_server(pooler, own_cluster):
    p = pooler(own_cluster, pool_mode="transaction", server_login_retry=1)
    with p.wire() as one:
        one.ask("listen news")
        settled(p, 1)
        own_cluster.stop()
        assert eventually(lambda: "connect failed" in p.log() or "starting up" in p.log())
        own_cluster.start()
        message = one.read()
        assert message.tag == "N" and "may have been lost" in message.fields()["M"]
        own_cluster.connect("p0").execute("notify news, 'back'")
        assert heard(one, 1) == [("news", "back")]
        assert one.value("select 1") == "1"


def test_who_listens_while_the_listener_cannot_come_is_told_by_its_own_server(pool, notify, cluster):
    p = pool(size=2, max_db_connections=1)
    with p.wire() as one:
        one.ask("listen news")
        eventually(lambda: isolation(p)["pinned"] == 1)
        notify("news", "1")
        assert heard(one, 1) == [("news", "1")]
        p.settings["max_db_connections"] = 2
        p.write_ini()
        p.command("reload")
        settled(p, 1)
        notify("news", "2")
        assert heard(one, 1) == [("news", "2")]
        assert one.quiet(0.2)


def test_pause_closes_the_listener_and_resume_brings_it_back(pool, notify, cluster):
    p = pool()
    with p.wire() as one:
        one.ask("listen news")
        settled(p, 1)
        for go, come in (("pause", "resume"), ("reconnect", "show version")):
            before = listeners(cluster)
            p.command(go)
            p.command(come)
            eventually(lambda: [pid for pid in listeners(cluster) if pid not in before])
            assert one.read().fields()["S"] == "WARNING"
            notify("news", go)
            assert heard(one, 1) == [("news", go)]


def test_kill_and_shutdown_are_not_held_up(pool, cluster):
    p = pool()
    with p.wire() as one:
        one.ask("listen news")
        settled(p, 1)
        p.command("kill p0")
        assert one.closed()[-1].tag == "E"
        p.command("resume p0")
    with p.wire() as one:
        one.ask("listen news")
        settled(p, 1)
        with p.console() as console:
            console.send(query("shutdown wait_for_servers"))
            assert p.wait_exit() == 0
    assert not listeners(cluster)


def test_a_client_that_does_not_read_is_closed_and_costs_a_bounded_amount(pool, notify):
    p = pool()
    with p.wire() as slow, p.wire() as one:
        slow.ask("listen flood"), one.ask("listen news")
        settled(p, 2)
        for number in range(2000):
            notify("flood", "f" * 7900)
            if number % 50 == 0 and isolation(p)["listening"] == 1:
                break
        settled(p, 1)
        assert "too many notifications wait for the client" in p.log()
        notify("news", "well")
        assert heard(one, 1) == [("news", "well")]


def test_a_long_transaction_of_a_client_for_whom_too_much_waits(pool, notify):
    p = pool(size=2)
    with p.wire() as one:
        one.ask("listen flood")
        settled(p, 1)
        one.ask("begin")
        for _ in range(100):
            notify("flood", "f" * 7900)
        one.ask("commit")
        assert len(heard(one, 100)) == 100
        one.ask("begin")
        for _ in range(150):
            notify("flood", "f" * 7900)
        closed = [message for message in one.closed() if message.tag == "E"]
        assert closed[0].fields()["C"] == "53400"


def test_another_encoding_than_the_listeners_keeps_its_server(pool, notify):
    p = pool(size=2)
    with p.wire() as one, p.wire(client_encoding="LATIN1") as two:
        one.ask("listen news")
        settled(p, 1)
        two.ask("listen news")
        eventually(lambda: isolation(p)["pinned"] == 1)
        notify("news", "ä")
        assert heard(one, 1) == [("news", "ä")]
        assert two.read().body[4:] == b"news\0\xe4\0"


@pytest.mark.parametrize("settings", [{"session_state": "off"}, {"session_state": "pin"}])
def test_other_rules_are_as_before(pool, notify, cluster, settings):
    p = pool(**settings)
    with p.wire() as one:
        one.ask("listen news")
        if settings["session_state"] == "pin":
            eventually(lambda: isolation(p)["pinned"] == 1)
            notify("news", "1")
            assert heard(one, 1) == [("news", "1")]
        assert isolation(p)["listening"] == 0 and not listeners(cluster)


def test_two_workers_have_a_listener_each(pool, notify, cluster):
    p = pool(size=4, workers=2)
    clients = [p.wire() for _ in range(40)]
    for conn in clients:
        conn.ask("listen news")
    settled(p, 40)
    assert 1 <= len(listeners(cluster)) <= 2
    with p.wire() as speaker:
        for number in range(20):
            speaker.ask(f"notify news, '{number}'")
    for conn in clients:
        assert [int(payload) for _, payload in heard(conn, 20)] == list(range(20))
        conn.close()
