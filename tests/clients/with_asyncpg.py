"""asyncpg with its statement cache: arguments host port user database connections turns."""
import asyncio
import sys

import asyncpg

host, port, user, database, connections, turns = sys.argv[1:]
connections, turns = int(connections), int(turns)
checked = 0
# What a connection that is gone may end in.
GONE = (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InterfaceError, asyncpg.ProtocolViolationError,
        asyncpg.InternalClientError, OSError, TimeoutError)


def check(right, what):
    global checked
    if not right:
        raise AssertionError(what)
    checked += 1


async def once(conn, id):
    check(await conn.fetchval("select name from client_items where id = $1", id) == f"item {id}", "by id")
    async with conn.transaction():
        check(await conn.fetchval("select id from client_items where name = $1", f"item {id}") == id, "by name")
        found = [row["id"] async for row in conn.cursor("select id from client_items where id <= $1 order by id", id, prefetch=3)]
        check(found == list(range(1, id + 1)), "cursor")
    statement = await conn.prepare("select count(*) from client_items where id <= $1")
    check(await statement.fetchval(id) == id, "prepared")
    # More texts than it keeps: it closes the oldest.
    for extra in range(5):
        check(await conn.fetchval(f"select {extra} + $1::int", id) == extra + id, "evicted")
    await conn.executemany("insert into client_log values ($1, $2)", [(id, "a"), (id, "b")])


async def work(number):
    conn = None
    for turn in range(turns):
        for attempt in range(21):
            try:
                conn = conn or await asyncpg.connect(host=host, port=int(port), user=user, database=database, password="zzzz",
                                                     statement_cache_size=4, timeout=10)
                await once(conn, (turn + number) % 20 + 1)
                break
            except GONE:
                if attempt == 20:
                    raise
                if conn:
                    conn.terminate()
                conn = None
                await asyncio.sleep(0.05)
    await conn.close()


async def everybody():
    await asyncio.gather(*(work(number) for number in range(connections)))


asyncio.run(everybody())
print(f"ok {checked}")
