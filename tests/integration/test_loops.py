"""Which event loop a process runs on: what `auto` chooses, and what happens where io_uring cannot be had."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from servers import new_folder
from wire import eventually

pytestmark = pytest.mark.ours


def rings(p):
    """How many io_urings the process has open."""
    links = Path(f"/proc/{p.process.pid}/fd").iterdir()
    return sum(os.readlink(link) == "anon_inode:[io_uring]" for link in links)


@pytest.fixture(scope="module")
def version(binary):
    return subprocess.run([binary, "-V"], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def io_uring_works(version):
    if "io_uring does not work here" in version:
        pytest.skip(version)


def answers_many(p):
    """Clients on both workers, one of which wants a large result."""
    conns = [p.wire() for _ in range(8)]
    for number, conn in enumerate(conns):
        assert conn.value(f"select {number}") == str(number)
    assert conns[0].value("select length(repeat('x', 1000000))") == "1000000"
    for conn in conns:
        conn.close()


@pytest.mark.parametrize("loop", ["epoll", "io_uring"])
def test_the_event_loop_is_the_one_asked_for(pooler, io_uring_works, loop):
    p = pooler(event_loop=loop, workers=2)
    p.log_has(f"process up: .* event loop: {loop}, workers: 2")
    assert rings(p) == (2 if loop == "io_uring" else 0)
    answers_many(p)


def test_auto_is_io_uring_where_it_works_and_V_says_so(pooler, version, io_uring_works):
    assert "\nevent loop: io_uring\n" in version
    p = pooler(event_loop="auto", workers=3)
    p.log_has("process up: .* event loop: io_uring, workers: 3")
    assert rings(p) == 3 and "io_uring does not work" not in p.log()


@pytest.fixture
def where(pooler, binary, io_uring_works):
    """where(call, fault, **settings): a pooler some of whose system calls fail; fault is strace's, `error=EPERM:when=2`."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    folder = new_folder("pgl")
    os.chmod(folder, 0o755)

    def make(call, fault, **settings):
        wrapper = folder / "wrapper"
        # -D: the pooler keeps its process id, and gets its signals itself.
        wrapper.write_text(f'#!/bin/sh\nexec strace -D -f -qq -o /dev/null -e trace={call} -e inject={call}:{fault} {binary} "$@"\n')
        wrapper.chmod(0o755)
        p = pooler(start=False, workers=2, **settings)
        p.binary = str(wrapper)
        return p.start(), subprocess.run([wrapper, "-V"], capture_output=True, text=True).stdout

    yield make
    shutil.rmtree(folder)


@pytest.mark.parametrize("loop, level", [("auto", "LOG"), ("io_uring", "WARNING")])
@pytest.mark.parametrize("call, fault, why", [
    # As containers' seccomp profiles and kernel.io_uring_disabled forbid it.
    ("io_uring_setup", "error=EPERM", r"io_uring_setup\(\): Operation not permitted"),
    # An old kernel: no io_uring, no DEFER_TASKRUN, no rings of buffers.
    ("io_uring_setup", "error=ENOSYS", r"io_uring_setup\(\): Function not implemented"),
    ("io_uring_setup", "error=EINVAL", r"io_uring_setup\(\): Invalid argument"),
    ("io_uring_register", "error=EINVAL", r"io_uring_register_buf_ring\(\): Invalid argument"),
    # The memory that may be locked is used up.
    ("io_uring_setup", "error=ENOMEM", r"io_uring_setup\(\): Cannot allocate memory")])
def test_where_io_uring_cannot_be_had_epoll_serves_and_the_log_says_why(where, loop, level, call, fault, why):
    p, version = where(call, fault, event_loop=loop)
    p.log_has(rf"{level} event_loop = {loop}: epoll it is, for io_uring does not work here: {why}")
    p.log_has("process up: .* event loop: epoll, workers: 2")
    assert re.search(rf"^event loop: epoll \(io_uring does not work here: {why}\)$", version, re.M)
    answers_many(p)


def test_who_asks_for_epoll_asks_nothing_of_io_uring(where):
    p, _ = where("io_uring_setup", "error=EPERM", event_loop="epoll")
    p.log_has("process up: .* event loop: epoll")
    assert "io_uring" not in p.log()


def test_a_ring_that_only_one_worker_gets_is_given_up_for_all_are_of_one_kind(where):
    """Sockets change workers, with what io_uring has read of them. The first ring is the probe's."""
    p, _ = where("io_uring_setup", "error=ENOMEM:when=3", event_loop="auto")
    p.log_has("LOG event_loop = auto: epoll it is, for .*Cannot allocate memory")
    p.log_has("process up: .* event loop: epoll, workers: 2")
    assert eventually(lambda: rings(p) == 0)
    answers_many(p)
