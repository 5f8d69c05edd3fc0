"""What TLS proves: client certificates, channel binding; and how certificates are replaced while the pooler runs."""
import base64
import hashlib
import hmac
import os
import shutil
import signal
import struct
import subprocess

import psycopg
import pytest

from certificates import Authority, server_settings
from servers import identity, own
from test_tls import secure
from wire import PgError, eventually, msg, startup_packet, z

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def authority():
    return Authority()


def pair(files):
    return dict(sslcert=str(files[0]), sslkey=str(files[1]), sslmode="require")


def refused(p, **options):
    with pytest.raises(psycopg.OperationalError) as caught:
        p.connect(connect_timeout=5, **options).close()
    return str(caught.value)


def test_cert_takes_who_the_certificate_names(pooler, authority):
    p = pooler(auth_type="cert", client_tls_ca_file=authority.file,
               **{**server_settings(authority), "client_tls_sslmode": "verify-full"})
    with p.connect(user="alice", **pair(authority.issue("alice"))) as conn:
        assert conn.execute("select current_user").fetchone() == ("alice",)
    with p.connect(user="alice", **pair(authority.issue("somebody", "DNS:bob,DNS:alice"))) as conn:
        assert conn.execute("select 1").fetchone() == (1,)
    for name, alternatives in (("bob", ""), ("ALICE", ""), ("*", "DNS:*"), ("alice2", "DNS:alice.example")):
        assert "TLS certificate name mismatch" in refused(p, user="alice", **pair(authority.issue(name, alternatives)))
    assert "certificate authentication failed" in refused(p, user="nobody", **pair(authority.issue("nobody")))
    with pytest.raises(PgError) as caught:
        p.wire(user="alice", unix=True)
    assert caught.value.fields["M"] == "TLS connection required"


def test_cert_needs_verify_full_and_a_ca(pooler, authority, binary):
    p = pooler(auth_type="cert", start=False, **server_settings(authority))
    done = subprocess.run([binary, "--check", str(p.ini)], capture_output=True, text=True, **identity())
    assert done.returncode == 1
    assert "auth_type=cert requires client_tls_sslmode=verify-full" in done.stdout
    assert "auth_type=cert requires client_tls_ca_file" in done.stdout


@pytest.mark.parametrize("key", ["ec", "rsa:2048"])
@pytest.mark.parametrize("binding", ["disable", "prefer", "require"])
def test_scram_is_bound_to_the_channel_when_the_client_wants(pooler, authority, binding, key):
    p = pooler(auth_type="scram-sha-256", **server_settings(authority, key=key))
    with p.connect(user="scramuser1", sslmode="require", channel_binding=binding) as conn:
        assert conn.execute("select 1").fetchone() == (1,)
    assert "SASL authentication failed" in refused(p, user="scramuser1", password="wrong", sslmode="require", channel_binding=binding)


def test_without_tls_there_is_nothing_to_bind_to(pooler, authority):
    p = pooler(auth_type="scram-sha-256", **{**server_settings(authority), "client_tls_sslmode": "allow"})
    assert "channel binding required" in refused(p, user="scramuser1", sslmode="disable", channel_binding="require")
    with p.connect(user="scramuser1", sslmode="disable", channel_binding="prefer") as conn:
        assert conn.execute("select 1").fetchone() == (1,)


def test_a_man_in_the_middle_who_ends_tls_cannot_relay_a_bound_login(pooler, authority):
    """The outer pooler terminates TLS with a certificate of its own; what the client bound to is not the inner's."""
    p = pooler(auth_type="scram-sha-256", **server_settings(authority))
    with secure(p) as conn:
        conn.send(startup_packet("scramuser1", "p0"))
        offered = conn.read()
        assert b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0" in offered.body
        header, binding = b"p=tls-server-end-point,,", hashlib.sha256(b"another certificate").digest()
        nonce = base64.b64encode(os.urandom(18)).decode()
        first = header + f"n=,r={nonce}".encode()
        conn.send(msg("p", z("SCRAM-SHA-256-PLUS") + struct.pack("!I", len(first)) + first))
        server_first = conn.read().body[4:].decode()
        parts = dict(part.split("=", 1) for part in server_first.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", b"foo", base64.b64decode(parts["s"]), int(parts["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        bare = f"c={base64.b64encode(header + binding).decode()},r={parts['r']}"
        signed = f"n=,r={nonce},{server_first},{bare}".encode()
        proof = bytes(a ^ b for a, b in zip(key, hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")))
        conn.send(msg("p", f"{bare},p={base64.b64encode(proof).decode()}".encode()))
        assert [message.tag for message in conn.closed()] == ["E"]
    p.log_has("unexpected channel binding in SCRAM client-final-message")


def serial(p):
    with secure(p) as conn:
        return conn.sock.getpeercert(binary_form=True)


def replace(p, files):
    for source, target in zip(files, ("client_tls_cert_file", "client_tls_key_file")):
        shutil.copy(source, p.settings[target])
        os.chmod(own(p.settings[target]), 0o600)


@pytest.fixture
def rotating(pooler, authority):
    """A pooler whose certificate lies in its own folder, where a test may replace it."""
    p = pooler(start=False, **server_settings(authority))
    first = (p.settings["client_tls_cert_file"], p.settings["client_tls_key_file"])
    p.settings.update(client_tls_cert_file=p.folder / "tls.crt", client_tls_key_file=p.folder / "tls.key")
    replace(p, first)
    p.write_ini()
    return p.start()


@pytest.mark.parametrize("how", ["reload", "sighup", "by itself"])
def test_a_new_certificate_is_shown_and_nobody_is_dropped(rotating, authority, how):
    p = rotating
    before = serial(p)
    with secure(p) as held:
        held.login("bouncer", "p0", "")
        replace(p, authority.issue("localhost", "DNS:localhost"))
        if how == "reload":
            with p.wire("pgbouncer", "admin", unix=True) as console:
                console.ask("reload")
            assert serial(p) != before
        elif how == "sighup":
            p.signal(signal.SIGHUP)
        assert eventually(lambda: serial(p) != before, 10)
        if how == "by itself":
            p.log_has("TLS files have changed, reading them again")
        assert held.value("select 1") == "1"


@pytest.mark.parametrize("broken", ["garbage", "missing", "another key"])
def test_a_bad_file_keeps_the_old_certificate_and_says_so(rotating, authority, broken):
    p, before = rotating, serial(rotating)
    if broken == "garbage":
        p.write("tls.crt", "not a certificate")
    elif broken == "missing":
        os.unlink(p.settings["client_tls_cert_file"])
    else:
        shutil.copy(authority.issue("x")[1], p.settings["client_tls_key_file"])
        own(p.settings["client_tls_key_file"])
    p.databases["p9"] = "dbname=p0"
    p.write_ini()
    with p.wire("pgbouncer", "admin", unix=True) as console:
        with pytest.raises(PgError, match="RELOAD failed, see logs"):
            console.rows("reload")
    wanted = {"garbage": r'client_tls_cert_file: cannot load a certificate from ".*tls.crt": no start line',
              "missing": r'client_tls_cert_file: cannot load a certificate from ".*tls.crt": No such file',
              "another key": r'client_tls_key_file: ".*tls.key" is not the key of the certificate in ".*tls.crt"'}
    p.log_has("TLS configuration could not be reloaded, keeping old configuration: " + wanted[broken])
    assert serial(p) == before
    with secure(p) as conn:                        # the rest of the ini is in force
        conn.login("bouncer", "p9", "")


def test_a_bad_file_is_told_without_a_reload_and_a_good_one_mends_it(rotating, authority):
    """A certificate and its key are seldom replaced in one moment."""
    p, before = rotating, serial(rotating)
    certificate, key = authority.issue("localhost", "DNS:localhost")
    shutil.copy(key, p.settings["client_tls_key_file"])
    os.chmod(own(p.settings["client_tls_key_file"]), 0o600)
    p.log_has("TLS configuration could not be reloaded, keeping old configuration: client_tls_key_file: ", 10)
    assert serial(p) == before
    shutil.copy(certificate, p.settings["client_tls_cert_file"])
    assert eventually(lambda: serial(p) != before, 10)
    assert p.log().count("could not be reloaded") == 1          # once, not at every look


@pytest.mark.parametrize("setting, value, text", [
    ("client_tls_cert_file", "/nowhere/tls.crt", 'cannot load a certificate from "/nowhere/tls.crt": No such file'),
    ("client_tls_ca_file", "/nowhere/ca.crt", 'cannot load CA certificates from "/nowhere/ca.crt": No such file'),
    ("client_tls_key_file", "", "To allow TLS connections from clients, client_tls_key_file and client_tls_cert_file must be set."),
    ("client_tls_protocols", "sslv3", 'unknown TLS protocol "sslv3"'),
    ("client_tls_ciphers", "NONSENSE", 'no usable cipher in "NONSENSE"'),
    ("client_tls13_ciphers", "NONSENSE", 'no usable TLS 1.3 cipher suite in "NONSENSE"'),
    ("client_tls_ecdhcurve", "flat", 'unknown curve "flat"'),
    ("client_tls_dheparams", "tiny", "must be none, auto or legacy"),
    ("server_tls_ca_file", "/nowhere/ca.crt", 'cannot load CA certificates from "/nowhere/ca.crt": No such file')])
def test_check_and_start_name_what_is_wrong_with_its_line(pooler, authority, binary, setting, value, text):
    p = pooler(start=False, **{**server_settings(authority), "server_tls_sslmode": "prefer", setting: value})
    line = next(number for number, content in enumerate(p.ini.read_text().split("\n"), 1) if content.startswith(setting + " "))
    done = subprocess.run([binary, "--check", str(p.ini)], capture_output=True, text=True, **identity())
    assert done.returncode == 1
    assert f"{p.ini}:{line}: error: {setting}: {text}" in done.stdout, done.stdout
    done = subprocess.run([binary, str(p.ini)], capture_output=True, text=True, timeout=10, **identity())
    assert done.returncode == 1 and "TLS setup failed" in done.stderr + p.log()
