"""Servers that are hostile, broken, or merely unusual: the pooler lives, and its clients hear what is wrong."""
import struct
import time

import pytest
from fake_server import AUTHENTICATED, FakeServer, answer, key_data, parameter_status, ready
from wire import CANCEL_REQUEST, Conn, PgError, errors, eventually, msg, query, send_cancel, z

pytestmark = pytest.mark.ours


def behind(pooler, server, **settings):
    return pooler(databases={"p0": "", "odd": f"host=127.0.0.1 port={server.port}"}, pool_mode="transaction", **settings)


def refusal(p):
    with pytest.raises(PgError) as caught, p.wire("odd") as conn:
        conn.value("select 1")
    with p.wire() as other:
        assert other.value("select 1") == "1", "the pooler lives"
    return caught.value.fields


@pytest.mark.parametrize("size", [900, 1100, 5000, 60000])
def test_cve_2026_6665_a_nonce_of_more_than_a_kilobyte_is_an_error_and_nothing_else(pooler, size):
    def serve(conn):
        conn.send(msg("R", struct.pack("!I", 10) + z("SCRAM-SHA-256") + b"\0"))
        nonce = conn.read().body.rsplit(b"r=", 1)[1]
        conn.send(msg("R", struct.pack("!I", 11) + b"r=" + nonce + b"x" * size + b",s=QSXCR+Q6sek8bf92,i=4096"))
        conn.read()
        # A proof that is none.
        conn.send(msg("R", struct.pack("!I", 12) + b"v=" + b"A" * 43 + b"="))
        conn.read()

    with FakeServer(serve) as server:
        assert "server login failed" in refusal(behind(pooler, server, server_login_retry=1))["M"]


@pytest.mark.parametrize("said, told", [(b"SFATAL\0Mno code at all\0\0", "no code at all"), (b"\0", ""), (b"", "")])
def test_cve_2026_6666_an_error_without_a_code_or_without_a_field_refuses_the_login(pooler, said, told):
    def serve(conn):
        conn.send(msg("E", said))
        conn.read()

    with FakeServer(serve) as server:
        fields = refusal(behind(pooler, server))
        assert fields["S"] == "FATAL" and fields["C"] and told in fields["M"]


def at_once(conn, said):
    conn.send(said)


def byte_by_byte(conn, said):
    for i in range(len(said)):
        conn.send(said[i:i + 1])


@pytest.mark.parametrize("send", [at_once, byte_by_byte])
def test_T62_T64_a_login_with_large_messages_and_a_notice_is_understood_however_it_is_cut(pooler, send):
    long = "y" * (60000 if send is at_once else 3000)

    def serve(conn):
        notice = msg("N", b"SNOTICE\0C00000\0M" + long.encode() + b"\0\0")
        send(conn, notice + AUTHENTICATED + parameter_status("server_version", "15.0") + notice + parameter_status("motto", long)
             + key_data(7, b"four") + ready())
        while conn.read().tag == "Q":
            conn.send(answer("there"))

    with FakeServer(serve) as server, behind(pooler, server).wire("odd") as conn:
        assert conn.parameters["motto"] == long and conn.value("select") == "there"


@pytest.mark.parametrize("length", [4, 32, 256])
def test_T38_a_servers_key_of_any_length_goes_back_to_it_whole(pooler, length):
    key = bytes(range(1, 256))[:length - 1] + b"\0"     # one that is no text

    def serve(conn):
        conn.send(AUTHENTICATED + key_data(4711, key) + ready())
        assert conn.read().tag == "Q"
        eventually(lambda: server.cancels, 20)
        conn.send(msg("E", b"SERROR\0C57014\0Mcanceled\0\0") + ready())
        conn.read()

    with FakeServer(serve) as server:
        # It knows this one conversation: the pool's own question about hidden code would be no part of it.
        p = behind(pooler, server, session_audit_interval=0)
        with p.wire("odd") as conn:
            conn.send(query("select pg_sleep(30)"))
            eventually(lambda: p.pool("odd")["sv_active"] == 1)
            send_cancel(p.address, conn.key)
            assert errors(conn.until())[0]["C"] == "57014"
        assert server.cancels == [struct.pack("!I", 4711) + key]


@pytest.mark.parametrize("length", [4, 32, 256])
def test_T38_a_clients_key_of_any_length_is_understood_and_cancels_nobody_elses_query(pooler, length):
    p = pooler(pool_mode="transaction")
    with p.wire() as conn:
        conn.send(query("select pg_sleep(1), 'done'"))
        eventually(lambda: p.pool()["sv_active"] == 1)
        with Conn(p.address) as canceller:
            # The pid is right, and so are the key's first bytes where there are more than four.
            key = conn.key[4:] + b"k" * (length - 4) if length > 4 else bytes(4)
            canceller.send(struct.pack("!II", 12 + length, CANCEL_REQUEST) + conn.key[:4] + key)
            assert canceller.closed() == []
        assert [m.values()[1] for m in conn.until() if m.tag == "D"] == ["done"]
    p.log_has("failed cancel request")


@pytest.mark.parametrize("words", [msg("Z", b"?"), msg("K", b"\0" * 8), msg("R", b"\0\0\0\5salt"), msg("~", b"")])
def test_T03_a_server_that_answers_what_nobody_asked_is_closed_and_its_client_told(pooler, words):
    def serve(conn):
        conn.send(AUTHENTICATED + key_data(7, b"four") + ready())
        if conn.read().tag == "Q":
            conn.send(words)
        time.sleep(0.1)
        conn.read()

    with FakeServer(serve) as server:
        p = behind(pooler, server)
        with p.wire("odd") as conn:
            assert "protocol violation" in errors(conn.send(query("select 1")).closed())[-1]["M"]
        with p.wire() as other:
            assert other.value("select 1") == "1", "the pooler lives"
