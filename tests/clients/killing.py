"""Servers that are killed under the programs of this folder."""
import contextlib
import threading

# A killed server interrupts one client at most, and each program tries the same thing again at least this often. So no
# program runs out of attempts, however slow the machine is.
MOST = 18
KILL = "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'p0' and usename = 'bouncer' order by random() limit 1"


@contextlib.contextmanager
def watched_servers(cluster, killing):
    """Yields what is seen meanwhile of the servers of p0/bouncer: `killed` and `most` at once. With `killing` one is killed
    now and then, ever less often."""
    seen = {"killed": 0, "most": 0}
    over = threading.Event()

    def watch():
        pause, due = 0.15, 0.15
        with cluster.connect() as conn:
            while not over.wait(0.05):
                due -= 0.05
                count = conn.execute("select count(*) from pg_stat_activity where datname = 'p0' and usename = 'bouncer'").fetchone()[0]
                seen["most"] = max(seen["most"], count)
                if killing and due <= 0 and seen["killed"] < MOST:
                    seen["killed"] += len(conn.execute(KILL).fetchall())
                    pause *= 1.12
                    due = pause

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()
