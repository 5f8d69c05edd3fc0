"""The process: command line, signals, daemon, pidfile, and what it refuses to start with."""
import os
import re
import signal
import subprocess
import time

import pytest
import servers
from wire import Closed, Conn, PgError, errors, eventually, query, send_cancel


def run(binary, *arguments, cwd="/tmp"):
    return subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True, timeout=20,
                          stdin=subprocess.DEVNULL, cwd=cwd, **servers.identity())


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version_is_printed(binary, option):
    done = run(binary, option)
    assert done.returncode == 0 and re.match(r"(PgBouncer|pgweir) \d+\.\d+", done.stdout)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_lists_the_options(binary, option):
    done = run(binary, option)
    assert done.returncode == 0
    for word in ("--daemon", "--quiet", "--verbose", "--user", "--version", "--help"):
        assert word in done.stdout


def test_without_a_configuration_it_says_so(binary):
    done = run(binary)
    assert done.returncode == 1
    assert "no configuration file specified" in done.stderr and "--help" in done.stderr


def test_an_unknown_option_is_refused(binary):
    done = run(binary, "--no-such-option")
    assert done.returncode == 1 and "--help" in done.stderr


def test_a_configuration_that_is_not_there_is_refused(binary):
    done = run(binary, "/nonexistent/pooler.ini")
    assert done.returncode == 1 and "/nonexistent/pooler.ini" in done.stdout + done.stderr


@pytest.mark.parametrize("line,said", [
    ("no_such_setting = 1", "unknown parameter: pgbouncer/no_such_setting"),
    ("default_pool_size = many", 'invalid value "many" for parameter default_pool_size in configuration'),
    ("nonsense", "syntax error in configuration"),
])
def test_a_broken_configuration_is_refused_with_its_place(pooler, binary, line, said):
    p = pooler(start=False)
    p.write("pooler.ini", p.ini.read_text() + line + "\n")
    done = run(binary, p.ini, cwd=p.folder)
    assert done.returncode == 1 and said in done.stderr and "cannot load config file" in done.stderr
    assert str(p.ini) in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can try to be root")
def test_root_is_refused(pooler, binary):
    p = pooler(start=False)
    done = subprocess.run([binary, p.ini], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "should not run as root" in done.stdout + done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_the_user_option_drops_privileges(pooler):
    p = pooler(start=False)
    user = servers.server_user()
    process = subprocess.Popen([p.binary, "-u", user.pw_name, p.ini], cwd=p.folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        p.log_has("process up")
        assert os.stat(f"/proc/{process.pid}").st_uid == user.pw_uid
        assert p.wire().value("select 1") == "1"
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(20)


def test_a_daemon_detaches_and_writes_its_pid(pooler, binary):
    p = pooler(start=False, pidfile="pid")
    p.settings["pidfile"] = p.folder / "pid"
    p.write_ini()
    begun = time.monotonic()
    done = run(binary, "-d", p.ini, cwd=p.folder)
    assert (done.returncode, done.stderr) == (0, "") and time.monotonic() - begun < 15
    pid = int(eventually(lambda: (p.folder / "pid").exists() and (p.folder / "pid").read_text()))
    p.log_has("process up")
    with p.wire() as conn:
        assert conn.value("select 1") == "1"
    assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null" and os.getsid(pid) != os.getsid(0)
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not os.path.exists(f"/proc/{pid}") or "Z" in open(f"/proc/{pid}/stat").read())
    assert not (p.folder / "pid").exists()


def test_a_daemon_needs_a_pidfile(pooler, binary):
    p = pooler(start=False)
    done = run(binary, "-d", p.ini, cwd=p.folder)
    assert done.returncode == 1 and "pidfile" in done.stdout + done.stderr + p.log()


def test_a_second_instance_is_refused_by_the_unix_socket(pooler, binary):
    p = pooler()
    done = run(binary, p.ini, cwd=p.folder)
    assert done.returncode == 1
    assert re.search("unix socket is in use, cannot continue|unix port .* is in use|"
                     "failed to listen on any address in listen_addr list", done.stderr)
    assert p.wire().value("select 1") == "1" and p.wire(unix=True).value("select 1") == "1"


def test_a_stale_socket_file_is_no_obstacle(pooler):
    p = pooler()
    p.expected_end = True
    p.process.kill()
    p.process.wait()
    p.stderr.close()
    p.start()

    def served():                      # start() waits for the TCP port; the killed process's connections end meanwhile
        try:
            return p.wire(unix=True).value("select 1") == "1"
        except (OSError, Closed):
            return False
    eventually(served)


def test_a_pidfile_of_a_living_process_is_respected_and_a_stale_one_removed(pooler, binary):
    p = pooler(start=False)
    p.settings["pidfile"] = p.folder / "pid"
    p.write_ini()
    p.write("pid", f"{2 ** 22 - 3}\n")
    p.start()
    assert int((p.folder / "pid").read_text()) == p.process.pid
    done = run(binary, p.ini, cwd=p.folder)
    assert done.returncode == 1
    said = r"pidfile .*exists, another instance running\?"
    assert re.search(said + ("|unix socket is in use" if servers.IS_PGBOUNCER else ""), done.stderr + p.log())


@pytest.mark.ours
def test_a_port_in_use_is_told(pooler, binary):
    first = pooler()
    second = pooler(start=False, listen_port=first.port)
    done = run(binary, second.ini, cwd=second.folder)
    assert done.returncode == 1 and "failed to listen on any address in listen_addr list" in done.stderr


@pytest.mark.parametrize("ini,said", [({"listen_addr": None, "unix_socket_dir": ""}, "nowhere to listen on")])
def test_nowhere_to_listen_is_refused(pooler, binary, ini, said):
    p = pooler(start=False, **ini)
    done = run(binary, p.ini, cwd=p.folder)
    assert done.returncode == 1 and said in done.stdout + done.stderr + p.log()


@pytest.mark.ours
def test_sigquit_ends_at_once(pooler):
    p = pooler()
    with p.wire() as conn:
        conn.ask("begin")
        p.signal(signal.SIGQUIT)
        assert p.wait_exit() == 0
        assert "Z" not in [message.tag for message in conn.closed()]


def test_sigint_waits_for_servers(pooler):
    """h9."""
    p = pooler(pool_mode="transaction")
    with p.wire() as conn:
        conn.ask("begin")
        p.signal(signal.SIGINT)
        p.log_has("got SIGINT, shutting down")
        time.sleep(0.4)
        assert p.process.poll() is None and conn.value("select 1") == "1"
        conn.ask("commit")
        assert p.wait_exit() == 0


@pytest.mark.ours
def test_sigterm_waits_for_clients(pooler):
    """h9."""
    p = pooler(pool_mode="transaction")
    with p.wire() as conn:
        p.signal(signal.SIGTERM)
        p.log_has("got SIGTERM, shutting down, waiting for all clients disconnect")
        assert conn.value("select 1") == "1"
        with pytest.raises((OSError, Closed, PgError)):
            p.wire()
    assert p.wait_exit() == 0
    assert "client connections dropped, exiting" in p.log()


@pytest.mark.ours
@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(pooler, first, second):
    """h9."""
    p = pooler(pool_mode="transaction")
    with p.wire() as conn:
        conn.ask("begin")
        p.signal(first)
        p.log_has(f"got {first.name}")
        p.signal(second)
        assert p.wait_exit() == 0


@pytest.mark.ours
def test_T39_a_shutdown_refuses_the_queue_and_does_not_wait_for_idle_clients(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as busy, p.wire() as waiting, p.wire() as idle:
        busy.ask("begin")
        waiting.send(query("select 1"))
        eventually(lambda: p.pool()["cl_waiting"] == 1)
        p.signal(signal.SIGINT)
        assert errors(waiting.closed())[0]["M"] == "server shutting down"
        busy.ask("commit")
        assert p.wait_exit() == 0 and idle.closed() is not None


@pytest.mark.ours
@pytest.mark.parametrize("by", ["tcp", "unix", "an open connection"])
def test_T39_a_cancel_during_a_shutdown_that_waits_for_its_query_blocks_nobody(pooler, by):
    """psql in PQcancel waits for the pooler, which waits for psql's query: one of them has to give way."""
    p = pooler(pool_mode="transaction", tcp_defer_accept=0)     # a connection is one before it has said something
    with p.wire(unix=True) as busy, Conn(p.address) as before:
        busy.send(query("select pg_sleep(3)" if by == "tcp" else "select pg_sleep(600)"))
        eventually(lambda: p.cluster.running() == 1)
        p.signal(signal.SIGINT)
        p.log_has("got SIGINT, shutting down")
        if by == "an open connection":
            before.send(b"\0\0\0\x10\x04\xd2\x16\x2e" + busy.key)
            assert before.closed() == []
        elif by == "unix":
            send_cancel(p.unix_path, busy.key)
        else:
            # Nobody listens there any more, a moment behind that line: PQcancel fails at once, and the query goes on to its end.
            def refused():
                try:
                    Conn(p.address).close()
                except OSError:
                    return True
            eventually(refused, 2)
            with pytest.raises(OSError):
                send_cancel(p.address, busy.key, timeout=20)
        assert busy.until()[-1].tag == "Z"
        assert p.wait_exit() == 0


@pytest.mark.ours
def test_sigusr1_pauses_and_sigusr2_resumes(pooler):
    p = pooler(pool_mode="transaction")
    with p.wire() as conn:
        conn.ask("select 1")
        p.signal(signal.SIGUSR1)
        eventually(lambda: {row["key"]: row["value"] for row in p.command("show state")}["paused"] == "yes")
        conn.send(query("select 2"))
        assert conn.quiet(0.4)
        p.signal(signal.SIGUSR2)
        assert conn.until()[-1].tag == "Z"


def test_the_socket_and_pid_files_are_removed_at_the_end(pooler):
    p = pooler(start=False)
    p.settings["pidfile"] = p.folder / "pid"
    p.write_ini()
    p.start()
    assert (p.folder / "pid").exists() and os.path.exists(p.unix_path)
    with p.console() as console:
        console.send(query("shutdown"))
        p.wait_exit()
    assert not (p.folder / "pid").exists() and not os.path.exists(p.unix_path)


def test_sigpipe_is_harmless(pooler):
    p = pooler()
    p.signal(signal.SIGPIPE)
    time.sleep(0.2)
    assert p.process.poll() is None and p.wire().value("select 1") == "1"


@pytest.mark.ours
def test_a_url_alone_makes_a_pooler_on_port_6432(cluster, binary):
    if os.path.exists("/tmp/.s.PGSQL.6432") or try_connect(6432):
        pytest.skip("port 6432 is taken")
    process = subprocess.Popen([binary, "-q", f"postgres://bouncer:zzzz@127.0.0.1:{cluster.port}/p0"], cwd="/tmp",
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **servers.identity())
    try:
        with eventually(lambda: try_connect(6432)) as conn:
            assert conn.login("bouncer", "p0").value("select current_database()") == "p0"
        with eventually(lambda: try_connect(6432)) as conn:
            assert conn.login("bouncer", "p1").value("select current_database()") == "p1"
    finally:
        process.send_signal(signal.SIGQUIT)
        process.communicate(timeout=20)


def try_connect(port):
    try:
        return Conn(("127.0.0.1", port))
    except OSError:
        return None
