"""Garbage at the listening port: the process lives, its memory stays flat, the other clients are served."""
import os
import random
import resource
import socket
import struct
import threading
import time
from pathlib import Path

import pytest
from wire import (PROTOCOL_3_0, SYNC, Conn, bind, copy_data, describe, eventually, execute, extended, msg, parse, query,
                  rows, startup_packet, z)

SEED = int(os.environ.get("PGWEIR_SEED", "20261121"))


def resident_kib(pooler):
    """What the pooler holds, without the pages of its program, which come as they are run first."""
    for line in Path(f"/proc/{pooler.process.pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise AssertionError("no RssAnon")


def open_files(pooler):
    return len(os.listdir(f"/proc/{pooler.process.pid}/fd"))


class Bystander(threading.Thread):
    """A client of another database that goes on asking while others misbehave, and notes every answer that is wrong or late."""

    def __init__(self, pooler):
        super().__init__()
        self.conn, self.over, self.wrong, self.asked, self.slowest = pooler.wire("p1"), threading.Event(), [], 0, 0.0
        self.start()

    def run(self):
        while not self.over.is_set():
            begun = time.monotonic()
            try:
                if self.conn.value(f"select {self.asked}") != str(self.asked):
                    self.wrong.append(self.asked)
            except Exception as error:
                self.wrong.append(error)
                return
            self.asked += 1
            self.slowest = max(self.slowest, time.monotonic() - begun)
            time.sleep(0.005)

    def verdict(self):
        self.over.set()
        self.join()
        self.conn.close()
        assert self.wrong == [] and self.asked > 5 and self.slowest < 5, (self.wrong, self.asked, self.slowest)


def batch(pooler, packets, drain):
    """Throws each packet at a connection of its own, a hundred open at a time."""
    conns = []
    for packet in packets:
        conn = Conn(pooler.address)
        conn.sock.settimeout(0.02)
        try:
            conn.send(packet)
            if drain:
                conn.sock.recv(4096)
        except (OSError, TimeoutError):
            pass
        conns.append(conn)
        if len(conns) == 100:
            for conn in conns:
                conn.close()
            conns = []
    for conn in conns:
        conn.close()


def hang_up(conn):
    """Ends our half and reads to the end, so that the pooler has read all that was sent."""
    conn.sock.settimeout(2)
    try:
        conn.sock.shutdown(socket.SHUT_WR)
        while conn.sock.recv(1 << 16):
            pass
    except OSError:
        pass


def random_packets(source, count):
    for _ in range(count):
        yield source.randbytes(source.choice((1, 4, 5, 8, 9, 20, 100, 1000)))


def plausible_startups(source, count):
    """A sane length and a version, then anything."""
    for _ in range(count):
        body = source.randbytes(source.randrange(0, 80))
        code = source.choice((PROTOCOL_3_0, PROTOCOL_3_0 + 2, 80877102, 80877103, 80877104, 131072, source.getrandbits(32)))
        yield struct.pack("!II", len(body) + 8 + source.choice((0, 0, 0, 1, -1, 1000)), code) + body


@pytest.mark.timeout(300)
def test_a_hundred_thousand_random_packets_do_no_harm(pooler):
    """A part of them one per connection, most as random messages in connections that are logged in."""
    p, source = pooler(pool_mode="transaction", client_login_timeout=2, log_connections=0, log_pooler_errors=0), random.Random(SEED)
    bystander = Bystander(p)
    batch(p, random_packets(source, 3000), drain=False)
    before, sent = resident_kib(p), 0
    while sent < 100_000:
        with p.wire(timeout=5) as conn:
            raw = []
            for _ in range(500):
                tag = source.choice("QPBEDCSHFdcfpX!~") if source.random() < 0.5 else chr(source.randrange(1, 127))
                raw.append(msg(tag, source.randbytes(source.randrange(0, 24))))
            try:
                conn.send(*raw)
            except OSError:
                pass
            hang_up(conn)
            sent += len(raw)
    bystander.verdict()
    assert resident_kib(p) - before < 8 * 1024
    eventually(lambda: p.pool()["sv_active"] == 0 and p.pool()["cl_active"] == 0, 10)


@pytest.mark.timeout(300)
def test_ten_thousand_mutated_packets_do_no_harm(pooler):
    p, source = pooler(pool_mode="transaction", client_login_timeout=2, log_connections=0, log_pooler_errors=0), random.Random(SEED + 1)
    bystander = Bystander(p)
    seeds = [query("select 1"), extended("select $1::int", (1,)), parse("s", "select 1") + describe("S", "s") + SYNC,
             bind("", "s", ("x",)) + execute() + SYNC, query("copy (select 1) to stdout"), copy_data("1\n"),
             msg("F", bytes(20)), query("begin") + query("commit"), msg("p", z("secret"))]
    before, done = resident_kib(p), 0
    while done < 10_000:
        with p.wire(timeout=5) as conn:
            for _ in range(20):
                raw = bytearray(source.choice(seeds))
                for _ in range(source.randrange(1, 4)):
                    raw[source.randrange(len(raw))] = source.getrandbits(8)
                if source.random() < 0.2:
                    del raw[source.randrange(len(raw)):]
                done += 1
                try:
                    conn.send(bytes(raw))
                except OSError:
                    break
            hang_up(conn)
    bystander.verdict()
    assert resident_kib(p) - before < 8 * 1024
    eventually(lambda: p.pool()["sv_active"] == 0, 10)


def test_mutated_startups_do_no_harm(pooler):
    p, source = pooler(client_login_timeout=1, log_connections=0, log_pooler_errors=0), random.Random(SEED + 2)
    bystander = Bystander(p)
    batch(p, plausible_startups(source, 2500), drain=True)
    good = startup_packet("bouncer", "p0", application_name="x")
    mutants = []
    for _ in range(1500):
        raw = bytearray(good)
        raw[source.randrange(len(raw))] = source.getrandbits(8)
        mutants.append(bytes(raw))
    batch(p, mutants, drain=True)
    bystander.verdict()
    files = lambda: open_files(p) < 40
    eventually(files, 8)


@pytest.mark.ours
def test_T40_a_protocol_option_many_times_leaves_memory_flat(pooler):
    p = pooler(log_connections=0, log_disconnections=0)
    raw = startup_packet("bouncer", "p0", **{"_pq_.x": "1"}) + msg("X")

    def many(count):
        for _ in range(count):
            with Conn(p.address) as conn:
                conn.send(raw)
                conn.closed()

    many(500)
    before = resident_kib(p)
    many(3000)
    assert resident_kib(p) - before < 1024


def test_clients_that_say_nothing_cost_little_and_go(pooler):
    p = pooler(client_login_timeout=1, max_client_conn=400)
    silent = [Conn(p.address) for _ in range(300)]
    with p.wire() as conn:
        assert conn.value("select 1") == "1"
    eventually(lambda: open_files(p) < 40, 6)
    for conn in silent:
        conn.close()


@pytest.mark.ours
def test_T46_more_clients_than_file_descriptors_do_not_stop_those_inside(pooler):
    """Out of descriptors, the pooler neither spins nor drops the clients it has, says so once in five seconds, and does not
    take its own want for a server that is down."""
    p = pooler(max_client_conn=5000, pool_mode="transaction", server_login_retry=1)
    with p.wire() as inside, p.wire() as next_one:
        inside.ask("begin")
        p.command("show version")
        try:
            resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE, (open_files(p) + 10,) * 2)
        except PermissionError:
            pytest.skip("this machine lets nobody lower another process's limits")
        crowd = []
        try:
            for _ in range(60):
                crowd.append(Conn(p.address, timeout=1))
        except OSError:
            pass
        p.log_has(r"accept\(\) failed: Too many open files")
        before, begun = cpu_seconds(p), time.monotonic()
        next_one.send(query("select 'served'"))
        for i in range(10):
            assert inside.value(f"select {i}") == str(i)
            time.sleep(0.1)
        assert cpu_seconds(p) - before < 0.5, "it spins"
        assert p.log().count("accept() failed") <= 1 + (time.monotonic() - begun) / 5
        assert next_one.quiet(0.01), "it waits for a server that cannot be reached for want of a descriptor"
        for conn in crowd:
            conn.close()
        assert rows(next_one.until()) == [["served"]]
    eventually(lambda: p.wire().value("select 1") == "1")


def cpu_seconds(pooler):
    fields = Path(f"/proc/{pooler.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_an_idle_pooler_sleeps(pooler):
    p = pooler(pool_mode="transaction")
    clients = [p.wire() for _ in range(50)]
    for client in clients:
        client.ask("select 1")
    before = cpu_seconds(p)
    time.sleep(1.5)
    assert cpu_seconds(p) - before < 0.1 and len(clients) == 50


@pytest.mark.ours
def test_a_console_client_that_never_reads_is_closed_before_it_fills_the_memory(pooler):
    p = pooler()
    crowd = [p.wire() for _ in range(200)]
    before = resident_kib(p)
    with p.console() as conn:
        conn.send(query("show clients") * 900)
        eventually(lambda: "too many answers are not read" in p.log())
        assert resident_kib(p) - before < 24 * 1024
    for one in crowd:
        one.close()
    assert p.command("show version")
