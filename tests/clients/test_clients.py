"""Drivers of other languages with their statement caches on, in transaction mode: more connections than servers, and
servers that are killed meanwhile. A stack that is not installed is skipped and says what would install it."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from killing import watched_servers

pytestmark = [pytest.mark.ours, pytest.mark.timeout(180)]

HERE = Path(__file__).parent
NODE, PRISMA = HERE / "node", HERE / "prisma"
JDBC = Path("/usr/share/java/postgresql.jar")
PGX = [HERE / "go" / "run", HERE / "go" / "with_pgx.go"]
# Who has Debian's modules, whoever runs this.
PYTHON = "/usr/bin/python3"
CONNECTIONS, TURNS = 8, 60


def have(program):
    return shutil.which(program) is not None


def ruby_has(*libraries):
    return have("ruby") and subprocess.run(["ruby", *(f"-r{one}" for one in libraries), "-e", "0"], capture_output=True).returncode == 0


def python_has(library):
    return subprocess.run([PYTHON, "-c", f"import {library}"], capture_output=True).returncode == 0


def node_has(module):
    """From npm, or from Debian, whose node looks there."""
    return have("node") and ((NODE / "node_modules" / module).exists() or Path("/usr/share/nodejs", module).exists())


def go_has(library, *program):
    """Debian's sources of it; the first build takes a while, so it is done before anything counts."""
    if not (have("go") and Path("/usr/share/gocode/src", library).exists()):
        return False
    subprocess.run(program, check=True, timeout=170)
    return True


STACKS = {
    "psycopg": ([PYTHON, HERE / "with_psycopg.py"], lambda: python_has("psycopg"), "python3-psycopg"),
    "asyncpg": ([PYTHON, HERE / "with_asyncpg.py"], lambda: python_has("asyncpg"), "python3-asyncpg"),
    "active_record": (["ruby", HERE / "active_record.rb"], lambda: ruby_has("active_record", "pg"), "ruby-activerecord and ruby-pg"),
    "pdo": (["php", HERE / "pdo.php"], lambda: have("php") and "pdo_pgsql" in subprocess.run(["php", "-m"], capture_output=True, text=True).stdout,
            "php-cli and php-pgsql"),
    "jdbc": (["java", "-cp", JDBC, HERE / "Jdbc.java"], lambda: have("javac") and JDBC.exists(), "libpostgresql-jdbc-java and a JDK"),
    "pgx": (PGX, lambda: go_has("github.com/jackc/pgx/v4", *PGX), "golang-go and golang-github-jackc-pgx-v4-dev"),
    "node-pg": (["node", NODE / "node_pg.js"], lambda: node_has("pg"), "node-pg, or pg (npm install in tests/clients/node)"),
    "prisma": (["node", PRISMA / "prisma.js"], lambda: have("node") and (PRISMA / "generated").exists(), "Prisma (scripts/install-clients generates its client)"),
}


@pytest.fixture
def items(cluster):
    with cluster.connect("p0") as conn:
        conn.execute("drop table if exists client_items, client_log, client_prisma_log; create table client_items(id int primary key, name text not null);"
                     "insert into client_items select i, 'item ' || i from generate_series(1, 20) i; create table client_log(id int, what text);"
                     "create table client_prisma_log(id serial primary key, item int not null, what text not null);"
                     "grant all on client_items, client_log, client_prisma_log, client_prisma_log_id_seq to public")


@pytest.mark.parametrize("killing", [False, True], ids=["servers live", "servers are killed"])
@pytest.mark.parametrize("stack", STACKS)
def test_a_driver_with_its_cache_on_never_notices_the_pooler(pooler, cluster, items, stack, killing):
    command, installed, packages = STACKS[stack]
    if not installed():
        pytest.skip(f"not installed: {packages} (scripts/install-clients)")
    p = pooler(pool_mode="transaction", default_pool_size=3, max_prepared_statements=4, server_login_retry=1,
               ignore_startup_parameters="extra_float_digits")
    running = subprocess.Popen([*map(str, command), "127.0.0.1", str(p.port), "bouncer", "p0", str(CONNECTIONS), str(TURNS)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "RUBYOPT": "-W0"})
    with watched_servers(cluster, killing) as seen:
        try:
            out, err = running.communicate(timeout=150)
        finally:
            running.kill()
    assert running.returncode == 0 and out.startswith("ok "), f"{out}\n{err[:3000]}\n{err[-1500:]}\n{p.log()[-1500:]}"
    assert int(out.split()[1]) >= CONNECTIONS * TURNS * 2
    if killing:
        assert seen["killed"] > 0
    else:
        assert not [line for line in p.log().splitlines() if "closing because" in line and "client close request" not in line and "server" in line.lower()
                    and "client unexpected eof" not in line and "S-" in line], p.log()[-2000:]
    assert max(int(row["prepared_statements"]) for row in p.command("show servers") or [{"prepared_statements": 0}]) <= 4
