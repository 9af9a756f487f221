"""kill.py BINARY [KILLS]: kill -9 at random while polls, alerts, messages and API writes run (20 times by default).
What was told to somebody is there afterwards, once; what is there was tried; nothing is corrupt; every message was
delivered, its duplicates with one id; how long a start takes until it is ready."""

import http.client
import http.server
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

REGIONS = "us-east-1,us-east-2,us-west-1,us-west-2,eu-west-1,eu-west-2"

binary = sys.argv[1]
kills = int(sys.argv[2]) if len(sys.argv) > 2 else 20
seed = random.Random(7)
received = {}  # bodies by webhook-id
tried, told = set(), set()  # silences, by their comment
seen_polls, seen_alerts = {}, set()
lock = threading.Lock()


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with lock:
            received.setdefault(self.headers["webhook-id"], []).append(body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def ask(port, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(
        "POST" if body else "GET", path, json.dumps(body) if body else None, {"Content-Type": "application/json"} if body else {}
    )
    reply = connection.getresponse()
    text = reply.read()
    return reply.status, json.loads(text) if "json" in (reply.headers["Content-Type"] or "") else text


def everything(port, path):
    rows, cursor = [], ""
    while True:
        status, reply = ask(port, f"{path}?limit=1000" + (f"&cursor={cursor}" if cursor else ""))
        assert status == 200, reply
        rows += reply["data"]
        cursor = reply["next_cursor"]
        if not cursor:
            return rows


class Writer(threading.Thread):
    """Does one thing over and over until the daemon is gone."""

    def __init__(self, action):
        super().__init__()
        self.action, self.stopped = action, False

    def run(self):
        while not self.stopped:
            try:
                self.action()
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                time.sleep(0.01)


with tempfile.TemporaryDirectory() as folder:
    hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    simulator = subprocess.Popen(
        [binary, "simulate", "--listen", "127.0.0.1:0", "--accounts", "60", "--regions", REGIONS],
        stdout=subprocess.PIPE,
        text=True,
    )
    url = re.search(r"http://[0-9.:]+", simulator.stdout.readline())[0]
    keys = {"AWS_ACCESS_KEY_ID": "AKIASIMULATOR", "AWS_SECRET_ACCESS_KEY": "simulator-secret"}

    def start(limit):
        with open(folder + "/c.yaml", "w", encoding="ascii") as config:
            config.write(
                f"database: {folder}/u.db\nhttp: {{port: 0}}\ncollection: {{interval: 10m}}\n"
                f"targets: [{{name: t, regions: [{REGIONS}], endpoint: '{url}'}}]\n"
                f"rules: [{{name: limit, kind: threshold, limit: {limit}, group_by: [account], keep_firing: 0s}}]\n"
                f"receivers: [{{name: hook, kind: webhook, url: 'http://127.0.0.1:{hook.server_port}/', group_wait: 0s}}]\n"
            )
        began = time.monotonic()
        daemon = subprocess.Popen(
            [binary, "run", "--config", folder + "/c.yaml"], env=dict(os.environ, **keys), stderr=subprocess.PIPE, text=True
        )
        lines = []
        for line in daemon.stderr:
            lines.append(line)
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                break
        else:
            sys.exit("the daemon did not start:\n" + "".join(lines))
        threading.Thread(target=lambda: [None for _ in daemon.stderr], daemon=True).start()
        port = int(found[1])
        while True:
            try:
                if ask(port, "/-/ready")[0] == 200:
                    return daemon, port, time.monotonic() - began
            except OSError:
                pass
            if time.monotonic() - began > 20:
                sys.exit("the daemon is not ready after 20 s")
            time.sleep(0.002)

    def silence(port):
        comment = f"silence {len(tried)}"
        tried.add(comment)
        status, reply = ask(
            port,
            "/api/v1/silences",
            {"matchers": ["account_id=1"], "duration": "1h", "created_by": "somebody", "comment": comment},
        )
        assert status in (200, 201), reply
        told.add(comment)

    def look(port):
        for poll in ask(port, "/api/v1/polls?limit=50")[1]["data"]:
            if poll["outcome"] == "ok":
                seen_polls[poll["id"]] = poll
        seen_alerts.update(alert["id"] for alert in ask(port, "/api/v1/alerts?limit=1000")[1]["data"])
        time.sleep(0.02)

    def poll(port):
        ask(port, "/api/v1/polls", {"targets": ["t"]})
        time.sleep(0.02)

    ready, daemon = [], simulator
    try:
        for number in range(kills):
            daemon, port, took = start(0.01 if number % 2 == 0 else 1e9)
            ready.append(took)
            writers = [Writer(lambda action=action: action(port)) for action in (silence, look, poll)]
            for writer in writers:
                writer.start()
            time.sleep(seed.uniform(0.02, 3))
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()
            for writer in writers:
                writer.stopped = True
            for writer in writers:
                writer.join()
        daemon, port, took = start(1e9)
        ready.append(took)
        began = time.monotonic()
        while any(row["state"] == "pending" for row in everything(port, "/api/v1/notifications")):
            if time.monotonic() - began > 60:
                sys.exit("messages are still not delivered after 60 s")
            time.sleep(0.2)
        time.sleep(1)
        silences = [row["comment"] for row in everything(port, "/api/v1/silences")]
        polls = {row["id"]: row for row in everything(port, "/api/v1/polls")}
        alerts = {row["id"] for row in everything(port, "/api/v1/alerts")}
        messages = {row["uid"]: row for row in everything(port, "/api/v1/notifications")}
        daemon.terminate()
        assert daemon.wait(30) == 0
        check = subprocess.run([binary, "verify", "--config", folder + "/c.yaml"], capture_output=True, text=True)
        assert check.returncode == 0, check.stdout + check.stderr
    finally:
        for process in (daemon, simulator):
            process.kill()
            process.wait()
    assert len(silences) == len(set(silences)), "a silence is there twice"
    assert told <= set(silences) <= tried, (told - set(silences), set(silences) - tried)
    lost = [number for number, row in seen_polls.items() if polls.get(number) != row]
    assert not lost, f"polls that were seen are gone or otherwise: {lost}"
    assert all(row["outcome"] in ("ok", "interrupted") for row in polls.values()), "a poll still runs"
    assert seen_alerts <= alerts, f"alerts that were seen are gone: {seen_alerts - alerts}"
    assert set(received) == set(messages), "messages and what was received differ"
    assert all(row["state"] == "delivered" for row in messages.values())
    print(
        f"{kills} kills: {len(told)} silences told of {len(tried)} tried, {len(polls)} polls "
        f"({sum(row['outcome'] == 'interrupted' for row in polls.values())} interrupted), {len(alerts)} alerts, "
        f"{len(messages)} messages received {sum(map(len, received.values()))} times; none lost. Ready in "
        f"{statistics.median(ready) * 1000:.0f} ms (median), {sorted(ready)[int(len(ready) * 0.99)] * 1000:.0f} ms (p99)"
    )
