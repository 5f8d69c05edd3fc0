"""A server that says what a test wants it to: what PostgreSQL never says, or says once in a lifetime."""
import contextlib
import socket
import struct
import threading

from wire import CANCEL_REQUEST, GSSENC_REQUEST, SSL_REQUEST, Closed, Conn, msg, z

AUTHENTICATED = msg("R", struct.pack("!I", 0))


def key_data(pid, key):
    return msg("K", struct.pack("!I", pid) + key)


def parameter_status(name, value):
    return msg("S", z(name) + z(value))


def ready(status="I"):
    return msg("Z", status.encode())


def answer(value):
    """What PostgreSQL says to a query that returns one text."""
    data = value.encode()
    row = struct.pack("!H", 1) + z("v") + struct.pack("!IHIhiH", 0, 0, 25, -1, -1, 0)
    return msg("T", row) + msg("D", struct.pack("!Hi", 1, len(data)) + data) + msg("C", z("SELECT 1")) + ready()


class Accepted(Conn):
    """A connection seen from the server: the pooler's messages are read with read()."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""
        self.parameters, self.notices, self.key, self.status = {}, [], None, None
        sock.settimeout(30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def packet(self):
        """A packet of the start: its code and the rest."""
        length, code = struct.unpack("!II", self.take(8))
        return code, self.take(length - 8)


class FakeServer:
    """serve(conn) is called, in a thread of its own, for each connection that has sent its StartupMessage. `cancels` are the
    CancelRequests' bodies: pid and key."""

    def __init__(self, serve):
        self.serve, self.cancels = serve, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._greet, args=(Accepted(self.listener.accept()[0]),), daemon=True).start()

    def _greet(self, conn):
        with contextlib.suppress(OSError, Closed), conn:
            code, body = conn.packet()
            while code in (SSL_REQUEST, GSSENC_REQUEST):
                conn.send(b"N")
                code, body = conn.packet()
            if code == CANCEL_REQUEST:
                self.cancels.append(body)
            else:
                self.serve(conn)
