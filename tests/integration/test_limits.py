"""How many: servers per pool, database and user, clients in all, and who waits for whom."""
import time

import pytest
from wire import Conn, PgError, errors, eventually, msg, query, rows, startup_packet



def hold(pooler, count, database="p0", user="bouncer"):
    """Clients that each hold a server by an open transaction."""
    held = [pooler.wire(database, user) for _ in range(count)]
    for client in held:
        client.ask("begin")
    return held


def waits(pooler, database="p0", user="bouncer"):
    """A client that gets no server: its query waits, or already its login where the pool is cold."""
    client = Conn(pooler.address)
    waiting = lambda: (pooler.pool(database, user) or {"cl_waiting": 0})["cl_waiting"]
    before = waiting()
    client.send(startup_packet(user, database))
    client.cold = False
    while not client.cold and client.quiet(0.2):
        client.cold = waiting() > before
    if client.cold:
        return client
    client.authenticate(user, "")
    client.send(query("select 'served'"))
    assert client.quiet(0.4), "it was served though the limit is reached"
    return client


def release(client):
    client.ask("commit")


def served(client):
    if client.cold:
        client.authenticate("", "")
        client.send(query("select 'served'"))
    return rows(client.until()) == [["served"]]


def test_a_pool_never_has_more_servers_than_pool_size(pooler, cluster):
    p = pooler(pool_mode="transaction", databases={"p0": "", "p3": "pool_size=3"}, default_pool_size=2)
    for database, size in (("p0", 2), ("p3", 3)):
        eventually(lambda: cluster.backends(database) == 0)       # those of the test before this one take their time
        held = hold(p, size, database)
        last = waits(p, database)
        assert cluster.backends(database) == size
        release(held[0])
        assert served(last)
        for client in held + [last]:
            client.close()


def test_a_user_may_have_a_pool_size_of_its_own(pooler, cluster):
    p = pooler(pool_mode="transaction", default_pool_size=5, users={"alice": "pool_mode=transaction max_user_connections=2"})
    held = hold(p, 2, user="alice")
    last = waits(p, user="alice")
    release(held[0])
    assert served(last)


@pytest.mark.ours
def test_pool_size_of_a_user_comes_before_that_of_the_database(pooler):
    p = pooler(pool_mode="transaction", databases={"p0": "pool_size=4"}, users={"alice": "pool_size=1"})
    held = hold(p, 1, user="alice")
    last = waits(p, user="alice")
    release(held[0])
    assert served(last)


def test_min_pool_size_is_kept_while_clients_are_there(pooler, cluster):
    p = pooler(pool_mode="transaction", databases={"p4": "min_pool_size=3"}, server_idle_timeout=1)
    with p.wire("p4") as conn:
        conn.ask("select 1")
        eventually(lambda: cluster.backends("p4") >= 3)
        time.sleep(1.5)
        assert cluster.backends("p4") >= 3


@pytest.mark.ours
def test_min_pool_size_with_a_forced_user_needs_no_client(pooler, cluster):
    p = pooler(pool_mode="transaction", databases={"p4": "user=bouncer min_pool_size=2"})
    eventually(lambda: cluster.backends("p4") == 2)
    eventually(lambda: p.pool("p4")["sv_idle"] == 2)      # one of them is asked for hidden code first


def test_the_reserve_pool_opens_only_after_its_timeout(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, reserve_pool_size=1, reserve_pool_timeout=2)
    held = hold(p, 1)
    client = waits(p)
    begun = time.monotonic()
    assert served(client)
    assert 0.2 < time.monotonic() - begun < 15 and held[0].status == "T"
    p.log_has(r"WARNING .*taking connection from reserve_pool")


def test_max_client_conn_refuses_the_next_client(pooler):
    p = pooler(max_client_conn=3)
    held = [p.wire() for _ in range(3)]
    with pytest.raises(PgError, match=r"no more connections allowed \(max_client_conn\)") as caught:
        p.wire()
    assert caught.value.fields["S"] == "FATAL" and caught.value.fields["C"] == "08P01"
    held[0].send(msg("X"))
    held[0].close()
    eventually(lambda: can_login(p))


def can_login(pooler, *arguments):
    try:
        pooler.wire(*arguments).close()
        return True
    except PgError:
        return False


def test_the_console_is_exempt_from_max_client_conn(pooler):
    p = pooler(max_client_conn=2)
    held = [p.wire() for _ in range(2)]
    assert len(held) == 2 and p.command("show version")


def test_max_db_connections_counts_across_users(pooler, cluster):
    p = pooler(pool_mode="transaction", databases={"p5": "max_db_connections=2"})
    held = hold(p, 1, "p5", "alice") + hold(p, 1, "p5", "bob")
    last = waits(p, "p5", "bouncer")
    assert cluster.backends("p5") == 2
    release(held[0])
    assert served(last)


def test_an_idle_server_of_another_pool_is_evicted_to_make_room(pooler, cluster):
    p = pooler(pool_mode="transaction", max_db_connections=1)
    with p.wire("p5", "alice") as alice, p.wire("p5", "bob") as bob:
        assert alice.value("select current_user") == "alice"
        assert bob.value("select current_user") == "bob"
        assert alice.value("select current_user") == "alice"
    p.log_has("closing because: evicted")
    assert cluster.backends("p5") <= 1


def test_max_user_connections_counts_across_databases(pooler):
    p = pooler(pool_mode="transaction", max_user_connections=2)
    held = hold(p, 1, "p0", "alice") + hold(p, 1, "p1", "alice")
    last = waits(p, "p2", "alice")
    with p.wire("p2", "bob") as other:
        assert other.value("select 1") == "1"
    release(held[0])
    assert served(last)


@pytest.mark.ours
def test_max_db_client_connections_refuses_clients_of_one_database(pooler):
    p = pooler(databases={"p0": "max_db_client_connections=2", "p1": ""})
    held = [p.wire("p0"), p.wire("p0", "alice")]
    with pytest.raises(PgError, match=r"client connections exceeded \(max_db_client_connections\)"):
        p.wire("p0")
    p.wire("p1").close()
    held[0].close()
    eventually(lambda: can_login(p))


@pytest.mark.ours
def test_max_user_client_connections_refuses_clients_of_one_user(pooler):
    p = pooler(users={"alice": "max_user_client_connections=2"})
    held = [p.wire("p0", "alice"), p.wire("p1", "alice")]
    with pytest.raises(PgError, match=r"client connections exceeded \(max_user_client_connections\)"):
        p.wire("p0", "alice")
    p.wire("p0", "bob").close()
    held[0].close()
    eventually(lambda: can_login(p, "p0", "alice"))


def test_waiting_clients_are_served_in_the_order_they_came(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    (first,) = hold(p, 1)
    queue = [p.wire() for _ in range(6)]
    for number, client in enumerate(queue):
        client.send(query(f"select {number}, clock_timestamp()::text, pg_sleep(0.02)"))
        eventually(lambda expected=number + 1: p.pool()["cl_waiting"] == expected)
    release(first)
    answers = [rows(client.until())[0] for client in queue]
    assert [answer[1] for answer in answers] == sorted(answer[1] for answer in answers)


@pytest.mark.ours
def test_a_pool_of_zero_is_unlimited(pooler, cluster):
    """h10."""
    p = pooler(pool_mode="transaction", default_pool_size=0)
    held = hold(p, 30, "p6")
    assert cluster.backends("p6") == 30 and len(held) == 30


@pytest.mark.ours
def test_a_waiting_client_that_leaves_gives_up_its_place(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    (first,) = hold(p, 1)
    gone, stays = waits(p), waits(p)
    gone.close()
    eventually(lambda: p.pool()["cl_waiting"] == 1)
    release(first)
    assert served(stays)


@pytest.mark.ours
def test_T45_clients_killed_in_login_or_in_the_queue_give_their_slots_back(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, max_client_conn=10, auth_type="md5")
    (first,) = hold(p, 1)
    for _ in range(5):
        login = [Conn(p.address) for _ in range(3)]
        for conn in login:
            conn.send(b"\0\0\0\x20\0\3\0\0user\0")
        queued = [p.wire() for _ in range(3)]
        for conn in queued:
            conn.send(query("select 1"))
        for conn in login + queued:
            conn.reset()
        eventually(lambda: int({row["list"]: row["items"] for row in p.command("show lists")}["used_clients"]) <= 2)
    release(first)
    everybody = [p.wire() for _ in range(9)]
    assert everybody[-1].value("select 1") == "1"


def test_the_last_used_server_is_used_first(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=3)
    held = hold(p, 3)
    pids = [client.value("select pg_backend_pid()") for client in held]
    for client in held:
        release(client)
    assert [held[0].value("select pg_backend_pid()") for _ in range(3)] == [pids[2]] * 3


def test_server_round_robin_uses_the_longest_idle_server_first(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=3, server_round_robin=1)
    held = hold(p, 3)
    pids = [client.value("select pg_backend_pid()") for client in held]
    for client in held:
        release(client)
    assert [held[0].value("select pg_backend_pid()") for _ in range(3)] == pids


def test_half_a_query_takes_no_server_from_who_has_said_all(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire("p0") as slow, p.wire("p0") as quick, p.wire("p0") as holder:
        holder.ask("begin")
        slow.send(query("select 'slow'")[:12])
        time.sleep(0.3)
        quick.send(query("select 'quick'"))
        eventually(lambda: p.pool("p0")["cl_waiting"] == 1)
        holder.ask("commit")
        assert rows(quick.until()) == [["quick"]]
        slow.send(query("select 'slow'")[12:])
        assert rows(slow.until()) == [["slow"]]


def test_what_is_no_message_does_not_wait_for_a_server(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire("p0") as broken, p.wire("p0") as holder:
        holder.ask("begin")
        broken.send(b"Q\0\0\0\0select 1\0")
        assert "bad packet header" in errors(broken.closed())[0]["M"]
        holder.ask("commit")
