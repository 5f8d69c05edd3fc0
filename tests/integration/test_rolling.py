"""so_reuseport: two processes on one port, one of which leaves without anybody noticing."""
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import servers
from wire import Closed, Conn, PgError, eventually, query, startup_packet

pytestmark = pytest.mark.ours
ROUNDS = 3


def start(pooler, port):
    p = pooler(start=False, so_reuseport=1, pool_mode="transaction", listen_port=port, listen_addr="127.0.0.1,::1")
    p.port = port
    return p.start()


class Load:
    """Clients that connect anew for every transaction."""

    def __init__(self, port, threads=6):
        self.port, self.over, self.done, self.wrong = port, False, 0, []
        self.threads = [threading.Thread(target=self.work) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def work(self):
        while not self.over:
            try:
                with Conn(("127.0.0.1", self.port), 20) as conn:
                    assert conn.login("bouncer", "p0", "zzzz").value("select 1") == "1"
                    self.done += 1
            except (OSError, Closed, PgError) as error:
                self.wrong.append(error)

    def more(self, count):
        wanted = self.done + count
        eventually(lambda: self.done >= wanted or self.wrong, 20)

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join(30)


def test_a_rolling_restart_under_load_shows_no_error(pooler):
    port = servers.free_port()
    processes = [start(pooler, port)]
    load = Load(port)
    try:
        load.more(100)
        for _ in range(ROUNDS):
            old = processes[-1]
            processes.append(start(pooler, port))
            load.more(50)
            with old.console_over_unix() as console:
                console.send(query("shutdown wait_for_clients"))
                assert old.wait_exit(20) == 0
            load.more(50)
    finally:
        load.end()
    assert load.wrong == [] and load.done > 200
    for process in processes:
        assert "login attempt" in process.log()


def test_clients_that_stay_are_waited_for_while_the_other_process_serves_newcomers(pooler):
    port = servers.free_port()
    old = start(pooler, port)
    old_client = old.wire()
    new = start(pooler, port)
    with old.console_over_unix() as console:
        console.send(query("shutdown wait_for_clients"))
        time.sleep(1.2)
        for _ in range(20):
            with Conn(("127.0.0.1", port), 5) as conn:
                assert conn.login("bouncer", "p0", "zzzz").value("select 1") == "1"
        assert old_client.value("select 2") == "2" and old.process.poll() is None
        old_client.close()
        assert old.wait_exit(10) == 0
    assert len(new.command("show clients")) >= 1


def leave(console, old):
    console.send(query("shutdown wait_for_clients"))
    old.log_has("SHUTDOWN WAIT_FOR_CLIENTS command issued")
    time.sleep(0.15)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_newcomers_meet_the_process_that_stays(pooler, host):
    port = servers.free_port()
    old, new = (start(pooler, port) for _ in range(2))

    def come(_):
        with Conn((host, port), 20) as conn:
            return conn.login("bouncer", "p0", "zzzz").value("select 1")

    with old.console_over_unix() as console, ThreadPoolExecutor(20) as crowd:
        leave(console, old)
        # The old process's listener is open for a while; whoever the kernel sends there tries again a second later.
        assert list(crowd.map(come, range(20))) == ["1"] * 20
        assert old.wait_exit(20) == 0
    assert "login attempt: db=p0" not in old.log() and "login attempt: db=p0" in new.log()


def leave_half_way(pooler, host):
    """False if we were too slow ourselves to speak while the old process listens (0.7 s)."""
    port = servers.free_port()
    old, new = (start(pooler, port) for _ in range(2))
    # tcp_defer_accept: until they say something, they are in the kernel's hands, half of them in the old process's.
    half_way = [Conn((host, port), 20) for _ in range(20)]
    with old.console_over_unix() as console:
        began = time.monotonic()
        leave(console, old)
        for conn in half_way:
            conn.send(startup_packet("bouncer", "p0"))
        if time.monotonic() - began > 0.5:
            return False
        for conn in half_way:
            assert conn.authenticate("bouncer", "zzzz").value("select 1") == "1"
            conn.close()
        assert old.wait_exit(20) == 0
    assert "login attempt" in old.log() and "login attempt" in new.log()
    return True


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_clients_half_way_into_the_process_that_leaves_come_in(pooler, host):
    assert any(leave_half_way(pooler, host) for _ in range(4))
