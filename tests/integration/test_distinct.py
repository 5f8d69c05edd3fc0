"""Statements that are all different: the table of digests stays below its bound, and the pooler stays quick.

PGWEIR_DISTINCT=1000000 for the long version; bench/cost --distinct measures throughput in front of the null server."""
import os
import re
import threading
from pathlib import Path

import pytest
import servers
from wire import query

pytestmark = pytest.mark.skipif(servers.IS_PGBOUNCER, reason="PgBouncer knows no statements")

COUNT = int(os.environ.get("PGWEIR_DISTINCT", 20_000))
BLOCK = 500
ENTRIES, ENTRY_BYTES = 500, 8 * 1024


def resident(proxy):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{proxy.process.pid}/status").read_text())[1]) * 1024


def one_of_a_kind(i):
    return query(f"select {i} as c{i}, 'some text' as a_{i % 97}")


def pour(proxy, numbers, message=one_of_a_kind):
    """In blocks, read as they come: a message with one ReadyForQuery for each number."""
    with proxy.wire(timeout=120) as client:
        def send():
            for at in range(numbers.start, numbers.stop, BLOCK):
                client.sock.sendall(b"".join(message(i) for i in range(at, min(at + BLOCK, numbers.stop))))
        sender = threading.Thread(target=send)
        sender.start()
        for _ in numbers:
            client.until("Z")
        sender.join()


@pytest.mark.timeout(60 + COUNT // 200)
def test_distinct_statements_stay_below_the_bound(pooler):
    proxy = pooler(workers=1, query_digests_max=ENTRIES, log_min_duration_statement=-1)
    pour(proxy, range(0, COUNT // 4))
    before = resident(proxy)
    pour(proxy, range(COUNT // 4, COUNT))
    memory = next(row for row in proxy.command("SHOW MEM") if row["name"] == "query_digests")
    assert int(memory["used"]) <= ENTRIES
    assert int(memory["memtotal"]) <= ENTRIES * ENTRY_BYTES
    assert resident(proxy) - before < 4 * 1024 * 1024, "what has been full once does not grow"
    rows = proxy.command("SHOW QUERIES LIMIT 100000")
    assert sum(int(row["calls"]) for row in rows) == len(rows) == ENTRIES
    assert int(rows[0]["evicted"]) == COUNT - ENTRIES
