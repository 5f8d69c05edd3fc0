"""bench/cost --instructions and --distinct: counts that hold on a busy machine, of a pooler in front of the null server."""
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PGWEIR, BENCH = os.environ["PGWEIR"], os.environ["PGWEIR_BENCH"]
CONFIGURATIONS = {
    "off": "query_digests = 0\nlog_min_duration_statement = -1",
    "on": "query_digests_by_application = 1\nmetrics_listen = 127.0.0.1:{metrics}",
}
TEXT = "select account_id, balance, owner from accounts where account_id = {} and branch = 'north' order by 1 limit 10"


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def message(tag, body):
    return tag + struct.pack("!I", len(body) + 4) + body


def query(sql):
    return message(b"Q", sql.encode() + b"\0")


def extended(sql, value):
    return (message(b"P", b"\0" + sql.encode() + b"\0\0\0") + message(b"B", b"\0\0\0\0\0\1" + struct.pack("!I", len(value)) + value + b"\0\0")
            + message(b"D", b"P\0") + message(b"E", b"\0\0\0\0\0") + message(b"S", b""))


def prepared(value):
    return (message(b"B", b"\0s1\0\0\0\0\1" + struct.pack("!I", len(value)) + value + b"\0\0") + message(b"E", b"\0\0\0\0\0")
            + message(b"S", b""))


class Client:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = struct.pack("!I", 196608) + b"user\0bench\0database\0bench\0application_name\0cost\0\0"
        self.sock.sendall(struct.pack("!I", len(body) + 4) + body)
        self.kept = b""
        self.answers(1)

    def answers(self, count):
        """Reads up to so many ReadyForQuery."""
        ready = message(b"Z", b"I")
        while count > 0:
            self.kept += self.sock.recv(1 << 20)
            count -= self.kept.count(ready)
            self.kept = self.kept[self.kept.rfind(ready) + 6:] if ready in self.kept else self.kept[-5:]

    def round_trip(self, request, ready=1):
        self.sock.sendall(request)
        self.answers(ready)


class Stage:
    """A null server and a pooler before it, below a folder of their own."""

    def __init__(self, settings, wrapper=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cost"))
        # PostgreSQL's user, as PgBouncer and we refuse to be root.
        who = {}
        if os.getuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self.port, server, self.metrics = free_port(), free_port(), free_port()
        (self.folder / "users.txt").write_text('"bench" ""\n')
        (self.folder / "ini").write_text(
            f"[databases]\nbench = host=127.0.0.1 port={server} dbname=bench\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {self.port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {self.folder}/users.txt\n"
            f"admin_users = bench\nlogfile = {self.folder}/log\npool_mode = transaction\nworkers = 1\nlog_stats = 0\n"
            + settings.format(metrics=self.metrics) + "\n")
        for program, name in ((PGWEIR, "pgweir"), (BENCH, "bench")):
            shutil.copy(program, self.folder / name)
        self.processes = []
        self.run([self.folder / "bench", "null-server", "--port", str(server)], server, who)
        self.run([*(word.format(folder=self.folder) for word in wrapper), self.folder / "pgweir", "-q", self.folder / "ini"], self.port, who)
        self.pooler = self.processes[-1]

    def run(self, command, port, who):
        self.processes.append(subprocess.Popen(list(map(str, command)), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                               stderr=open(self.folder / "stderr", "a"), **who))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("did not start: " + (self.folder / "stderr").read_text()[-2000:])

    def cpu_seconds(self):
        return sum(int((task / "schedstat").read_text().split()[0]) for task in pathlib.Path(f"/proc/{self.pooler.pid}/task").iterdir()) / 1e9

    def resident(self):
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{self.pooler.pid}/status").read_text())[1]) * 1024

    def stop(self):
        """Ends all; what the pooler's end has told."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGQUIT if process is self.pooler else signal.SIGINT)
            process.wait(60)
        told = (self.folder / "stderr").read_text()
        shutil.rmtree(self.folder, ignore_errors=True)
        return told


def requests(protocol, count):
    value = b"12345"
    if protocol == "simple":
        return [query(TEXT.format(12345))] * count
    if protocol == "literals":          # each text is new, the shape is not
        return [query(TEXT.format(i)) for i in range(count)]
    if protocol == "extended":
        return [extended(TEXT.format("$1"), value)] * count
    return [message(b"P", b"s1\0" + TEXT.format("$1").encode() + b"\0\0\0") + message(b"S", b"")] + [prepared(value)] * (count - 1)


def instructions(settings, protocol, count):
    # Valgrind's lock stays taken while a thread waits in io_uring_enter: the signal would never be heard.
    stage = Stage(settings + "\nevent_loop = epoll", ["valgrind", "--tool=callgrind", "--callgrind-out-file={folder}/callgrind", "-q", "--log-file={folder}/valgrind"])
    client = Client(stage.port)
    for request in requests(protocol, count):
        client.round_trip(request)
    client.sock.close()
    stage.pooler.send_signal(signal.SIGQUIT)
    stage.pooler.wait(60)
    if os.environ.get("COST_KEEP"):     # for callgrind_annotate
        shutil.copy(stage.folder / "callgrind", os.path.join(os.environ["COST_KEEP"], f"{protocol}.{count}.{len(settings)}"))
    total = int(re.search(r"^(?:summary|totals): (\d+)", (stage.folder / "callgrind").read_text(), re.M)[1])
    stage.stop()
    return total


def compare_instructions(count):
    if not shutil.which("valgrind"):
        raise SystemExit("valgrind (Debian package valgrind) is not installed")
    few = max(100, count // 10)
    print(f"instructions in user space per transaction, {count - few} of them (valgrind)")
    for protocol in ("simple", "extended", "prepared", "literals"):
        each = {}
        for name, settings in CONFIGURATIONS.items():
            each[name] = (instructions(settings, protocol, count) - instructions(settings, protocol, few)) / (count - few)
        print(f"{protocol:10} off {each['off']:8.0f}   on {each['on']:8.0f}   {each['on'] - each['off']:+6.0f} ({100 * (each['on'] / each['off'] - 1):+.1f} %)",
              flush=True)


def pour(client, blocks, per_block):
    """All blocks, without waiting for each answer: as fast as the pooler takes them."""
    def send():
        for block in blocks:
            client.sock.sendall(block)
    sender = threading.Thread(target=send)
    sender.start()
    client.answers(len(blocks) * per_block)
    sender.join()


def ask_each(clients, requests):
    """Every client has one statement under way, as applications do: each is a transaction of its own."""
    for at in range(0, len(requests), len(clients)):
        block = requests[at:at + len(clients)]
        for client, request in zip(clients, block):
            client.sock.sendall(request)
        for client, _ in zip(clients, block):
            client.answers(1)


DISTINCT = {
    "ten texts": lambda i: f"select {i % 10} as a_column_of_a_certain_name from some_table where other_column = {i % 10}",
    "new values": lambda i: f"select {i % 10} as a_column_of_a_certain_name from some_table where other_column = {i}",
    "new shapes": lambda i: f"select {i % 10} as a_column_of_a_certain_name from some_table where c{i} = {i % 10}",
}


def compare_distinct(count):
    """Poured by one client, which shows the difference at its largest; and asked by 16 clients, a tenth as many."""
    per_block = 1000
    for way, total in (("poured by 1 client", count), ("asked by 16 clients", count // 10)):
        base = None
        for name, text in DISTINCT.items():
            stage = Stage(CONFIGURATIONS["on"])
            clients = [Client(stage.port) for _ in range(16)]
            poured = way.startswith("poured")
            blocks = [b"".join(query(text(i)) for i in range(at, at + per_block)) for at in range(0, total, per_block)] if poured else []
            requests = [] if poured else [query(text(i)) for i in range(total)]
            if poured:
                pour(clients[0], blocks[:10], per_block)
            else:
                ask_each(clients, requests[:6000])
            before, resident, began = stage.cpu_seconds(), stage.resident(), time.monotonic()
            if poured:
                pour(clients[0], blocks, per_block)
            else:
                ask_each(clients, requests)
            cpu, wall = stage.cpu_seconds() - before, time.monotonic() - began
            table = Console(stage.port).rows("SHOW MEM")["query_digests"]
            grown = stage.resident() - resident
            stage.stop()
            each = 1e6 * cpu / total
            base = base or each
            print(f"{total} {way}, {name:13} {each:6.2f} us CPU each ({100 * (each / base - 1):+5.1f} %), {total / wall:9.0f} a second; "
                  f"entries {table[1]}, their bytes {int(table[3]) / 1e6:.1f} MB, memory grown by {grown / 1e6:.1f} MB", flush=True)


class Console:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 60)
        body = struct.pack("!I", 196608) + b"user\0bench\0database\0pgbouncer\0\0"
        self.sock.sendall(struct.pack("!I", len(body) + 4) + body)
        self.stream = self.sock.makefile("rb")
        self.read()

    def read(self):
        """The rows of the answer: lists of texts."""
        rows = []
        while True:
            tag, length = self.stream.read(1), struct.unpack("!I", self.stream.read(4))[0]
            body = self.stream.read(length - 4)
            if tag == b"Z":
                return rows
            if tag == b"D":
                fields, at = [], 2
                for _ in range(struct.unpack("!H", body[:2])[0]):
                    size = struct.unpack("!i", body[at:at + 4])[0]
                    at += 4
                    fields.append(body[at:at + max(0, size)].decode() if size >= 0 else None)
                    at += max(0, size)
                rows.append(fields)

    def rows(self, command):
        self.sock.sendall(query(command))
        return {row[0]: row[1:] for row in self.read()}


if __name__ == "__main__":
    what, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None
    compare_instructions(count or 3000) if what == "instructions" else compare_distinct(count or 1_000_000)
