"""What a transaction costs in system calls: strace counts them during a steady pgbench run."""
import os
import re
import shutil
import subprocess
import time

import pytest
import servers

COUNTED = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)$", re.M)


def pgbench_command(pooler, protocol, clients, seconds):
    script = pooler.folder / "one.sql"
    script.write_text("select 1;\n")
    return [servers.PG_BIN / "pgbench", "-n", "-h", "127.0.0.1", "-p", str(pooler.port), "-U", "bouncer", "-M", protocol,
            "-c", str(clients), "-T", str(seconds), "-f", str(script), "p0"]


def counts_during(pooler, seconds, command):
    """System calls of the pooler by name, the number of transactions, and of servers that changed workers."""
    report = pooler.folder / "strace.txt"
    load = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env=dict(os.environ, PGPASSWORD="zzzz"))
    time.sleep(0.7)
    before = pooler.command("show stats_totals")
    tracer = subprocess.Popen(["strace", "-f", "-c", "-o", str(report), "-p", str(pooler.process.pid)], stderr=subprocess.PIPE, text=True)
    time.sleep(seconds)
    tracer.terminate()
    complaint = tracer.communicate()[1]
    after = pooler.command("show stats_totals")
    load.communicate()
    if not report.exists() or "ptrace" in complaint:
        pytest.skip(f"strace cannot attach here: {complaint.strip()}")
    def done(column):
        return sum(sign * int(row[column]) for sign, rows in ((1, after), (-1, before)) for row in rows if row["database"] == "p0")
    counts = {name: int(calls) for calls, name in COUNTED.findall(report.read_text())}
    return counts, done("xact_count"), done("handed_over_count")


@pytest.mark.ours
@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("clients", [8, 48])
def test_a_transaction_costs_two_reads_two_writes_and_the_waits(pooler, protocol, clients):
    p = pooler(pool_mode="transaction", default_pool_size=20)
    # On a busy machine the queue's front is of either worker, which is half of them; one quiet moment in three tells.
    for _ in range(3):
        calls, transactions, moved = counts_during(p, 2, pgbench_command(p, protocol, clients, seconds=4))
        if moved <= 0.4 * transactions:
            break
    reads = sum(calls.get(name, 0) for name in ("recvfrom", "recvmsg", "read"))
    writes = sum(calls.get(name, 0) for name in ("sendto", "sendmsg", "write", "writev"))
    # A little around the counted seconds is the console's own, and the tracer's coming and going.
    assert transactions > 100
    # A server that changes workers: out of one epoll and into the other, a bell rung and silenced; the worker that
    # takes it may have slept. Another bell asks for it.
    assert moved <= 0.4 * transactions, (moved, transactions)
    assert reads <= 2.1 * transactions + 2 * moved + 50 and writes <= 2.1 * transactions + 2 * moved + 50, calls
    assert calls.get("epoll_wait", 0) <= 2.1 * transactions + moved + 50, calls
    assert calls.get("epoll_ctl", 0) <= 0.05 * transactions + 2 * moved + 50, calls
    # One that sends what a message has led to and waits for the next, where none comes together with another: few clients.
    enters = calls.get("io_uring_enter", 0)
    assert enters <= 2.1 * transactions + 2 * moved + 50, calls
    # Before it lets others run it sends, and then it waits.
    assert calls.get("sched_yield", 0) <= enters / 2, calls
    named = {"recvfrom", "recvmsg", "read", "sendto", "sendmsg", "write", "writev", "epoll_wait", "epoll_ctl", "io_uring_enter",
             "sched_yield"}
    others = sum(count for name, count in calls.items() if name not in named and name != "total")
    assert others <= 0.05 * transactions + 100, calls
