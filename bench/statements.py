"""What prepared statements cost a pooler in memory: PORT PID CLIENTS STATEMENTS TEXTS.

Each client logs in and prepares STATEMENTS named statements, of TEXTS texts in all, 150 characters each; names are those
that drivers give. Prints the pooler's resident memory before and after, by the client and by the statement.
"""
import socket
import struct
import sys

port, pid, clients, statements, texts = map(int, sys.argv[1:])


def resident():
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def message(tag, body):
    return tag + struct.pack("!I", len(body) + 4) + body


def until_ready(sock):
    data = b""
    while not data.endswith(b"Z\0\0\0\5I"):
        more = sock.recv(1 << 16)
        if not more:
            sys.exit("the pooler closed a connection")
        data += more
    return data


def text(number):
    return f"select account, balance, /* {number:06d} */ updated_at from accounts where id = $1 and region = $2".ljust(150)


def connect():
    sock = socket.create_connection(("127.0.0.1", port))
    body = struct.pack("!I", 196608) + b"user\0bench\0database\0bench\0\0"
    sock.sendall(struct.pack("!I", len(body) + 4) + body)
    until_ready(sock)
    return sock


def prepare(sock, first):
    said = b"".join(message(b"P", f"lrupsc_{i + 1}_{first % 100}\0{text((first + i) % texts)}\0".encode() + struct.pack("!H", 0))
                    for i in range(statements))
    sock.sendall(said + message(b"S", b""))
    if until_ready(sock).count(b"1\0\0\0\4") != statements:
        sys.exit("a statement was refused")


socks = [connect() for _ in range(clients)]
logged_in = resident()
for number, sock in enumerate(socks):
    prepare(sock, number * statements)
prepared = resident()
print(f"{clients} clients, {statements} statements each, {texts} texts of {len(text(0))} characters")
print(f"logged in: {logged_in / 1e6:.1f} MB; with their statements: {prepared / 1e6:.1f} MB")
print(f"{(prepared - logged_in) / clients:.0f} bytes per client, {(prepared - logged_in) / clients / statements:.0f} per statement")
