"""hostile.py BINARY [SECONDS]: hostile clients before the real server, over plain TCP and over TLS: ambiguous requests, slow
heads, bodies and readers, floods, oversized and badly encoded ones, tricks with paths, Host and Origin, for a time each
(3 seconds by default). Nothing that hides in another request is done, no file is read, and ordinary clients, who ask
meanwhile, get their answers; how fast is printed. Names of accounts are text wherever they appear."""

import http.client
import os
import random
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from usaged import Daemon, Simulator  # noqa: E402

binary = sys.argv[1]
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 3
NAMES = ["=cmd|' /C calc'!A0", "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "@SUM(1,2)", "-2+3", "\\u202e\\t+1"]

# What would be done if a server took a part of another request for one.
BODY = '{"matchers": ["a=b"], "duration": "1h", "created_by": "x", "comment": "smuggled"}'
HIDDEN = (
    "POST /api/v1/silences HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    f"Content-Length: {len(BODY)}\r\n\r\n{BODY}"
)
HEAD = "POST /api/v1/silences HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNK = f"{len(HIDDEN):x}\r\n{HIDDEN}\r\n0\r\n\r\n"
LENGTH = f"Content-Length: {len(HIDDEN)}\r\n"


def smuggling():
    for way in (
        LENGTH + "Content-Length: 0\r\n\r\n",
        "Content-Length: 0\r\n" + LENGTH + "\r\n",
        f"Content-Length: 0, {len(HIDDEN)}\r\n\r\n",
        "Content-Length: +0\r\n\r\n",
        "Content-Length: 0x0\r\n\r\n",
        "Content-Length: \r\n\r\n",
        "Content-Length: 0 0\r\n\r\n",
        "Content-Length: -1\r\n\r\n",
        "Content-Length:\x0b0\r\n\r\n",
        "Content-Length\x00: 0\r\n\r\n",
        "Content-Length : 0\r\n\r\n",
        " Content-Length: 0\r\n\r\n",
        "X: y\r\n Content-Length: 0\r\n\r\n",
        "X: y\rContent-Length: 0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n" + LENGTH + "\r\n0\r\n\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n",
        "Transfer-Encoding:\tchunked\r\nContent-Length: 0\r\n\r\n",
        "Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n",
        "X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
        "X: y\n\tTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\nContent-Length: 0\r\n\r\n",
        "Transfer-Encoding\r\nContent-Length: 0\r\n\r\n",
        "Expect: 100-continue\r\n" + LENGTH + "\r\n",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n" + LENGTH + "\r\n",
    ):
        yield HEAD + way + HIDDEN
    for method in ("GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "PUT", "CONNECT", "get", "G E T", "PRI"):
        yield f"{method} /api/v1/status HTTP/1.1\r\nHost: localhost\r\n{LENGTH}\r\n{HIDDEN}"
        yield f"{method} /api/v1/status HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNK}"
    for line in ("POST /nothing HTTP/1.1", "POST /api/v1/status HTTP/1.0", "POST /api/v1/silences/ HTTP/1.1", "POST http://localhost/api/v1/silences HTTP/1.1"):
        yield f"{line}\r\nHost: localhost\r\n{LENGTH}\r\n{HIDDEN}"
    # Too long, so that the rest must not be read as a request.
    yield HEAD + "Content-Length: 70000\r\n\r\n" + "x" * 1000 + HIDDEN
    yield HEAD + "X-Long: " + "y" * 100000 + "\r\n\r\n" + HIDDEN
    yield "".join(f"X-{i}: y\r\n" for i in range(5000)).join([HEAD, "\r\n"]) + HIDDEN
    yield "GET /" + "a" * 100000 + " HTTP/1.1\r\nHost: localhost\r\n\r\n" + HIDDEN


def elsewhere():
    """Requests that another page, or a name that points here, might bring about."""
    for header in (
        "Host: evil.example\r\n", "Host: localhost.evil.example\r\n", "Host: localhost@evil.example\r\n", "Host:\r\n", "",
        "Host: localhost\r\nHost: localhost\r\n", "Host: localhost\r\nOrigin: http://evil.example\r\n", "Host: localhost\r\nOrigin: null\r\n",
        "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", "Host: localhost, evil.example\r\n",
    ):  # fmt: skip
        yield (
            f"POST /api/v1/silences HTTP/1.1\r\n{header}Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}"
        )
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        yield (
            f"POST /api/v1/silences HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}"
        )


def paths():
    for path in (
        "/assets/../../../../etc/passwd", "/assets/%2e%2e/%2e%2e/etc/passwd", "/assets/..%2f..%2fetc%2fpasswd", "/assets/%252e%252e%252fetc/passwd",
        "/assets/....//....//etc/passwd", "//etc/passwd", "/assets//etc/passwd", "/\\..\\..\\etc\\passwd", "/assets/app.js%00.html", "/%c0%ae%c0%ae/etc/passwd",
        "/assets/", "/%", "/%0d%0aSet-Cookie:x=y", "/api/v1/usage/latest?a=%00", "/api/v1/usage/latest?account=%ff", "/api/v1/usage/history?from=%0a",
        "/api/v1/usage/latest?" + "&".join(f"a{i}=b" for i in range(9000)), "/api/v1/usage/history?step=1s&from=1970-01-01T00:00:00Z",
        "/api/v1/usage/latest?limit=99999999999999999999", "/api/v1/usage/latest?cursor=" + "A" * 8000, "*", "?", "file:///etc/passwd",
    ):  # fmt: skip
        yield f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Server(Daemon):
    def __init__(self, folder, simulator, tls):
        accounts = "".join(f"  - {{id: '{1000 + i:012}', name: \"{name.replace(chr(34), chr(92) + chr(34))}\"}}\n" for i, name in enumerate(NAMES))
        http_part = "port: 0"
        if tls:
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key", "-out",
                 "cert", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                cwd=folder, check=True, capture_output=True,
            )  # fmt: skip
            os.chmod(folder + "/key", 0o600)
            http_part += f", tls: {{certificate: {folder}/cert, key: {folder}/key}}"
        Path(folder, "c.yaml").write_text(
            f"database: {folder}/u.db\nhttp: {{{http_part}}}\naccounts:\n{accounts}"
            f"targets: [{{name: t, regions: [us-east-1, eu-central-1], endpoint: '{simulator.url}'}}]\n",
            encoding="ascii",
        )
        super().__init__(binary, folder)
        self.tls = ssl.create_default_context(cafile=folder + "/cert") if tls else None

    def connect(self, timeout=5.0):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout)
        return self.tls.wrap_socket(connection, server_hostname="localhost") if self.tls else connection

    def client(self):
        if self.tls:
            return http.client.HTTPSConnection("localhost", self.port, timeout=10, context=self.tls)
        return super().client()

    def raw(self, text):
        """Everything that comes back until the end, or a second of silence."""
        reply = b""
        try:
            with self.connect(1) as connection:
                connection.sendall(text.encode("latin-1"))
                while data := connection.recv(65536):
                    reply += data
        except OSError:
            pass
        return reply.decode("latin-1")


class Ordinary(threading.Thread):
    """Asks like a dashboard and a monitor do, on new connections, and notes how long each took."""

    QUESTIONS = ("/-/healthy", "/api/v1/usage/latest?limit=100", "/api/v1/usage/history?group_by=type", "/api/v1/status")

    def __init__(self, server):
        super().__init__()
        self.server, self.stopped, self.took, self.failed = server, False, [], []

    def run(self):
        while not self.stopped:
            for path in self.QUESTIONS:
                began = time.monotonic()
                try:
                    status, _ = self.server.ask(path)
                    # Who is one too many is told so, but for health.
                    if status != 200 and not (status == 503 and path != "/-/healthy"):
                        self.failed.append((path, status))
                except (OSError, http.client.HTTPException) as e:
                    self.failed.append((path, repr(e)))
                self.took.append(time.monotonic() - began)
                time.sleep(0.01)


def corpus(server, until):
    while True:
        for request in (*smuggling(), *elsewhere(), *paths()):
            reply = server.raw(request)
            assert "root:" not in reply, request[:300]
            assert "\r\nSet-Cookie" not in reply, request[:300]
            assert not re.search(r"HTTP/1\.\d 2\d\d.*HTTP/1\.\d 2\d\d", reply, re.S), (request[:300], reply[:600])
        if time.monotonic() > until:
            return


def hold(server, until, first, drip, count=200):
    """Many connections that send `first` and then a byte every now and then."""
    held = []
    while time.monotonic() < until:
        while len(held) < count:
            try:
                held.append(server.connect(2))
                held[-1].sendall(first)
            except OSError:
                break
        for connection in list(held):
            try:
                connection.sendall(drip)
            except OSError:
                held.remove(connection)
        time.sleep(0.2)
    for connection in held:
        connection.close()


def slow_heads(server, until):
    hold(server, until, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"y")


def slow_bodies(server, until):
    hold(server, until, HEAD.encode() + b"Content-Length: 60000\r\n\r\n", b" ")


def slow_readers(server, until):
    hold(server, until, b"GET /api/v1/export HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3, b"")


def silent(server, until):
    hold(server, until, b"", b"")


def flood(server, until):
    def run():
        while time.monotonic() < until:
            try:
                with server.connect(2) as connection:
                    connection.sendall(b"GET /api/v1/usage/history?group_by=account HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
                    connection.recv(100)
            except OSError:
                pass

    threads = [threading.Thread(target=run) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def garbage(server, until):
    bytes_of = random.Random(3)
    while time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", server.port), 1) as connection:
                connection.sendall(bytes_of.randbytes(bytes_of.randrange(1, 3000)))
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
        except OSError:
            pass


def sockets(pid):
    count = 0
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:")
        except OSError:
            pass
    return count


def names_are_text(server):
    status, page = server.ask("/api/v1/accounts?limit=1000")
    assert status == 200
    names = {row["name"] for row in page["data"]}
    assert NAMES[0] in names and NAMES[1] in names, names
    client = server.client()
    client.request("GET", "/api/v1/accounts?limit=1000", headers={"Accept": "text/csv"})
    table = client.getresponse().read().decode()
    for cell in re.findall(r'(?:^|,)"?([^,"\r\n]*)', table, re.M):
        assert not re.match(r"[=@+]|-\D|-\d+[+]", cell), cell
    assert b"<script>alert" not in server.ask("/")[1]


for tls in (False, True):
    with tempfile.TemporaryDirectory() as folder, Simulator(binary, folder, "--accounts", "200") as simulator:
        with Server(folder, simulator, tls) as server:
            while server.ask("/-/ready")[0] != 200 or server.ask("/api/v1/usage/latest")[1]["data"] == []:
                time.sleep(0.1)
            names_are_text(server)
            before = sockets(server.process.pid)
            for attack in (corpus, slow_heads, slow_bodies, slow_readers, silent, flood, garbage):
                ordinary = Ordinary(server)
                ordinary.start()
                attack(server, time.monotonic() + seconds)
                ordinary.stopped = True
                ordinary.join()
                took = sorted(ordinary.took)
                print(
                    f"{'TLS' if tls else 'plain'}, {attack.__name__}: {len(took)} ordinary requests, "
                    f"p50 {took[len(took) // 2] * 1000:.0f} ms, p99 {took[int(len(took) * 0.99)] * 1000:.0f} ms",
                    flush=True,
                )
                assert not ordinary.failed, ordinary.failed[:5]
            silences = server.ask("/api/v1/silences")[1]["data"]
            assert not silences, silences
            # What they held has been let go.
            for _ in range(200):
                if sockets(server.process.pid) <= before:
                    break
                time.sleep(0.1)
            assert sockets(server.process.pid) <= before, (before, sockets(server.process.pid))
            server.stop()
