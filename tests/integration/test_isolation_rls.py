"""Row-level security by set_config('app.tenant', ...): many clients, few servers, servers that are killed all the while.

PGWEIR_RLS_QUERIES says how many queries (default 12000)."""
import asyncio
import os
import random
import time

import asyncpg
import psycopg
import pytest

pytestmark = pytest.mark.ours

QUERIES = int(os.environ.get("PGWEIR_RLS_QUERIES", "12000"))
CLIENTS, SERVERS, ROWS = 200, 5, 8
# What a query may end in whose server has been killed.
GONE = (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InterfaceError, asyncpg.ProtocolViolationError,
        asyncpg.InternalClientError, OSError, TimeoutError)


@pytest.fixture
def tenants(cluster):
    """A table of which a tenant may see its own rows only; in p2."""
    with cluster.connect("p2") as direct:
        direct.execute("drop table if exists rls_docs; create table rls_docs (tenant text, body text);"
                       f"insert into rls_docs select (i / {ROWS})::text, i::text from generate_series(0, {CLIENTS * ROWS * 2 - 1}) i;"
                       "create index on rls_docs (tenant);"
                       "alter table rls_docs enable row level security;"
                       "create policy own on rls_docs using (tenant = current_setting('app.tenant', true));"
                       "grant select on rls_docs to public")
    yield "p2"
    with cluster.connect("p2") as direct:
        direct.execute("drop table rls_docs")


class Crowd:
    def __init__(self, pooler, queries):
        self.pooler, self.left = pooler, queries
        self.done, self.lost, self.wrong = 0, 0, []
        self.slots = asyncio.Semaphore(20)             # logins at a time

    async def sign_in(self, tenant):
        async with self.slots:
            host, port = self.pooler.address
            conn = await asyncpg.connect(host=host, port=port, user="bouncer", password="zzzz", database="p2", timeout=30, command_timeout=30)
        await conn.fetchval("select set_config('app.tenant', $1, false)", tenant)
        return conn

    def judge(self, tenant, rows):
        self.done += 1
        seen = {row["tenant"] for row in rows}
        if seen != {tenant} or len(rows) != ROWS:
            self.wrong.append((tenant, sorted(seen)[:5], len(rows)))

    async def client(self, number):
        draw, conn, tenant = random.Random(number), None, str(number)
        while self.left > 0 and not self.wrong:
            try:
                conn = conn or await self.sign_in(tenant)
                kind = draw.random()
                self.left -= 1
                if kind < 0.05:                        # the other one of its two tenants
                    tenant = str(number + (CLIENTS if tenant == str(number) else 0))
                    await conn.fetchval("select set_config('app.tenant', $1, false)", tenant)
                if kind < 0.2:
                    async with conn.transaction():
                        self.judge(tenant, await conn.fetch("select tenant from rls_docs where body <> $1", ""))
                        self.judge(tenant, await conn.fetch("select tenant from rls_docs"))
                elif kind < 0.3:                       # for one transaction only, and not for the next
                    other = str((number + 7) % CLIENTS)
                    async with conn.transaction():
                        await conn.fetchval("select set_config('app.tenant', $1, true)", other)
                        self.judge(other, await conn.fetch("select tenant from rls_docs"))
                self.judge(tenant, await conn.fetch("select tenant from rls_docs"))
            except GONE:
                self.lost += 1
                if conn:
                    conn.terminate()
                conn = None
                await asyncio.sleep(0.01)
        if conn:
            await conn.close()

    async def work(self, clients):
        await asyncio.gather(*(self.client(number) for number in range(clients)))


async def kill_servers(cluster, killed):
    """One of the pool's servers, all the while."""
    conn = await asyncio.to_thread(lambda: psycopg.connect(host="127.0.0.1", port=cluster.port, user="postgres", dbname="postgres", autocommit=True))
    try:
        while True:
            await asyncio.sleep(0.1)
            killed += await asyncio.to_thread(lambda: conn.execute(
                "select pg_terminate_backend(pid) from (select pid from pg_stat_activity where datname = 'p2' "
                "and backend_type = 'client backend' and usename = 'bouncer' order by random() limit 1) x").fetchall())
    finally:
        conn.close()


async def everybody(crowd, cluster, clients):
    killed = []
    killer = asyncio.create_task(kill_servers(cluster, killed))
    try:
        await crowd.work(clients)
    finally:
        killer.cancel()
        await asyncio.gather(killer, return_exceptions=True)
    return len(killed)


@pytest.mark.timeout(60 + QUERIES // 100)
def test_no_row_of_another_tenant_is_ever_seen(pooler, cluster, tenants):
    p = pooler(pool_mode="transaction", default_pool_size=SERVERS, max_client_conn=CLIENTS + 50)
    crowd = Crowd(p, QUERIES)
    killed = asyncio.run(everybody(crowd, cluster, CLIENTS))
    print(f"{crowd.done} queries, {killed} servers killed, {crowd.lost} connections lost")
    assert not crowd.wrong, crowd.wrong[:3]
    assert crowd.done >= QUERIES and killed >= 3 and crowd.lost >= 1
    row = [row for row in p.command("show isolation") if row["database"] == "p2"][0]
    assert int(row["replays"]) > CLIENTS and int(row["pinned"]) == 0, row
    assert cluster.value("select count(*) from pg_stat_activity where datname = 'p2' and usename = 'bouncer'") <= SERVERS


def test_without_isolation_the_same_clients_do_see_others_rows(pooler, cluster, tenants):
    """So that the test above can fail."""
    p = pooler(pool_mode="transaction", default_pool_size=SERVERS, session_state="off")
    crowd = Crowd(p, 100_000)
    began = time.monotonic()
    asyncio.run(crowd.work(40))
    assert crowd.wrong and time.monotonic() - began < 20
