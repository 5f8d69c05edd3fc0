"""T75: a database is dropped, copied or renamed through the pool though idle servers of the pool are connected to it."""
import threading
import time

import psycopg
import pytest
from wire import errors, extended

pytestmark = pytest.mark.ours


@pytest.fixture
def spare(cluster):
    """Makes a database for one test; whatever is left of it goes afterwards."""
    made = []

    def make(name):
        made.append(name)
        with cluster.connect() as direct:
            direct.execute(f"drop database if exists {name} with (force)")
            direct.execute(f"create database {name}")
        return name
    yield make
    with cluster.connect() as direct:
        for name in [*made, "copied", "renamed"]:
            direct.execute(f"drop database if exists {name} with (force)")


@pytest.fixture
def pool(pooler, cluster, spare):
    """A pool with idle servers on `name`, made by clients of several workers; and the name."""
    def make(quoted, name, workers):
        spare(quoted)
        p = pooler(databases={"spare": f"dbname='{name}'", "busy": f"dbname='{name}'", "postgres": "user=postgres"}, pool_mode="transaction", default_pool_size=4,
                   workers=workers, server_idle_timeout=600)
        with cluster.connect(name) as direct:
            direct.execute("create table made_here (x int)")
        clients = [p.wire("spare") for _ in range(4)]
        for one in clients:
            one.ask("begin")
        for one in clients:
            one.ask("commit")
        assert cluster.backends(name) == 4
        return p
    return make


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name, quoted, sql", [
    ("spare1", "spare1", "drop database spare1"), ("spare1", "spare1", "DROP /* it */ DATABASE IF EXISTS Spare1;"), ("if", '"if"', "drop database if"),
    ("if", '"if"', 'drop database if exists "if"'), ("Spare one", '"Spare one"', 'drop database "Spare one" -- now'),
    ("spare1", "spare1", "create database copied template spare1"), ("spare1", "spare1", "create database copied with owner = postgres template 'spare1' connection limit -1"),
    ("spare1", "spare1", "alter database spare1 rename to renamed")])
@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_T75_idle_servers_do_not_stand_in_the_way(pool, cluster, name, quoted, sql, workers, protocol):
    p = pool(quoted, name, workers)
    began = time.monotonic()
    if protocol == "simple":
        done = p.psql("-c", sql, database="postgres")
        assert done.returncode == 0, done.stderr
    else:
        with p.wire("postgres") as admin:
            assert not errors(admin.send(extended(sql)).until())
    assert time.monotonic() - began < 4
    assert cluster.backends(name) == 0


def test_T75_a_server_in_use_gives_postgres_own_error(pool):
    p = pool("spare1", "spare1", 1)
    with p.wire("busy") as busy, p.connect("postgres") as admin:
        busy.ask("begin")
        with pytest.raises(psycopg.errors.ObjectInUse, match="is being accessed by other users"):
            admin.execute("drop database spare1")
        busy.ask("commit")
        admin.execute("drop database spare1")


def test_T75_a_transaction_that_ends_in_time_is_waited_for(pool):
    p = pool("spare1", "spare1", 1)
    with p.wire("busy") as busy, p.connect("postgres") as admin:
        busy.ask("begin")
        later = threading.Timer(1, lambda: busy.ask("commit"))
        later.start()
        admin.execute("drop database spare1")
        later.join()


def test_T75_create_database_alone_copies_template1(pooler, cluster, spare):
    p = pooler(databases={"template1": "", "postgres": "user=postgres"}, pool_mode="transaction")
    spare("copied")
    with cluster.connect() as direct:
        direct.execute("drop database copied")
    with p.wire("template1") as one, p.connect("postgres") as admin:
        one.value("select 1")
        admin.execute("create database copied")
