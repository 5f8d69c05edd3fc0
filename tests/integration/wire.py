"""A small PostgreSQL client that speaks the protocol byte by byte, so that tests can say what drivers never say."""
import base64
import hashlib
import hmac
import os
import socket
import struct
import time
from typing import NamedTuple

PROTOCOL_3_0 = 196608
SSL_REQUEST, GSSENC_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102


class Message(NamedTuple):
    tag: str
    body: bytes

    def fields(self):
        """ErrorResponse, NoticeResponse: {'S': 'FATAL', 'C': '08P01', 'M': ...}."""
        return {part[:1].decode(): part[1:].decode(errors="replace")
                for part in self.body.rstrip(b"\0").split(b"\0") if part}

    def columns(self):
        """RowDescription: [(name, type oid)]."""
        (count,), rest, found = struct.unpack_from("!H", self.body), self.body[2:], []
        for _ in range(count):
            name, rest = rest.split(b"\0", 1)
            found.append((name.decode(), struct.unpack_from("!IHIHIH", rest)[2]))
            rest = rest[18:]
        return found

    def values(self):
        """DataRow: a list of str or None."""
        (count,), at, found = struct.unpack_from("!H", self.body), 2, []
        for _ in range(count):
            (length,) = struct.unpack_from("!i", self.body, at)
            at += 4
            found.append(None if length < 0 else self.body[at:at + length].decode(errors="replace"))
            at += max(length, 0)
        return found

    def text(self):
        """CommandComplete's tag, or any message that is one string."""
        return self.body.rstrip(b"\0").decode(errors="replace")


class Closed(Exception):
    """The peer closed or reset the connection."""


class PgError(Exception):
    """An ErrorResponse; its fields are in .fields."""

    def __init__(self, message):
        self.fields = message.fields()
        super().__init__(f"{self.fields.get('S')} {self.fields.get('C')}: {self.fields.get('M')}")


def z(text):
    return (text if isinstance(text, bytes) else text.encode()) + b"\0"


def msg(tag, body=b""):
    return tag.encode() + struct.pack("!I", len(body) + 4) + body


def query(sql):
    return msg("Q", z(sql))


def parse(name, sql, oids=()):
    return msg("P", z(name) + z(sql) + struct.pack(f"!H{len(oids)}I", len(oids), *oids))


def bind(portal="", statement="", values=()):
    body = z(portal) + z(statement) + struct.pack("!HH", 0, len(values))
    for value in values:
        data = None if value is None else str(value).encode()
        body += struct.pack("!i", -1) if data is None else struct.pack("!i", len(data)) + data
    return msg("B", body + struct.pack("!H", 0))


def describe(kind="P", name=""):
    return msg("D", kind.encode() + z(name))


def execute(portal="", rows=0):
    return msg("E", z(portal) + struct.pack("!I", rows))


def close(kind="S", name=""):
    return msg("C", kind.encode() + z(name))


SYNC, FLUSH, TERMINATE, COPY_DONE = msg("S"), msg("H"), msg("X"), msg("c")


def copy_data(data):
    return msg("d", data if isinstance(data, bytes) else data.encode())


def copy_fail(reason="no more"):
    return msg("f", z(reason))


def extended(sql, values=(), name=""):
    """Parse, Bind, Describe, Execute, Sync."""
    return parse(name, sql) + bind("", name, values) + describe() + execute() + SYNC


def startup_packet(user=None, database=None, version=PROTOCOL_3_0, **parameters):
    pairs = {}
    if user is not None:
        pairs["user"] = user
    if database is not None:
        pairs["database"] = database
    pairs.update(parameters)
    body = struct.pack("!I", version) + b"".join(z(key) + z(value) for key, value in pairs.items()) + b"\0"
    return struct.pack("!I", len(body) + 4) + body


def md5_answer(user, password, salt):
    inner = hashlib.md5(password.encode() + user.encode()).hexdigest()
    return "md5" + hashlib.md5(inner.encode() + salt).hexdigest()


def scram_secret(password, salt=None, iterations=4096):
    """The secret PostgreSQL keeps in pg_authid."""
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    b64 = lambda data: base64.b64encode(data).decode()
    return f"SCRAM-SHA-256${iterations}:{b64(salt)}${b64(stored)}:{b64(server)}"


class Conn:
    """One connection. Nothing is sent or read behind the caller's back."""

    def __init__(self, address, timeout=10.0):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.address, self.buffer = address, b""
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        if family != socket.AF_UNIX:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.connect(address)
        self.parameters, self.notices, self.key, self.status = {}, [], None, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with a RST, as a killed host would."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def send(self, *raw):
        self.sock.sendall(b"".join(raw))
        return self

    def fill(self, timeout=None):
        if timeout is not None:
            self.sock.settimeout(timeout)
        try:
            data = self.sock.recv(1 << 18)
        except (ConnectionResetError, BrokenPipeError) as error:
            raise Closed(str(error)) from error
        if not data:
            raise Closed("end of stream")
        self.buffer += data

    def take(self, count):
        while len(self.buffer) < count:
            self.fill()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def read(self):
        head = self.take(5)
        tag, length = chr(head[0]), struct.unpack("!I", head[1:])[0]
        message = Message(tag, self.take(length - 4))
        if tag == "Z":
            self.status = message.body.decode()
        elif tag == "S":
            name, value = message.body.split(b"\0")[:2]
            self.parameters[name.decode()] = value.decode()
        elif tag == "N":
            self.notices.append(message.fields())
        return message

    def until(self, tags="Z"):
        """Every message up to one of `tags`, that one included."""
        found = [self.read()]
        while found[-1].tag not in tags:
            found.append(self.read())
        return found

    def quiet(self, seconds=0.3):
        """True if nothing comes for that long."""
        if self.buffer:
            return False
        before = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            self.fill()
            return False
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(before)

    def closed(self):
        """Reads to the end; returns what still came, or raises TimeoutError if the peer keeps it open."""
        found = []
        try:
            while True:
                found.append(self.read())
        except Closed:
            return found

    def login(self, user, database, password="", **parameters):
        self.send(startup_packet(user, database, **parameters))
        return self.authenticate(user, password)

    def authenticate(self, user, password):
        while True:
            message = self.read()
            if message.tag == "E":
                raise PgError(message)
            if message.tag == "K":
                self.key = message.body
            if message.tag == "Z":
                return self
            if message.tag == "R":
                self.answer(message.body, user, password)

    def answer(self, body, user, password):
        (kind,) = struct.unpack_from("!I", body)
        if kind == 3:
            self.send(msg("p", z(password)))
        elif kind == 5:
            self.send(msg("p", z(md5_answer(user, password, body[4:8]))))
        elif kind == 10:
            self.nonce = base64.b64encode(os.urandom(18)).decode()
            first = f"n,,n=,r={self.nonce}".encode()
            self.send(msg("p", z("SCRAM-SHA-256") + struct.pack("!I", len(first)) + first))
        elif kind == 11:
            self.send(msg("p", self.scram_final(body[4:].decode(), password)))

    def scram_final(self, server_first, password):
        parts = dict(part.split("=", 1) for part in server_first.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c=biws,r={parts['r']}"
        signed = f"n=,r={self.nonce},{server_first},{without_proof}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        return f"{without_proof},p={proof}".encode()

    def ask(self, sql):
        """Sends a simple query; returns its messages up to ReadyForQuery, which may hold an ErrorResponse."""
        return self.send(query(sql)).until()

    def rows(self, sql):
        """A simple query's rows; raises its error."""
        return rows(self.ask(sql))

    def value(self, sql):
        return self.rows(sql)[0][0]

    def table(self, sql):
        """A simple query's rows as dictionaries."""
        messages = self.ask(sql)
        raise_error(messages)
        names = [name for message in messages if message.tag == "T" for name, _ in message.columns()]
        return [dict(zip(names, row)) for row in rows(messages)]


def raise_error(messages):
    for message in messages:
        if message.tag == "E":
            raise PgError(message)
    return messages


def rows(messages):
    return [message.values() for message in raise_error(messages) if message.tag == "D"]


def tags(messages):
    return "".join(message.tag for message in messages)


def errors(messages):
    return [message.fields() for message in messages if message.tag == "E"]


def send_cancel(address, key, timeout=10.0):
    """Sends a CancelRequest and waits until it is handled, as libpq does."""
    with Conn(address, timeout) as conn:
        conn.send(struct.pack("!II", 8 + len(key), CANCEL_REQUEST) + key)
        conn.closed()


def eventually(condition, seconds=15.0, pause=0.02):
    """Waits until the condition holds and returns its value; the last value is in the failure."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {value!r}")
        time.sleep(pause)
