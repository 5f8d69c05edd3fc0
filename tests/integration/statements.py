"""What the tests of prepared statements share."""
import pytest
from wire import SYNC, bind, errors, execute, parse, rows, tags


@pytest.fixture
def one_server(pooler):
    return pooler(pool_mode="transaction", default_pool_size=1)


@pytest.fixture
def two_servers(pooler):
    return pooler(pool_mode="transaction", default_pool_size=2)


def prepare(conn, name, sql, oids=()):
    reply = conn.send(parse(name, sql, oids), SYNC).until()
    assert tags(reply) == "1Z", errors(reply)


def run(conn, name, values=()):
    return conn.send(bind("", name, values), execute(), SYNC).until()


def server_names(conn):
    """What the server at hand has prepared."""
    return sorted(row[0] for row in rows(conn.ask("select name from pg_prepared_statements")))


def codes(messages):
    return [error["C"] for error in errors(messages)]
