"""[peers]: several processes behind one address; a cancel request finds the one whose client it is."""
import socket
import struct
import threading
import time

import pytest
from wire import Conn, errors, eventually, query, send_cancel, startup_packet

pytestmark = pytest.mark.ours


@pytest.fixture
def trio(pooler):
    """Three processes that know each other."""
    all_ = [pooler(start=False, pool_mode="transaction", peer_id=number) for number in (1, 2, 3)]
    for p in all_:
        p.peers = {number: f"host=127.0.0.1 port={other.port} pool_size=4" for number, other in zip((1, 2, 3), all_)}
        p.write_ini()
        p.start()
    return all_


def running(conn, seconds=30):
    conn.send(query(f"select pg_sleep({seconds})"))


def test_keys_have_the_layout_that_pgbouncer_reads(trio):
    for number, p in enumerate(trio, 1):
        keys = []
        for minor in (0, 2):
            with Conn(p.address) as conn:
                conn.send(startup_packet("bouncer", "p0", version=196608 + minor)).authenticate("bouncer", "zzzz")
                keys.append(conn.key)
        for key in keys:
            assert len(key) == 8 and key[0] < 128
            assert key[1] | key[2] << 8 == number and key[7] & 3 == 3


@pytest.mark.parametrize("way", ["own", "peer"])
def test_a_cancel_finds_its_client_through_any_process(trio, cluster, way):
    home, other = trio[1], trio[0]
    with home.wire() as conn:
        running(conn)
        eventually(lambda: home.pool()["sv_active"] == 1)
        time.sleep(0.1)
        send_cancel((home if way == "own" else other).address, conn.key)
        assert errors(conn.until())[0]["C"] == "57014"
        assert conn.value("select 1") == "1"


def test_a_cancel_is_forwarded_three_times_and_no_further(trio, pooler):
    lost = pooler(start=False, pool_mode="transaction", peer_id=4)
    # A fourth process that takes itself for somebody else's neighbour: 4 -> 4 -> 4 -> 4 for a client of 9.
    lost.peers = {9: f"host=127.0.0.1 port={lost.port}"}
    lost.write_ini()
    lost.start()
    send_cancel(lost.address, bytes([0, 9, 0, 1, 2, 3, 4, 7]))
    lost.log_has("failed to forward cancel request because its TTL was exhausted")
    assert len(trio) == 3


def test_an_unknown_peer_is_told_in_the_log(trio):
    send_cancel(trio[0].address, bytes([0, 77, 0, 1, 2, 3, 4, 7]))
    trio[0].log_has("could not find peer to forward request to")


def test_a_wrong_key_cancels_nobody(trio):
    with trio[1].wire() as conn:
        running(conn, 1)
        eventually(lambda: trio[1].pool()["sv_active"] == 1)
        for bit in (0, 8, 40, 60):                    # of byte 3 to 7, without the time to live
            wrong = bytearray(conn.key)
            wrong[3 + bit // 16] ^= 0x10
            send_cancel(trio[0].address, bytes(wrong))
        assert not errors(conn.until())


def test_a_peer_that_does_not_answer_is_waited_for_cancel_wait_timeout_only(pooler):
    p = pooler(pool_mode="transaction", peer_id=1, cancel_wait_timeout=1, start=False)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        p.peers = {2: f"host=127.0.0.1 port={silent.getsockname()[1]} pool_size=1"}
        p.write_ini()
        p.start()
        # One goes there and waits for the end; the second has to wait for the first.
        threads = [threading.Thread(target=send_cancel, args=(p.address, bytes([0, 2, 0, 1, 2, 3, 4, 7])))
                   for _ in range(2)]
        for thread in threads:
            thread.start()
        row = eventually(lambda: next((r for r in p.command("show peer_pools")
                                       if r["cl_active_cancel_req"] == "1" and r["cl_waiting_cancel_req"] == "1"), None))
        assert (row["peer_id"], row["sv_active_cancel"], row["sv_login"]) == ("2", "1", "0")
        accepted, _ = silent.accept()
        accepted.settimeout(5)
        assert accepted.recv(100) == struct.pack("!II", 16, 80877102) + bytes([0, 2, 0, 1, 2, 3, 4, 6])
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
        accepted.close()
    assert p.process.poll() is None


def test_show_tells_peers_and_their_pools(trio):
    rows = trio[0].command("show peers")
    assert [(row["peer_id"], row["host"], row["pool_size"]) for row in rows] == [(str(n), "127.0.0.1", "4") for n in (1, 2, 3)]
    assert [row["peer_id"] for row in trio[0].command("show peer_pools")] == ["2", "3"]     # oneself is none
    lists = {row["list"]: row["items"] for row in trio[0].command("show lists")}
    assert (lists["peers"], lists["peer_pools"]) == ("3", "2")


def test_a_cancel_through_a_shared_port_always_arrives(pooler):
    """What peering is for: with so_reuseport the kernel gives the cancel request to any of the processes."""
    from servers import free_port
    port = free_port()
    pair = [pooler(start=False, pool_mode="transaction", peer_id=number, so_reuseport=1, listen_port=port)
            for number in (1, 2)]
    for p in pair:
        p.port = port
        p.peers = {n: f"host={other.folder} port={port}" for n, other in zip((1, 2), pair)}
        p.write_ini()
        p.start()
    for _ in range(6):
        with Conn(("127.0.0.1", port)).login("bouncer", "p0", "zzzz") as conn:
            running(conn)
            time.sleep(0.15)
            send_cancel(("127.0.0.1", port), conn.key)
            assert errors(conn.until())[0]["C"] == "57014"
