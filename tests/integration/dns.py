"""A name server for tests, on loopback: A, AAAA and SOA records of a dictionary that a test may change."""
import socket
import struct
import threading

A, SOA, AAAA = 1, 6, 28
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


def _name(text):
    return b"".join(bytes([len(part)]) + part.encode() for part in text.rstrip(".").split(".")) + b"\0"


class DnsServer:
    """`names[name] = (ttl, [addresses])`, `serials[zone] = serial`; `silent` answers nobody, `failing` with SERVFAIL."""

    def __init__(self):
        self.names, self.serials, self.questions = {}, {}, []
        self.silent = self.failing = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        self.socket.close()

    def asked(self, name, kind=A):
        return self.questions.count((name, kind))

    def resolv_conf(self, folder):
        path = folder / "resolv.conf"
        path.write_text(f"nameserver 127.0.0.1:{self.port}\noptions timeout:1 attempts:2\n")
        path.chmod(0o644)
        return path

    def _serve(self):
        while True:
            try:
                packet, client = self.socket.recvfrom(4096)
            except OSError:
                return
            if not self.silent:
                self.socket.sendto(self._answer(packet), client)

    def _answer(self, packet):
        labels, place = [], 12
        while packet[place]:
            labels.append(packet[place + 1:place + 1 + packet[place]].decode())
            place += 1 + packet[place]
        kind = struct.unpack_from("!H", packet, place + 1)[0]
        question, name = packet[12:place + 5], ".".join(labels).lower()
        self.questions.append((name, kind))
        records = []
        ttl, addresses = self.names.get(name, (0, []))
        if kind == A:
            records = [(ttl, socket.inet_aton(one)) for one in addresses if ":" not in one]
        elif kind == AAAA:
            records = [(ttl, socket.inet_pton(socket.AF_INET6, one)) for one in addresses if ":" in one]
        elif kind == SOA and name in self.serials:
            records = [(60, _name("ns." + name) + _name("root." + name) + struct.pack("!5I", self.serials[name], 60, 60, 60, 60))]
        known = name in self.names or name in self.serials
        code = SERVFAIL if self.failing else NOERROR if known else NXDOMAIN
        if self.failing:
            records = []
        body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, life, len(data)) + data for life, data in records)
        return packet[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(records), 0, 0) + question + body
