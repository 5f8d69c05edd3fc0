"""systemd: what it is told (sd_notify), and the sockets it gives (sd_listen_fds)."""
import os
import re
import signal
import socket
import subprocess
import time

import pytest
import servers
from wire import Conn, eventually

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module", autouse=True)
def with_libsystemd(binary):
    if "systemd: yes" not in subprocess.run([binary, "-V"], capture_output=True, text=True).stdout:
        pytest.skip("built without libsystemd")


class Manager:
    """The end of NOTIFY_SOCKET at which systemd would sit."""

    def __init__(self, folder):
        self.path = str(folder / "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        os.chmod(self.path, 0o777)
        self.sock.settimeout(10)
        self.told = []

    def until(self, beginning):
        while True:
            text = self.sock.recv(65536).decode()
            self.told.append(text)
            if text.startswith(beginning):
                return text


@pytest.fixture
def notified(pooler, monkeypatch):
    p = pooler(start=False, stats_period=1)
    manager = Manager(p.folder)
    monkeypatch.setenv("NOTIFY_SOCKET", manager.path)
    p.start()
    yield p, manager
    manager.sock.close()


def test_it_is_told_when_clients_are_served_reloads_and_the_end(notified):
    p, manager = notified
    manager.until("READY=1")
    assert p.wire().value("select 1") == "1"
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    p.signal(signal.SIGHUP)
    reloading = manager.until("RELOADING=1")
    told_at = int(re.search(r"^MONOTONIC_USEC=(\d+)$", reloading, re.M)[1])
    assert before <= told_at <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.until("READY=1")
    p.signal(signal.SIGTERM)
    manager.until("STOPPING=1")
    assert p.wait_exit() == 0


def test_a_reload_that_fails_is_over_all_the_same(notified):
    p, manager = notified
    manager.until("READY=1")
    p.write("pooler.ini", p.ini.read_text() + "nonsense\n")
    p.signal(signal.SIGHUP)
    manager.until("RELOADING=1")
    manager.until("READY=1")
    assert p.wire().value("select 1") == "1"


def test_the_status_is_the_stats_line(notified):
    _, manager = notified
    assert re.match(r"STATUS=stats: \d+ xacts/s, ", manager.until("STATUS="))


def listening(family, address):
    sock = socket.socket(family)
    sock.bind(address)
    sock.listen(16)
    return sock


def start_with_sockets(p, sockets):
    """Starts the pooler as systemd would: the sockets are its descriptors from 3 on, and LISTEN_PID is its own."""
    numbers = [sock.fileno() for sock in sockets]
    moves = "".join(f"exec {3 + i}<&{number}; " for i, number in enumerate(numbers))
    p.stderr = open(p.folder / "stderr", "w+")
    p.process = subprocess.Popen(
        ["bash", "-c", f"{moves}export LISTEN_PID=$$ LISTEN_FDS={len(numbers)}; exec {p.binary} {p.ini}"], cwd=p.folder,
        pass_fds=numbers, stdin=subprocess.DEVNULL, stdout=p.stderr, stderr=p.stderr, **servers.identity())
    p.log_has("process up")


def test_sockets_that_it_opened_are_used(pooler):
    p = pooler(start=False)
    path = str(p.folder / "given")
    tcp, unix = listening(socket.AF_INET, ("127.0.0.1", 0)), listening(socket.AF_UNIX, path)
    os.chmod(path, 0o777)
    start_with_sockets(p, [tcp, unix])
    given = tcp.getsockname()
    for where in (given, path):
        with Conn(where) as conn:
            assert conn.login("bouncer", "p0", "zzzz").value("select 1") == "1"
    with pytest.raises(OSError):                       # listen_addr counts no more
        Conn(p.address, 1)
    assert "listen_addr and unix_socket_dir are ignored" in p.log()
    # Whoever opened them keeps them: the file stays, and so does the queue.
    p.signal(signal.SIGQUIT)
    p.wait_exit()
    assert os.path.exists(path)
    with Conn(given) as waiting:
        start_with_sockets(p, [tcp, unix])
        assert waiting.login("bouncer", "p0", "zzzz").value("select 1") == "1"
    tcp.close()
    unix.close()


@pytest.mark.skipif(not os.path.exists("/usr/bin/systemd-socket-activate"), reason="no systemd-socket-activate here")
def test_systemd_socket_activate_starts_it(pooler):
    p = pooler(start=False)
    port = servers.free_port()
    p.stderr = open(p.folder / "stderr", "w+")
    p.process = subprocess.Popen(["systemd-socket-activate", "-l", f"127.0.0.1:{port}", p.binary, str(p.ini)],
                                 cwd=p.folder, stdin=subprocess.DEVNULL, stdout=p.stderr, stderr=p.stderr,
                                 **servers.identity())

    def answer():
        try:
            with Conn(("127.0.0.1", port), 10) as conn:
                return conn.login("bouncer", "p0", "zzzz").value("select 1")
        except OSError:
            return None
    assert eventually(answer, 10) == "1"


def test_lines_for_the_journal_bear_their_priority(pooler, monkeypatch):
    p = pooler(start=False)
    with open(p.folder / "stderr", "w+") as place:
        where = os.fstat(place.fileno())
    monkeypatch.setenv("JOURNAL_STREAM", f"{where.st_dev}:{where.st_ino}")
    p.start()
    p.log_has("process up")
    lines = eventually(lambda: "process up" in p.output() and p.output().splitlines())
    assert lines and all(re.match(r"<[2-7]>\S", line) for line in lines)
    assert any(line.startswith("<6>process up: ") for line in lines)
    assert re.search(r"^\d{4}-\S+ \S+ \S+ \[\d+\] LOG process up", p.log(), re.M)      # the file is as ever
