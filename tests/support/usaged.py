"""The program as a user has it, for tests and benchmarks that are scripts: a simulator, a daemon, commands, a webhook."""

import collections
import http.client
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIASIMULATOR",
    "AWS_SECRET_ACCESS_KEY": "simulator-secret",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Program:
    """A process that ends with a `with`, whatever happens within."""

    def __init__(self, process):
        self.process = process

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(30) == 0, f"it ended with {self.process.returncode}"


class Simulator(Program):
    """`simulate` with these flags; `faults` is a plan in YAML."""

    def __init__(self, binary, folder, *flags, faults=None):
        if faults:
            Path(folder, "faults.yaml").write_text(faults, encoding="ascii")
            flags += ("--faults", f"{folder}/faults.yaml")
        super().__init__(subprocess.Popen([binary, "simulate", "--listen", "127.0.0.1:0", *flags], stdout=subprocess.PIPE, text=True))
        self.url = re.search(r"http://[0-9.:]+", self.process.stdout.readline())[0]
        self.port = int(self.url.rsplit(":", 1)[1])


class Daemon(Program):
    """`run` with FOLDER/c.yaml; serves once it is made, ready() waits until it is ready."""

    def __init__(self, binary, folder, **environment):
        self.began = time.monotonic()
        super().__init__(
            subprocess.Popen(
                [binary, "run", "--config", f"{folder}/c.yaml"], env=dict(os.environ, **KEYS, **environment), stderr=subprocess.PIPE, text=True
            )
        )
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if found := re.search(r"https?://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                break
        else:
            sys.exit("the daemon did not start:\n" + "".join(lines))
        # The last it said, for whoever wonders why it ended.
        self.log = collections.deque(lines, 50)
        threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True).start()

    def client(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def ask(self, path, body=None):
        """The status and the answer, from JSON if it is any; a body (any value) is posted as JSON."""
        client = self.client()
        if body is None:
            client.request("GET", path)
        else:
            client.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        reply = client.getresponse()
        text = reply.read()
        client.close()
        return reply.status, json.loads(text) if "json" in (reply.headers["Content-Type"] or "") else text

    def data(self, path):
        """All rows of a question, page by page."""
        rows, cursor = [], ""
        while True:
            status, reply = self.ask(f"{path}{'&' if '?' in path else '?'}limit=1000" + (f"&cursor={cursor}" if cursor else ""))
            assert status == 200, reply
            rows += reply["data"]
            cursor = reply["next_cursor"]
            if not cursor:
                return rows

    def ready(self):
        """How long it took from the start, in seconds."""
        while True:
            try:
                if self.ask("/-/ready")[0] == 200:
                    return time.monotonic() - self.began
            except OSError:
                pass
            if time.monotonic() - self.began > 20:
                sys.exit("the daemon is not ready after 20 s")
            time.sleep(0.002)


class Hook:
    """A webhook, which keeps the bodies that it got by webhook-id. What it answers is up to answer(handler, attempt),
    the number of times that it got this id; 200 without one. It listens once it is made, or after start()."""

    def __init__(self, answer=lambda handler, _: handler.reply(200), listens=True):
        self.received, self.times, self.lock = {}, {}, threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer.lock:
                    bodies = outer.received.setdefault(self.headers["webhook-id"], [])
                    bodies.append(body)
                    outer.times.setdefault(self.headers["webhook-id"], []).append(time.monotonic())
                    attempt = len(bodies)
                answer(self, attempt)

            def do_GET(self):
                self.reply(200)

            def reply(self, status, **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # who asked did not wait for the answer

        self.server = Server(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.server.server_bind()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        if listens:
            self.start()

    def start(self):
        self.server.server_activate()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def bodies(self):
        with self.lock:
            return [body for bodies in self.received.values() for body in bodies]


def wait(what, seconds, condition):
    """Until it holds; how many seconds that took. Ends the program if it is too many."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if condition():
            return time.monotonic() - began
        time.sleep(0.1)
    sys.exit(f"not within {seconds} s: {what}")


def command(binary, folder, *words, **environment):
    """A command with FOLDER/c.yaml: exit code, standard output, standard error."""
    ran = subprocess.run(
        [binary, *words, "--config", f"{folder}/c.yaml"],
        env=dict(os.environ, **KEYS, **environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ran.returncode, ran.stdout, ran.stderr


def verify(binary, folder):
    """That the database is whole."""
    code, out, errors = command(binary, folder, "verify")
    assert code == 0, out + errors


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
