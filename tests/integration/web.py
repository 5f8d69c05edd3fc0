"""An HTTP client of the page's and /metrics' own, and a reader of Prometheus's text format."""
import base64
import http.client
import json
import re
import socket
import ssl
import time

import servers

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"')


class Site:
    def __init__(self, port, password=None, ca=None):
        self.port, self.password, self.cookie, self.csrf, self.ca = port, password, None, None, ca

    def ask(self, path, method="GET", body=None, **headers):
        connection = (http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=ssl.create_default_context(cafile=self.ca))
                      if self.ca else http.client.HTTPConnection("127.0.0.1", self.port, timeout=20))
        if self.password is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"x:{self.password}".encode()).decode()
        if self.cookie:
            headers["Cookie"] = self.cookie
        if body is not None and not isinstance(body, (str, bytes)):
            body, headers = json.dumps(body), {"Content-Type": "application/json", **headers}
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read().decode()
        finally:
            connection.close()

    def status(self, path, **options):
        return self.ask(path, **options)[0].status

    def text(self, path):
        answer, text = self.ask(path)
        assert answer.status == 200, (path, answer.status, text)
        return text

    def json(self, path):
        return json.loads(self.text(path))

    def sign_in(self, user="admin", password="adminpass"):
        answer, text = self.ask("/api/session", "POST", {"user": user, "password": password})
        if answer.status == 200:
            self.cookie, self.csrf = answer.getheader("Set-Cookie").split(";")[0], json.loads(text)["csrf"]
        return answer.status

    def command(self, command, database, **headers):
        return self.ask("/api/command", "POST", {"command": command, "database": database},
                        **{"X-CSRF-Token": self.csrf or "", **headers})[0].status

    def metrics(self):
        return Metrics(self.text("/metrics"))


class Metrics:
    """value(name, label=...) is the one sample that has these labels."""

    def __init__(self, text):
        self.text, self.types, self.samples = text, {}, []
        for line in text.splitlines():
            if line.startswith("# TYPE"):
                _, _, name, kind = line.split()
                assert name not in self.types, f"{name} is told twice"
                self.types[name] = kind
            elif not line.startswith("#"):
                found = SAMPLE.match(line)
                assert found, line
                labels = {key: value for key, value in LABEL.findall(found[2] or "")}
                self.samples.append((found[1], labels, float(found[3])))

    def names(self):
        return {name for name, _, _ in self.samples}

    def values(self, metric, **labels):
        return [value for name, has, value in self.samples
                if name == metric and all(has.get(key) == text for key, text in labels.items())]

    def value(self, metric, **labels):
        found = self.values(metric, **labels)
        assert len(found) == 1, (metric, labels, found)
        return found[0]


def wait_for_site(port, password=None, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return Site(port, password)
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}")


def with_site(pooler, password=None, **settings):
    """A pooler with the page, and the page."""
    port = servers.free_port()
    if password is not None:
        settings["metrics_password"] = password
    proxy = pooler(metrics_listen=f"127.0.0.1:{port}", **settings)
    return proxy, wait_for_site(port, password)
