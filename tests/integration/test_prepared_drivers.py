"""Drivers with their statement caches on, in transaction mode, with fewer servers than clients."""
import asyncio

import pytest

pytestmark = pytest.mark.ours


def test_psycopg_prepares_everything_at_once(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=2)
    clients = [p.connect(prepare_threshold=0) for _ in range(6)]
    for turn in range(8):
        for i, conn in enumerate(clients):
            assert conn.execute("select %s::int + 1", (i,)).fetchone() == (i + 1,)
            with conn.transaction():
                assert conn.execute("select %s::text", (f"t{turn}",)).fetchone() == (f"t{turn}",)
    for conn in clients:
        conn.close()


def test_psycopg_evicts_by_deallocate(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=2)
    with p.connect(prepare_threshold=0) as a, p.connect(prepare_threshold=0) as b:
        a.prepared_max = 3
        for turn in range(3):
            for i in range(8):
                assert a.execute(f"select {i} + %s::int", (turn,)).fetchone() == (i + turn,)
                assert b.execute(f"select {i} + %s::int", (turn,)).fetchone() == (i + turn,)


def test_asyncpg_with_its_cache(pooler):
    asyncpg = pytest.importorskip("asyncpg")
    p = pooler(pool_mode="transaction", default_pool_size=2)

    async def work(number):
        conn = await asyncpg.connect(host="127.0.0.1", port=p.port, user="bouncer", password="zzzz", database="p0",
                                     statement_cache_size=5)
        for turn in range(12):
            assert await conn.fetchval("select $1::int * 2", number) == number * 2
            assert await conn.fetchval(f"select {turn} + $1::int", number) == number + turn
            async with conn.transaction():
                assert [r[0] async for r in conn.cursor("select generate_series(1, $1::int)", 60)] == list(range(1, 61))
        await conn.close()

    async def everybody():
        await asyncio.gather(*(work(number) for number in range(8)))

    asyncio.run(everybody())
