"""Application stacks that keep state in their session, in transaction mode with default settings: more clients than
servers. The first client always has its state, the others never see it, also while servers are killed. The programs
check that themselves and print how often; a stack that is not installed is skipped."""
import importlib.util
import os
import subprocess
import sys

import pytest
from killing import watched_servers
from test_clients import HERE, JDBC, NODE, PRISMA, have, node_has, ruby_has

pytestmark = [pytest.mark.ours, pytest.mark.timeout(120)]

ISOLATION = HERE / "isolation"
CONNECTIONS, SERVERS = 8, 3


def python_has(*modules):
    return all(importlib.util.find_spec(module) for module in modules)


def sqlalchemy_knows(driver):
    return python_has("sqlalchemy", driver) and (driver != "psycopg" or importlib.import_module("sqlalchemy").__version__ >= "2")


def sqlalchemy(driver, packages):
    return [sys.executable, ISOLATION / "with_sqlalchemy.py"], [driver], lambda: sqlalchemy_knows(driver), packages, 25


# name: (command, arguments at its end, is it there, what to install, turns)
STACKS = {
    "sqlalchemy-asyncpg": sqlalchemy("asyncpg", "python3-sqlalchemy python3-greenlet python3-asyncpg"),
    "sqlalchemy-psycopg2": sqlalchemy("psycopg2", "python3-sqlalchemy python3-psycopg2"),
    "sqlalchemy-psycopg": sqlalchemy("psycopg", "SQLAlchemy 2, which is the first to know psycopg 3"),
    "psycopg2": ([sys.executable, ISOLATION / "with_psycopg2.py"], [], lambda: python_has("psycopg2"), "python3-psycopg2", 300),
    "django": ([sys.executable, ISOLATION / "with_django.py"], [], lambda: python_has("django", "psycopg2"), "python3-django python3-psycopg2", 20),
    "active-record": (["ruby", ISOLATION / "with_active_record.rb"], [], lambda: ruby_has("active_record", "pg"), "ruby-activerecord and ruby-pg", 30),
    "jdbc": (["java", "-cp", JDBC, ISOLATION / "WithJdbc.java"], [], lambda: have("javac") and JDBC.exists(), "libpostgresql-jdbc-java and a JDK", 40),
    "node-pg": (["node", NODE / "isolation_pg.js"], [], lambda: node_has("pg"), "pg (npm install in tests/clients/node)", 60),
    "knex": (["node", NODE / "isolation_knex.js"], [], lambda: node_has("knex"), "knex (npm install in tests/clients/node)", 40),
    "prisma": (["node", PRISMA / "isolation.js"], [], lambda: have("node") and (PRISMA / "generated").exists(), "Prisma (scripts/install-clients generates its client)", 25),
}


@pytest.fixture
def tenants(cluster):
    """client_rows shows a tenant its five rows, tenant_N.home says which schema it is in."""
    with cluster.connect("p0") as conn:
        conn.execute("drop table if exists client_rows, client_writes, shop_order, django_migrations, schema_migrations, ar_internal_metadata, migrated_once cascade;"
                     "create table client_rows(tenant text, n int); create table client_writes(client int, turn int);"
                     "alter table client_rows enable row level security;"
                     "create policy mine on client_rows using (tenant = current_setting('app.tenant', true));"
                     "grant all on client_rows, client_writes to public")
        for i in range(CONNECTIONS):
            conn.execute(f"drop schema if exists tenant_{i} cascade; create schema tenant_{i}; grant usage on schema tenant_{i} to public;"
                         f"create table tenant_{i}.home as select 'tenant_{i}'::text as name; grant select on tenant_{i}.home to public;"
                         f"insert into client_rows select 't{i}', n from generate_series(1, 5) n")


@pytest.mark.parametrize("killing", [False, True], ids=["servers live", "servers are killed"])
@pytest.mark.parametrize("stack", STACKS)
def test_T78_a_clients_session_is_its_own(pooler, cluster, tenants, stack, killing):
    command, last, installed, packages, turns = STACKS[stack]
    if not installed():
        pytest.skip(f"not installed: {packages} (scripts/install-clients)")
    p = pooler(pool_mode="transaction", default_pool_size=SERVERS, ignore_startup_parameters="extra_float_digits" if stack == "jdbc" else None)
    program = [*command, "127.0.0.1", p.port, "bouncer", "p0", CONNECTIONS, turns, *last]
    running = subprocess.Popen([*map(str, program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "RUBYOPT": "-W0", "PYTHONDONTWRITEBYTECODE": "1"})
    with watched_servers(cluster, killing) as seen:
        try:
            out, err = running.communicate(timeout=100)
        finally:
            running.kill()
    assert running.returncode == 0 and out.startswith("ok "), f"{out}\n{err[:1500]}\n{err[-1500:]}\n{p.log()[-1500:]}"
    assert int(out.split()[1]) >= CONNECTIONS * turns
    # A server that has been killed is still there while the one in its place comes up.
    assert 0 < seen["most"] < CONNECTIONS if killing else seen["most"] <= SERVERS, "the clients share the servers"
    assert (seen["killed"] > 0) == killing
    (row,) = [row for row in p.command("show isolation") if (row["database"], row["user"], row["queryid"]) == ("p0", "bouncer", "")]
    assert row["session_state"] == "isolate" and int(row["replays"]) > 0
