"""What clients cost in memory, and that it comes back."""
import os
import threading

import pytest
from test_hostile import resident_kib
from wire import SYNC, Closed, eventually, parse, query, rows


def test_idle_clients_are_cheap(pooler):
    p = pooler(pool_mode="transaction", max_client_conn=1500)
    first = [p.wire() for _ in range(100)]
    for conn in first:
        conn.ask("select 1")
    before = resident_kib(p)
    rest = [p.wire() for _ in range(700)]
    for conn in rest:
        conn.ask("select 1")
    assert (resident_kib(p) - before) / len(rest) < 8


def test_clients_that_come_and_go_leave_nothing(pooler):
    p = pooler(pool_mode="transaction", log_connections=0, log_disconnections=0)

    def many(count):
        for _ in range(count):
            with p.wire() as conn:
                conn.ask("select 1")

    many(300)
    before = resident_kib(p)
    many(1500)
    assert resident_kib(p) - before < 512


def test_T43_large_queries_that_wait_are_not_swallowed_whole(pooler):
    """Clients that wait are not read from, so that forty times eight megabytes stay where they are."""
    p = pooler(pool_mode="transaction", default_pool_size=1, max_client_conn=100)
    value = b"select length('" + b"x" * (8 << 20) + b"')"
    with p.wire() as holder:
        holder.ask("begin")
        clients = [p.wire(timeout=30) for _ in range(12)]
        before = resident_kib(p)
        senders = [threading.Thread(target=client.send, args=(query(value),)) for client in clients]
        for sender in senders:
            sender.start()
        eventually(lambda: p.pool()["cl_waiting"] == len(clients))
        assert resident_kib(p) - before < 12 * 1024
        holder.ask("commit")
        for sender, client in zip(senders, clients):
            sender.join()
            assert rows(client.until()) == [[str(8 << 20)]]
    eventually(lambda: resident_kib(p) - before < 12 * 1024)


def test_a_client_that_does_not_read_stops_its_server_not_the_poolers_memory(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire() as lazy, p.wire() as busy:
        before = resident_kib(p)
        lazy.send(query("select repeat('x', 1000000) from generate_series(1, 100)"))
        for i in range(30):
            assert busy.value(f"select {i}") == str(i)
        assert not lazy.quiet(1)
        assert resident_kib(p) - before < 8 * 1024
        lazy.sock.settimeout(20)
        assert len(rows(lazy.until())) == 100


@pytest.mark.ours
def test_a_message_above_max_packet_size_ends_its_client(pooler):
    p = pooler(pool_mode="transaction", max_packet_size=100000)
    with p.wire() as conn, p.wire() as other:
        assert conn.ask(f"select length('{'x' * 50000}')")[-1].tag == "Z"
        try:
            conn.send(query(f"select '{'x' * 200000}'"))
            said = conn.closed()
            assert said[-1].fields()["M"].startswith("bad packet header")
        except (OSError, Closed):
            pass
        assert other.value("select 1") == "1"


@pytest.mark.ours
def test_a_login_notice_comes_before_the_first_ready_for_query(pooler):
    with pooler(login_notify_message="maintenance at noon").wire() as conn:
        assert [notice["M"] for notice in conn.notices] == ["maintenance at noon"]


def test_an_automatic_database_is_forgotten_when_idle(pooler):
    p = pooler(databases={"*": ""}, autodb_idle_timeout=1, server_idle_timeout=1, pool_mode="transaction")
    p.wire("p6").ask("select 1")
    assert "p6" in [row["name"] for row in p.command("show databases")]
    eventually(lambda: "p6" not in [row["name"] for row in p.command("show databases")], 8, 0.2)
    assert p.wire("p6").value("select 1") == "1"


@pytest.mark.ours
def test_statements_of_many_clients_share_their_texts(pooler):
    """PGWEIR_MEMORY_CLIENTS=10000 is the large run; it needs as many descriptors."""
    count, texts, each = int(os.environ.get("PGWEIR_MEMORY_CLIENTS", "400")), 500, 50
    p = pooler(pool_mode="transaction", default_pool_size=4, max_client_conn=count + 100, log_connections=0, log_disconnections=0,
               max_prepared_statements=texts)
    body = "select /* " + "x" * 400 + " */ "
    clients = [p.wire() for _ in range(count)]
    for conn in clients:
        conn.ask("select 1")
    before = resident_kib(p)
    for i, conn in enumerate(clients):
        conn.send(*(parse(f"statement_{n}", body + str((i * each + n) % texts)) for n in range(each)), SYNC).until()
    grown = (resident_kib(p) - before) / count
    known = {row["name"]: int(row["value"]) for row in p.command("show prepared_statements")}
    print(f"{count} clients, {each} statements each, {texts} texts: {grown:.1f} KiB per client, texts {known['text_bytes'] / 1024:.0f} KiB")
    assert known["texts"] == min(texts, count * each) and known["client_names"] == count * each
    assert known["text_bytes"] < texts * 1000
    # A name, its place in a table and a reference: not the text.
    assert grown < 10
