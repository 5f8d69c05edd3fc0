"""Protocol 3.2: long cancel keys on both sides, and the negotiation of libpq 19."""
import socket
import struct
import threading
import time

import pytest
from wire import Conn, errors, eventually, msg, query, send_cancel, startup_packet, z

pytestmark = pytest.mark.ours
V3_0, V3_2, V3_9999 = 196608, 196610, 196608 + 9999


def login(p, version, user="bouncer", password="zzzz", **parameters):
    """(connection, messages of the login)."""
    conn = Conn(p.address)
    conn.send(startup_packet(user, "p0", version=version, **parameters))
    seen = []
    read = conn.read
    conn.read = lambda: seen.append(read()) or seen[-1]
    conn.authenticate(user, password)
    conn.read = read
    return conn, seen


@pytest.mark.parametrize("version,key_bytes,answer", [
    (V3_0, 4, None), (V3_2, 32, None), (196609, 4, None), (196611, 32, V3_2), (V3_9999, 32, V3_2)])
def test_the_version_decides_the_length_of_the_key(pooler, version, key_bytes, answer):
    conn, seen = login(pooler(), version)
    with conn:
        assert [m.body for m in seen if m.tag == "v"] == ([struct.pack("!II", answer, 0)] if answer else [])
        assert len(conn.key) == 4 + key_bytes and conn.value("select 1") == "1"


def test_libpq_19_asks_for_too_much_and_is_told_so_once(pooler):
    conn, seen = login(pooler(), V3_9999, **{"_pq_.test_protocol_negotiation": ""})
    with conn:
        assert [m.body for m in seen if m.tag == "v"] == [struct.pack("!II", V3_2, 1) + z("_pq_.test_protocol_negotiation")]
        assert seen[0].tag == "v"


def test_it_is_told_once_also_where_the_login_is_set_aside(pooler, cluster):
    with cluster.connect() as admin:
        admin.execute("create role asked_for login password 'secret'")
    try:
        p = pooler(auth={"bouncer": "zzzz", "postgres": ""}, auth_type="scram-sha-256", auth_user="postgres", workers=2)
        for _ in range(4):
            conn, seen = login(p, V3_9999, "asked_for", "secret")
            conn.close()
            assert [m.body for m in seen if m.tag == "v"] == [struct.pack("!II", V3_2, 0)]
    finally:
        with cluster.connect() as admin:
            admin.execute("drop role asked_for")


@pytest.mark.parametrize("version", [V3_0, V3_2])
def test_a_key_cancels_its_client_and_no_part_of_it_does(pooler, version):
    p = pooler(pool_mode="transaction")
    conn, _ = login(p, version)
    with conn:
        conn.send(query("select pg_sleep(30)"))
        eventually(lambda: p.pool()["sv_active"] == 1)
        for wrong in (conn.key[:4] + bytes(4), conn.key[:8] if version == V3_2 else conn.key + bytes(28),
                      conn.key[:-1] + bytes([conn.key[-1] ^ 1]), conn.key[:4] + bytes(256)):
            send_cancel(p.address, wrong)
        assert conn.quiet(0.3)
        send_cancel(p.address, conn.key)
        assert errors(conn.until())[0]["C"] == "57014"
        assert conn.value("select 1") == "1"


def test_long_keys_differ_from_client_to_client(pooler):
    p = pooler()
    keys = set()
    for _ in range(20):
        conn, _ = login(p, V3_2)
        keys.add(conn.key[4:])
        conn.close()
    assert len(keys) == 20


class Eighteen:
    """A server as PostgreSQL 18 is: with protocol 3.2 it gives a cancel key of 32 bytes, and closes a cancel at once."""
    KEY = bytes(range(100, 132))

    def __init__(self, answers_3_2=True):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port, self.versions, self.cancels, self.answers_3_2 = self.sock.getsockname()[1], [], [], answers_3_2
        self.pending = None
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        with sock:
            length, code = struct.unpack("!II", sock.recv(8, socket.MSG_WAITALL))
            rest = sock.recv(length - 8, socket.MSG_WAITALL)
            if code == 80877102:
                self.cancels.append(rest)
                waiting, self.pending = self.pending, None
                waiting.sendall(msg("E", b"SERROR\0C57014\0Mcanceling statement due to user request\0\0") + msg("Z", b"I"))
                return
            self.versions.append(code)
            long = code == V3_2 and self.answers_3_2
            out = b"" if long or code == V3_0 else msg("v", struct.pack("!II", V3_0, 0))
            out += msg("R", struct.pack("!I", 0)) + msg("S", z("server_version") + z("18.0"))
            out += msg("K", struct.pack("!I", 4711) + (self.KEY if long else self.KEY[:4])) + msg("Z", b"I")
            sock.sendall(out)
            while head := sock.recv(5, socket.MSG_WAITALL):
                body = sock.recv(struct.unpack("!I", head[1:])[0] - 4, socket.MSG_WAITALL)
                if head[:1] == b"Q" and b"sleep" in body:
                    self.pending = sock
                elif head[:1] == b"Q":
                    sock.sendall(msg("C", z("SELECT 0")) + msg("Z", b"I"))


@pytest.mark.parametrize("wanted,answers,key", [(1, True, Eighteen.KEY), (1, False, Eighteen.KEY[:4]), (0, True, Eighteen.KEY[:4])])
def test_the_servers_long_key_is_what_cancels_there(pooler, wanted, answers, key):
    server = Eighteen(answers)
    p = pooler(databases={"p0": f"host=127.0.0.1 port={server.port}"}, pool_mode="transaction",
               server_long_cancel_keys=wanted, query_digests=0, server_check_query="")
    conn, _ = login(p, V3_2)
    with conn:
        conn.send(query("select sleep"))
        eventually(lambda: server.pending)
        send_cancel(p.address, conn.key)
        assert errors(conn.until())[0]["C"] == "57014"
    assert server.cancels == [struct.pack("!I", 4711) + key]
    assert server.versions[0] == (V3_2 if wanted else V3_0)
    server.sock.close()


def test_a_real_server_of_today_answers_that_it_does_not_speak_it(pooler, cluster):
    p = pooler(pool_mode="transaction", server_long_cancel_keys=1)
    with p.wire() as conn:
        conn.send(query("select pg_sleep(30)"))
        eventually(lambda: p.pool()["sv_active"] == 1)
        time.sleep(0.1)
        send_cancel(p.address, conn.key)
        assert errors(conn.until())[0]["C"] == "57014"
