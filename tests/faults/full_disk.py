"""full_disk.py BINARY: a disk that fills up under the daemon. Reads are answered, nothing is polled, an alert is
told, and polls go on by themselves within 60 s of space. On one that is read-only a start says so, and questions are
answered. Needs the right to mount (exit code 77 without it)."""

import http.client
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

binary = sys.argv[1]
told = []


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def wait(what, seconds, condition):
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if condition():
            return time.monotonic() - began
        time.sleep(0.2)
    sys.exit(f"not within {seconds} s: {what}")


with tempfile.TemporaryDirectory() as folder:
    disk = folder + "/disk"
    os.mkdir(disk)
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "none", disk], stderr=subprocess.DEVNULL)
    if mount.returncode != 0:
        print("skipped: no right to mount")
        sys.exit(77)
    processes = []
    try:
        hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        simulator = subprocess.Popen(
            [binary, "simulate", "--listen", "127.0.0.1:0", "--accounts", "20", "--regions", "us-east-1"],
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(simulator)
        url = re.search(r"http://[0-9.:]+", simulator.stdout.readline())[0]
        with open(folder + "/c.yaml", "w", encoding="ascii") as config:
            config.write(
                f"database: {disk}/u.db\nhttp: {{port: 0}}\ncollection: {{interval: 10m}}\n"
                f"targets: [{{name: t, regions: [us-east-1], endpoint: '{url}'}}]\n"
                f"receivers: [{{name: hook, kind: webhook, url: 'http://127.0.0.1:{hook.server_port}/', group_wait: 0s}}]\n"
            )
        keys = {"AWS_ACCESS_KEY_ID": "AKIASIMULATOR", "AWS_SECRET_ACCESS_KEY": "simulator-secret"}
        daemon = subprocess.Popen(
            [binary, "run", "--config", folder + "/c.yaml"], env=dict(os.environ, **keys), stderr=subprocess.PIPE, text=True
        )
        processes.append(daemon)
        port = next(
            int(found[1]) for line in daemon.stderr if (found := re.search(r"http://127\.0\.0\.1:(\d+)", line))
        )
        threading.Thread(target=lambda: [None for _ in daemon.stderr], daemon=True).start()

        def ask(path, body=None):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request(
                "POST" if body else "GET", path, body, {"Content-Type": "application/json"} if body else {}
            )
            reply = connection.getresponse()
            body = reply.read()
            return reply.status, json.loads(body) if "json" in reply.headers["Content-Type"] else body

        def polls(outcome):
            status, reply = ask("/api/v1/polls?limit=1000")
            assert status == 200, reply
            return [poll for poll in reply["data"] if poll["outcome"] == outcome]

        wait("the first poll", 20, lambda: polls("ok"))
        # Somebody fills the disk to the last byte.
        filler = open(disk + "/filler", "wb", buffering=0)
        try:
            while True:
                filler.write(b"\0" * 65536)
        except OSError:
            pass
        filler.close()
        assert ask("/api/v1/polls", "{}")[0] == 202
        wait("a poll that was refused", 20, lambda: polls("storage"))
        refused = polls("storage")[0]
        assert "no room" in refused["error"] and refused["requests"] == 0, refused
        status = ask("/api/v1/status")[1]["data"]["database"]
        assert not status["has_room"], status
        assert ask("/api/v1/usage/latest?limit=10")[1]["data"], "reads are not answered"
        assert ask("/-/healthy")[0] == 200
        wait("the alert", 30, lambda: any("disk-full" in json.dumps(one) for one in told))
        good = len(polls("ok"))
        time.sleep(3)
        assert len(polls("ok")) == good, "a poll went on without room"
        os.remove(disk + "/filler")
        took = wait("a poll once there is space", 60, lambda: len(polls("ok")) > good)
        print(f"polled again {took:.1f} s after there was space")
        wait("the end of the alert", 30, lambda: "resolved" in json.dumps(told[-1]))
        assert ask("/api/v1/status")[1]["data"]["database"]["has_room"]
        daemon.terminate()
        daemon.wait(20)
        check = subprocess.run([binary, "verify", "--config", folder + "/c.yaml"], capture_output=True, text=True)
        assert check.returncode == 0, check.stdout + check.stderr

        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)

        def command(*words):
            return subprocess.run(
                [binary, *words, "--config", folder + "/c.yaml"], env=dict(os.environ, **keys), capture_output=True, text=True, timeout=30
            )

        start = command("run")
        assert start.returncode == 1 and "Read-only file system" in start.stderr, start.stderr
        latest = command("latest", "--json")
        assert latest.returncode == 0 and json.loads(latest.stdout)["data"], latest.stderr
        print("read-only: a start says so, questions are answered")
    finally:
        for process in processes:
            process.kill()
            process.wait()
        subprocess.run(["umount", "-l", disk])
