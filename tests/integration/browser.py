"""Headless Chromium by its DevTools protocol: no package beyond Debian's `chromium`, and none is needed elsewhere."""
import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request

PROGRAM = shutil.which("chromium") or shutil.which("google-chrome")


class Browser:
    """One page in one browser. Use as a context."""

    def __init__(self, width=1280, height=900):
        self.profile, self.number, self.errors = tempfile.mkdtemp(prefix="chr"), 0, []
        self.process = subprocess.Popen(
            [PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
             f"--user-data-dir={self.profile}", f"--window-size={width},{height}", "--hide-scrollbars", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = self.await_port()
            pages = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10))
            self.open_socket(port, next(page for page in pages if page["type"] == "page")["webSocketDebuggerUrl"])
            for domain in ("Page", "Runtime", "Log"):
                self.order(f"{domain}.enable")
            self.resize(width, height)
        except BaseException:
            self.close()
            raise

    def await_port(self):
        path, deadline = os.path.join(self.profile, "DevToolsActivePort"), time.monotonic() + 30
        while time.monotonic() < deadline:
            if os.path.exists(path) and (lines := open(path).read().splitlines()):
                return int(lines[0])
            time.sleep(0.1)
        raise AssertionError("chromium did not start within 30 s")

    def open_socket(self, port, url):
        self.sock = socket.create_connection(("127.0.0.1", port), 30)
        key = base64.b64encode(os.urandom(16)).decode()
        path = "/" + url.split("/", 3)[3]
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        self.stream = self.sock.makefile("rb")
        assert b" 101 " in self.stream.readline()
        while self.stream.readline().strip():
            pass

    def say(self, text):
        data, mask = text.encode(), os.urandom(4)
        size = len(data)
        head = bytes([0x81]) + (bytes([0x80 | size]) if size < 126 else bytes([0xfe]) + struct.pack(">H", size)
                                if size < 65536 else bytes([0xff]) + struct.pack(">Q", size))
        self.sock.sendall(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def hear(self):
        whole = b""
        while True:
            first, second = self.stream.read(2)
            size = second & 0x7f
            if size >= 126:
                size = struct.unpack(">H" if size == 126 else ">Q", self.stream.read(2 if size == 126 else 8))[0]
            whole += self.stream.read(size)
            if first & 0x80:
                return json.loads(whole)

    def order(self, method, **parameters):
        self.number += 1
        self.say(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            heard = self.hear()
            if heard.get("id") == self.number:
                assert "error" not in heard, heard["error"]
                return heard["result"]
            if heard.get("method") == "Runtime.exceptionThrown":
                self.errors.append(str(heard["params"]["exceptionDetails"]))
            elif heard.get("method") == "Log.entryAdded" and heard["params"]["entry"]["level"] == "error":
                self.errors.append(str(heard["params"]["entry"]))

    def resize(self, width, height, mobile=False):
        self.order("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def go(self, url):
        self.order("Page.navigate", url=url)

    def run(self, script):
        """The value of an expression of JavaScript; promises are waited for."""
        result = self.order("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def until(self, script, seconds=15):
        deadline = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < deadline, f"never true: {script}\n{self.run('document.body.innerText')[:2000]}"
            time.sleep(0.1)
        return value

    def click(self, selector):
        self.until(f"!!document.querySelector({selector!r})")
        self.run(f"document.querySelector({selector!r}).click()")

    def picture(self, path):
        data = self.order("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        shutil.rmtree(self.profile, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
