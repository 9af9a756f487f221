"""compare.py BENCH_LOAD SIZE... [--rounds N] [--check] [--changing SHARE] [--growth]

The same history in our database and in a VictoriaMetrics (Debian's package), and the same questions to both over
HTTP: one table, of medians of interleaved rounds. README.md beside this says how to read it. --check compares the
answers instead of timing them."""

import argparse
import json
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

# accounts, regions, days polled daily, days polled hourly
SIZES = {
    "tiny": (7, 2, 40, 3),
    "S": (100, 3, 335, 30),
    "M": (1000, 10, 335, 30),
    "L": (10000, 33, 1, 1),
}
DAY = 86400
VARIANTS = 64  # accounts that questions about one of them are asked of
SECONDS = 4  # that each question is asked for
TYPES = [
    "EC2_AGENTLESS_INSTANCE_HOURS",
    "EC2_INSTANCE_HOURS",
    "ECR_INITIAL_SCAN",
    "ECR_RESCAN",
    "LAMBDA_FUNCTION_CODE_HOURS",
    "LAMBDA_FUNCTION_HOURS",
]
WRK_SCRIPT = """
local paths = {}
for line in io.lines(os.getenv("PATHS")) do paths[#paths + 1] = line end
local i = 0
request = function() i = i % #paths + 1; return wrk.format("GET", paths[i]) end
done = function(summary, latency, requests)
  io.write(string.format("\\nRESULT %f %f %d %d %d\\n", latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, summary.requests * 1e6 / summary.duration,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout,
    summary.requests))
end
"""


def region(i):
    return f"{['us', 'eu', 'ap', 'sa', 'af', 'me'][i // 6]}-east-{i % 6 + 1}"


def account(i):
    return str(100000000000 + i)


def encode(path, **query):
    return path + "?" + urllib.parse.urlencode(query, doseq=True)


class Ours:
    name = "inspector-usaged"

    def __init__(self, bench_load, folder, size, options):
        self.bench_load, self.size, self.options = bench_load, size, options
        self.file = os.path.join(folder, "ours.db")
        self.process = None
        self.peak = 0

    def load(self):
        for end in ("", "-wal", "-shm", ".lock"):
            if os.path.exists(self.file + end):
                os.remove(self.file + end)
        out = subprocess.run([self.bench_load, "database", self.file, *self.options], stdout=subprocess.PIPE, check=True)
        result = json.loads(out.stdout)
        self.peak = max(self.peak, result["memory"])
        return result

    def bytes(self):
        return os.path.getsize(self.file)

    def start(self):
        end = self.options[self.options.index("--end") + 1]
        self.process = subprocess.Popen(
            [self.bench_load, "serve", self.file, "--end", end], stdout=subprocess.PIPE, text=True
        )
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.peak = max(self.peak, high_water(self.process.pid))
        self.process.kill()
        self.process.wait()


class Victoria:
    name = "VictoriaMetrics"

    def __init__(self, bench_load, folder, size, options):
        self.bench_load, self.size, self.options = bench_load, size, options
        self.folder = os.path.join(folder, "victoria")
        self.process = None
        self.peak = 0

    def load(self):
        if self.process:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.start()
        out = subprocess.run([self.bench_load, "victoria", str(self.port), *self.options], stdout=subprocess.PIPE, check=True)
        # What is on the disk once all is merged as far as it wants to be.
        self.stop()
        return json.loads(out.stdout)

    def bytes(self):
        return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(self.folder) for name in names)

    def start(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [
                "victoria-metrics",
                f"-storageDataPath={self.folder}",
                "-retentionPeriod=3y",
                f"-httpListenAddr=127.0.0.1:{self.port}",
                "-search.maxUniqueTimeseries=10000000",
                "-search.maxPointsPerTimeseries=100000",
                "-search.latencyOffset=0s",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health").read()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("VictoriaMetrics does not start")

    def stop(self):
        self.peak = max(self.peak, high_water(self.process.pid))
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        self.process = None


def high_water(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1]) * 1024


def questions(size, end):
    """Each with its paths for ours and for VictoriaMetrics, and what makes their answers comparable."""
    accounts, regions, daily, hourly = SIZES[size]
    pick = random.Random(7)
    start = end - min(30, hourly) * DAY
    year = end - (daily + hourly) * DAY
    some = [(account(pick.randrange(accounts)), region(pick.randrange(regions)), pick.choice(TYPES)) for _ in range(VARIANTS)]

    def series(a, r, t):
        return (
            encode("/api/v1/usage/history", account=a, region=r, type=t, step="raw", start=start, end=end),
            encode("/api/v1/query_range", query=f'inspector_cost{{account="{a}",region="{r}",type="{t}"}}', start=start, end=end, step="1h"),
        )

    def one_account(a):
        return (
            encode("/api/v1/usage/history", account=a, group_by="type", step="1h", start=start, end=end),
            encode("/api/v1/query_range", query=f'sum(inspector_cost{{account="{a}"}}) by (type)', start=start, end=end, step="1h"),
        )

    def organization(first):
        first = first // DAY * DAY + DAY
        return (
            encode("/api/v1/usage/history", group_by="type", step="1d", start=first, end=end),
            encode("/api/v1/query_range", query="sum(last_over_time(inspector_cost[1d])) by (type)", start=first, end=end, step="1d"),
        )

    def movers(seconds):
        query = f"sum(last_over_time(inspector_cost[1d])) by (account)"
        return (
            encode("/api/v1/usage/deltas", group_by="account", start=end - seconds, end=end, top=10, contributors=0),
            encode("/api/v1/query", query=f"topk(10, abs({query} - ({query} offset {seconds}s)))", time=end),
        )

    latest = (
        encode("/api/v1/usage/latest", limit=100),
        encode("/api/v1/query", query="limitk(100, inspector_cost)", time=end),
    )
    month = (
        encode("/api/v1/export", start=start, end=end),
        encode(
            "/api/v1/export/csv",
            **{
                "match[]": "inspector_cost",
                "format": "__timestamp__:rfc3339,account,region,type,currency,__value__",
                "start": start,
                "end": end,
            },
        ),
    )
    return {
        "one series, 30 days raw": [series(*one) for one in some],
        "one account, all types, 30 days": [one_account(one[0]) for one in some],
        "organization by type and day, 30 days": [organization(start)],
        "organization by type and day, a year": [organization(year)],
        "top 10 movers by account, 24 hours": [movers(DAY)],
        "top 10 movers by account, 30 days": [movers(min(30, hourly) * DAY)],
        "latest of all accounts, first page": [latest],
        "CSV export of a month": [month],
    }


def ask(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as reply:
        return reply.read()


def wrk(port, paths, folder):
    """p50 and p99 in ms, and requests a second, of two connections."""
    with open(os.path.join(folder, "paths"), "w", encoding="ascii") as file:
        file.write("\n".join(paths))
    with open(os.path.join(folder, "wrk.lua"), "w", encoding="ascii") as file:
        file.write(WRK_SCRIPT)
    out = subprocess.run(
        ["wrk", "-t1", "-c2", f"-d{SECONDS}s", "--timeout", "120s", "-s", file.name, f"http://127.0.0.1:{port}/"],
        env=dict(os.environ, PATHS=os.path.join(folder, "paths")),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    p50, p99, rate, errors, count = re.search(r"RESULT (\S+) (\S+) (\S+) (\S+) (\S+)", out).groups()
    if int(errors) > 0 or int(count) == 0:
        raise SystemExit(f"{errors} errors of {count}: {paths[0]}")
    return float(p50), float(p99), float(rate)


def slow(port, path):
    """The same of a question that takes seconds, asked once."""
    began = time.monotonic()
    ask(port, path)
    took = time.monotonic() - began
    return took * 1000, took * 1000, 1 / took


def median(values):
    return statistics.median(values)


def compare(args, size, folder):
    accounts, regions, daily, hourly = SIZES[size]
    end = int(time.time()) // 3600 * 3600
    options = [
        "--accounts", str(accounts), "--regions", str(regions), "--daily", str(daily), "--hourly", str(hourly),
        "--changing", str(args.changing), "--seed", "1", "--end", str(end),
    ]  # fmt: skip
    sides = [Ours(args.bench_load, folder, size, options), Victoria(args.bench_load, folder, size, options)]
    rates, sizes, roll_up, asked = [[], []], [0, 0], [], {}
    for _ in range(args.rounds):
        for i, side in enumerate(sides):
            result = side.load()
            rates[i].append(result["pairs"] / result["seconds"])
            sizes[i] = side.bytes() / result["pairs"]
            if i == 0:
                steps, pairs = result["steps"], result["pairs"]
                roll_up.append(result["roll_up"])
        for side in sides:
            side.start()
        for name, paths in questions(size, end).items():
            for i, side in enumerate(sides):
                own = [pair[i] for pair in paths]
                ask(side.port, own[0])
                began = time.monotonic()
                ask(side.port, own[0])
                long = time.monotonic() - began > SECONDS / 4
                asked.setdefault(name, ([], []))[i].append(slow(side.port, own[0]) if long else wrk(side.port, own, folder))
        for side in sides:
            side.stop()
    series = accounts * regions * len(TYPES)
    print(f"\n### {size}: {accounts} accounts x {regions} regions x {len(TYPES)} types = {series:,} series, {pairs:,} pairs\n")
    print("| | inspector-usaged | VictoriaMetrics | ratio |")
    print("|---|---:|---:|---:|")

    def row(name, ours, theirs, text, better):
        ratio = ours / theirs if better == "more" else theirs / ours
        print(f"| {name} | {text(ours)} | {text(theirs)} | {ratio:.2f} |")

    row("pairs a second in", median(rates[0]), median(rates[1]), lambda v: f"{v:,.0f}", "more")
    row("bytes a pair on disk", *sizes, lambda v: f"{v:.2f}", "less")
    row("peak memory, MB", *[side.peak / 1e6 for side in sides], lambda v: f"{v:.0f}", "less")
    for name, (ours, theirs) in asked.items():
        for index, what, better, form in ((0, "p50 ms", "less", "{:.2f}"), (1, "p99 ms", "less", "{:.2f}"), (2, "requests/s", "more", "{:,.1f}")):
            row(f"{name}: {what}", median([one[index] for one in ours]), median([one[index] for one in theirs]), form.format, better)
    steps = ", ".join(f"{name} {step['seconds']:.1f} s (slowest {step['slowest'] * 1000:.0f} ms)" for name, step in steps.items())
    print(f"\nOf ours: {steps}; rolling up all days once {median(roll_up):.1f} s.")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bench_load")
    parser.add_argument("sizes", nargs="+", choices=SIZES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--changing", type=float, default=1 / 3)
    args = parser.parse_args()
    for size in args.sizes:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            compare(args, size, folder)


main()
