"""cycle.py BINARY [--accounts N] [--rounds N]: a whole cycle of the daemon, from the first request to the last row
stored, over every region of an organization that the simulator plays on this machine: first with no history, then
again. Prints how long each took, the CPU of both, and the most memory that the daemon had. Meanwhile one client
asks the daemon questions, one after the other, and the slowest answers are told."""

import argparse
import http.client
import json
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from usaged import Daemon, Simulator, cpu_seconds  # noqa: E402

QUESTIONS = {
    "health": "/health/ready",
    "organization by type and day": "/api/v1/usage/history?group_by=type&step=1d",
    "latest of all accounts, first page": "/api/v1/usage/latest?limit=100",
    "one account": "/api/v1/usage/history?account={account}&group_by=type&step=1h",
    "status": "/api/v1/status?detail=summary",
}

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("binary")
arguments.add_argument("--accounts", type=int, default=10000)
arguments.add_argument("--rounds", type=int, default=3)
args = arguments.parse_args()


def high_water(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1]) * 1024


class Client:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, path, body=None):
        headers = {"Content-Type": "application/json"} if body else {}
        self.connection.request("POST" if body else "GET", path, body, headers)
        reply = self.connection.getresponse()
        return reply.status, reply.read()


class Asking(threading.Thread):
    """Asks everything in turn until it is stopped, and notes how long each answer took, in ms."""

    def __init__(self, port):
        super().__init__()
        self.client, self.took, self.stopped = Client(port), {name: [] for name in QUESTIONS}, False

    def run(self):
        account = ""
        while not self.stopped:
            for name, path in QUESTIONS.items():
                if not account and "{" in path:
                    continue
                began = time.monotonic()
                status, body = self.client.ask(path.format(account=account))
                self.took[name].append((time.monotonic() - began) * 1000)
                if name.startswith("latest") and status == 200:
                    data = json.loads(body)["data"]
                    account = data[0]["account_id"] if data else ""
            time.sleep(0.01)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


with tempfile.TemporaryDirectory() as folder:
    simulator = Simulator(args.binary, folder, "--accounts", str(args.accounts), "--regions", "all")
    Path(folder, "c.yaml").write_text(
        f"database: {folder}/u.db\nhttp: {{port: 0}}\ncollection: {{interval: 1h, concurrency: 32, concurrency_per_target: 32}}\n"
        f"targets: [{{name: organization, regions: all, endpoint: '{simulator.url}'}}]\n",
        encoding="ascii",
    )
    daemon = Daemon(args.binary, folder)
    port, began = daemon.port, daemon.began
    client = Client(port)
    scopes = json.loads(client.ask("/api/v1/targets")[1])["data"]
    good = 0
    print("| round | wall s | daemon's CPU s | simulator's CPU s | peak MB | answers meanwhile: p50 / p99 / slowest ms |")
    print("|---|---:|---:|---:|---:|---|")
    for number in range(args.rounds):
        before = cpu_seconds(daemon.process.pid), cpu_seconds(simulator.process.pid)
        if number > 0:
            time.sleep(30)  # what follows a poll (settling, rules) is no part of the next round
            before = cpu_seconds(daemon.process.pid), cpu_seconds(simulator.process.pid)
            client = Client(port)
            began = time.monotonic()
            status, body = client.ask("/api/v1/polls", "{}")
            if status != 202 or len(json.loads(body)["data"]) != len(scopes):
                sys.exit(f"POST /api/v1/polls: {status} {body}")
        asking = Asking(port)
        asking.start()
        good += len(scopes)
        while True:
            polls = json.loads(client.ask("/api/v1/polls?limit=1000")[1])["data"]
            if bad := [poll for poll in polls if poll["outcome"] not in ("ok", "running")]:
                sys.exit(f"a poll failed: {bad[0]}")
            if sum(poll["outcome"] == "ok" for poll in polls) >= good:
                break
            time.sleep(0.2)
        wall = time.monotonic() - began
        asking.stopped = True
        asking.join()
        answers = "; ".join(
            f"{name} {statistics.median(took):.1f} / {percentile(took, 0.99):.0f} / {max(took):.0f}"
            for name, took in asking.took.items()
            if took
        )
        print(
            f"| {number + 1} | {wall:.1f} | {cpu_seconds(daemon.process.pid) - before[0]:.1f} | {cpu_seconds(simulator.process.pid) - before[1]:.1f} | "
            f"{high_water(daemon.process.pid) / 1e6:.0f} | {answers} |",
            flush=True,
        )
    print(f"\n{os.path.getsize(folder + '/u.db') / 1e6:.0f} MB in the database.")
    daemon.stop()
    simulator.kill()
