"""What tests of LISTEN share: readers of notifications, what the pooler tells of listeners, and two fixtures."""
import pytest
from wire import eventually


def notification(message):
    """(channel, payload) of a NotificationResponse."""
    channel, payload = message.body[4:].split(b"\0")[:2]
    return channel.decode(), payload.decode()


def heard(conn, count, seconds=5.0):
    """The next notifications; anything else that comes is a failure."""
    before, found = conn.sock.gettimeout(), []
    conn.sock.settimeout(seconds)
    try:
        for _ in range(count):
            message = conn.read()
            assert message.tag == "A", message
            found.append(notification(message))
    finally:
        conn.sock.settimeout(before)
    return found


def isolation(p, database="p0"):
    total = {}
    for row in p.command("show isolation"):
        if row["database"] == database and not row["queryid"]:
            total = {key: total.get(key, 0) + int(value) if value.isdigit() else value for key, value in row.items()}
    return total


def settled(p, listening, database="p0"):
    """So many clients listen, and nobody keeps a server."""
    def there():
        counts = isolation(p, database)
        return counts.get("listening") == listening and counts["pinned"] == 0
    return eventually(there)


def listeners(cluster, database="p0"):
    """Backend pids of shared listeners."""
    with cluster.connect() as direct:
        return [pid for pid, in direct.execute("select pid from pg_stat_activity where application_name = 'pgweir listener' "
                                               "and datname = %s", (database,))]


@pytest.fixture
def pool(pooler):
    def make(size=1, **settings):
        return pooler(pool_mode="transaction", default_pool_size=size, **settings)
    return make


@pytest.fixture
def notify(cluster):
    """Sends notifications by a connection that has nothing to do with the pooler."""
    with cluster.connect("p0") as direct:
        yield lambda channel, payload="": direct.execute("select pg_notify(%s, %s)", (channel, payload))
