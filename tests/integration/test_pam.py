"""auth_type=pam against real PAM modules, with libpam-wrapper so that nothing below /etc is changed."""
import glob
import os
import threading
import time

import pytest
import servers
from wire import PgError

WRAPPER = next(iter(glob.glob("/usr/lib/*/libpam_wrapper.so*")), None)
MATRIX = next(iter(glob.glob("/usr/lib/*/pam_wrapper/pam_matrix.so")), None)
pytestmark = [pytest.mark.ours, pytest.mark.skipif(not WRAPPER or not MATRIX, reason="libpam-wrapper is not installed")]


@pytest.fixture
def pam(pooler, monkeypatch):
    """pam(service text, **options): a pooler whose PAM service `pgbouncer` is that text."""
    folder = servers.new_folder("pam")
    os.chmod(folder, 0o755)

    def write(name, text):
        (folder / name).write_text(text)
        os.chmod(folder / name, 0o644)
        return folder / name

    def make(service=None, name="pgbouncer", **options):
        passwords = write("passwords", "alice:apass:pgbouncer\nalice:apass:other\nbouncer:zzzz:pgbouncer\n")
        write(name, service or f"auth required {MATRIX} passdb={passwords}\naccount required {MATRIX} passdb={passwords}\n")
        monkeypatch.setenv("LD_PRELOAD", WRAPPER)
        monkeypatch.setenv("PAM_WRAPPER", "1")
        monkeypatch.setenv("PAM_WRAPPER_SERVICE_DIR", str(folder))
        if "hba" not in options:
            options.setdefault("auth_type", "pam")
        one = pooler(start=False, **options)
        one.start()
        monkeypatch.delenv("LD_PRELOAD")
        return one

    make.write = write
    yield make


def words(pooler, *arguments, **options):
    with pytest.raises(PgError) as caught:
        pooler.wire(*arguments, **options)
    fields = caught.value.fields
    assert fields["C"] == "28P01" or "failed" not in fields["M"], fields
    return fields["M"]


def test_the_service_decides(pam):
    one = pam(auth={})
    with one.wire("p0", "alice", "apass") as conn:
        assert conn.value("select current_user") == "alice"
    assert words(one, "p0", "alice", "wrong") == "PAM authentication failed"
    assert words(one, "p0", "nosuchuser", "x") == "PAM authentication failed"
    assert words(one, "p0", "alice", "") == "empty password returned by client"
    one.log_has(r"pam_authenticate\(\) failed: ")


def test_an_account_that_is_closed_stays_out(pam):
    one = pam("auth required pam_permit.so\naccount required pam_deny.so\n")
    assert words(one, "p0", "alice", "apass") == "PAM authentication failed"
    one.log_has(r"pam_acct_mgmt\(\) failed: ")


def test_the_password_serves_the_server_too(pam):
    one = pam("auth required pam_permit.so\naccount required pam_permit.so\n", auth={})
    with one.wire("p0", "scramuser1", "foo") as conn:
        assert conn.value("select current_user") == "scramuser1"


def test_a_rule_may_name_pam_and_its_service(pam):
    one = pam(hba="host p0 all all pam\nhost p1 all all pam pamservice=closed\n", auth={})
    pam.write("closed", "auth required pam_deny.so\naccount required pam_deny.so\n")
    one.wire("p0", "alice", "apass").close()
    assert words(one, "p1", "alice", "apass") == "PAM authentication failed"


def test_a_slow_service_stalls_nobody(pam):
    script = pam.write("slow", "#!/bin/sh\nsleep 3\n")
    os.chmod(script, 0o755)
    one = pam(f"auth required pam_exec.so quiet {script}\naccount required pam_permit.so\n",
              hba="host p0 all all pam\nhost all all all trust\n", workers=1)
    logins, started = [], time.monotonic()
    threads = [threading.Thread(target=lambda: logins.append(one.wire("p0", "alice", "apass"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    with one.wire("p1", "bouncer", "") as conn:
        for _ in range(50):
            assert conn.value("select 1") == "1"
    assert logins == [], "others are served meanwhile"
    for thread in threads:
        thread.join()
    assert len(logins) == 8 and time.monotonic() - started < 0.6 * 8 * 3, "eight logins wait side by side"
    for conn in logins:
        conn.close()


def test_client_login_timeout_and_a_client_that_leaves_do_not_wait_for_pam(pam):
    script = pam.write("slow", "#!/bin/sh\nsleep 20\n")
    os.chmod(script, 0o755)
    one = pam(f"auth required pam_exec.so quiet {script}\naccount required pam_permit.so\n", client_login_timeout=1)
    started = time.monotonic()
    assert words(one, "p0", "alice", "apass") == "client_login_timeout"
    assert time.monotonic() - started < 15
