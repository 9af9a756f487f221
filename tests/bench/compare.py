"""compare.py BENCH_LOAD [SIZE...] [--rounds N] [--changing SHARE] | --check | --growth FILE.svg

The same history in our database, in a file and on a PostgreSQL, and in a VictoriaMetrics (both Debian's packages),
and the same questions to all over HTTP: one table, of medians of interleaved rounds. --check asks every question of
each and compares the answers.
--growth stores 1, 3, 10 and 30 times as long a history, and draws how the times grow. README.md beside this says
how to read it all."""

import argparse
import csv
import glob
import io
import json
import math
import os
import platform
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from postgres import postgres  # noqa: E402

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
FACTORS = (1, 3, 10, 30)
GROWTH_DAYS = 12
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
  io.write(string.format("\\nRESULT %f %f %f %d %d\\n", latency:percentile(50) / 1000,
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

    def __init__(self, bench_load, folder, options):
        self.bench_load, self.options = bench_load, options
        self.database = os.path.join(folder, "ours.db")
        self.process = None
        self.peak = 0

    def empty(self):
        for end in ("", "-wal", "-shm", ".lock"):
            if os.path.exists(self.database + end):
                os.remove(self.database + end)

    def load(self):
        self.empty()
        out = subprocess.run([self.bench_load, "database", self.database, *self.options], stdout=subprocess.PIPE, check=True)
        result = json.loads(out.stdout)
        self.peak = max(self.peak, result["memory"])
        return result

    def bytes(self):
        return os.path.getsize(self.database)

    def start(self):
        end = self.options[self.options.index("--end") + 1]
        self.process = subprocess.Popen(
            [self.bench_load, "serve", self.database, "--end", end], stdout=subprocess.PIPE, text=True
        )
        self.port = int(self.process.stdout.readline())

    def memory(self):
        return high_water(self.process.pid)

    def stop(self):
        self.peak = max(self.peak, self.memory())
        self.process.kill()
        self.process.wait()


class OnPostgres(Ours):
    """Ours, on a server with Debian's settings but for its socket. Memory is that of both."""

    name = "on PostgreSQL"

    def __init__(self, bench_load, server, options):
        self.bench_load, self.server, self.options = bench_load, server, options
        self.database = server.url
        self.process = None
        self.peak = 0

    def empty(self):
        self.server.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    def bytes(self):
        self.server.psql("VACUUM")
        return int(self.server.psql("SELECT pg_database_size(current_database())"))

    def memory(self):
        return super().memory() + sum(proportional(pid) for pid in descendants(self.server.process.pid))


class Victoria:
    name = "VictoriaMetrics"

    def __init__(self, bench_load, folder, options):
        self.bench_load, self.options = bench_load, options
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
                "-search.maxQueryDuration=10m",
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


def proportional(pid):
    """A process's share of the memory that it uses, in bytes."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        return int(re.search(r"Pss:\s+(\d+)", rollup.read())[1]) * 1024


def descendants(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
        return [pid, *(one for child in children.read().split() for one in descendants(int(child)))]


def questions(shape, end):
    """Each with its paths for us and for VictoriaMetrics; those about one account for many of them."""
    accounts, regions, daily, hourly = shape
    pick = random.Random(7)
    start = end - min(30, hourly) * DAY
    year = end - (daily + hourly) * DAY
    some = [(account(pick.randrange(accounts)), region(pick.randrange(regions)), pick.choice(TYPES)) for _ in range(VARIANTS)]

    def series(a, r, t):
        return (
            encode("/api/v1/usage/history", account=a, region=r, type=t, step="raw", start=start, end=end),
            encode("/api/v1/query_range", query=f'inspector_cost{{account="{a}",region="{r}",type="{t}"}}', start=start, end=end, step="1h", nocache=1),
        )

    def one_account(a):
        return (
            encode("/api/v1/usage/history", account=a, group_by="type", step="1h", start=start, end=end),
            encode("/api/v1/query_range", query=f'sum(inspector_cost{{account="{a}"}}) by (type)', start=start, end=end, step="1h", nocache=1),
        )

    def organization(first):
        first = first // DAY * DAY + DAY
        return (
            encode("/api/v1/usage/history", group_by="type", step="1d", start=first, end=end),
            encode("/api/v1/query_range", query="sum(last_over_time(inspector_cost[1d])) by (type)", start=first, end=end, step="1d", nocache=1),
        )

    def movers(seconds):
        query = f"sum(last_over_time(inspector_cost[1d])) by (account)"
        return (
            encode("/api/v1/usage/deltas", group_by="account", start=end - seconds, end=end, top=10, contributors=0),
            encode("/api/v1/query", query=f"topk(10, abs({query} - ({query} offset {seconds}s)))", time=end, nocache=1),
        )

    latest = (
        encode("/api/v1/usage/latest", limit=100),
        encode("/api/v1/query", query="limitk(100, inspector_cost)", time=end, nocache=1),
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


def seconds_to_answer(port, path):
    began = time.monotonic()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as reply:
        while reply.read(1 << 20):
            pass
    return time.monotonic() - began


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


def options_of(shape, end, changing):
    accounts, regions, daily, hourly = shape
    named = {"accounts": accounts, "regions": regions, "daily": daily, "hourly": hourly, "changing": changing, "seed": 1, "end": end}
    return [text for name, value in named.items() for text in (f"--{name}", str(value))]


def sides_of(args, folder, size, end):
    """Storing M and L on a PostgreSQL would take hours."""
    options = options_of(SIZES[size], end, args.changing)
    servers = [OnPostgres(args.bench_load, args.server, options)] if size in ("tiny", "S") else []
    return [Ours(args.bench_load, folder, options), *servers, Victoria(args.bench_load, folder, options)]


def this_hour():
    return int(time.time()) // 3600 * 3600


def measure(side, paths, folder):
    """p50 ms, p99 ms, requests/s; of what takes long, asked once."""
    took = min(seconds_to_answer(side.port, paths[0]) for _ in range(2))
    return (took * 1000, took * 1000, 1 / took) if took > SECONDS / 4 else wrk(side.port, paths, folder)


def compare(args, size, folder):
    accounts, regions, *_ = shape = SIZES[size]
    end = this_hour()
    sides = sides_of(args, folder, size, end)
    rates, sizes, steps, roll_up, asked = [[] for _ in sides], [0 for _ in sides], {}, {}, {}
    for _ in range(args.rounds):
        for i, side in enumerate(sides):
            result = side.load()
            rates[i].append(result["pairs"] / result["seconds"])
            sizes[i] = side.bytes() / result["pairs"]
            if "steps" in result:
                pairs, steps[side.name] = result["pairs"], result["steps"]
                roll_up.setdefault(side.name, []).append(result["roll_up"])
        for side in sides:
            side.start()
        for name, paths in questions(shape, end).items():
            for i, side in enumerate(sides):
                figures = measure(side, [pair[side is sides[-1]] for pair in paths], folder)
                asked.setdefault(name, [[] for _ in sides])[i].append(figures)
        for side in sides:
            side.stop()
    series = accounts * regions * len(TYPES)
    print(f"\n### {size}: {accounts:,} accounts x {regions} regions x {len(TYPES)} types = {series:,} series, {pairs:,} pairs\n")
    print(f"| | {' | '.join(side.name for side in sides)} | ratio of the first and last |")
    print("|---|" + "---:|" * (len(sides) + 1))

    def row(name, *values, text, better):
        ours, *_, theirs = values
        ratio = ours / theirs if better == "more" else theirs / ours
        print(f"| {name} | {' | '.join(map(text, values))} | {ratio:.2f} |")

    row("pairs a second in", *map(statistics.median, rates), text="{:,.0f}".format, better="more")
    row("bytes a pair on disk", *sizes, text="{:.2f}".format, better="less")
    row("peak memory, MB", *[side.peak / 1e6 for side in sides], text="{:.0f}".format, better="less")
    for name, both in asked.items():
        for index, what, better, text in ((0, "p50 ms", "less", "{:.2f}"), (1, "p99 ms", "less", "{:.2f}"), (2, "requests/s", "more", "{:,.1f}")):
            row(f"{name}: {what}", *[statistics.median(one[index] for one in side) for side in both], text=text.format, better=better)
    for side, each in steps.items():
        told = ", ".join(f"{name} {step['seconds']:.1f} s (slowest {step['slowest'] * 1000:.0f} ms)" for name, step in each.items())
        print(f"\nOf {side}: {told}; rolling up all days once {statistics.median(roll_up[side]):.1f} s.", flush=True)


def unpack(name, ours, theirs):
    """Two answers to one question, as what should be equal: ours and VictoriaMetrics'."""
    if name.startswith("CSV"):
        mine = {
            (row["taken_at"], row["account_id"], row["region"], row["usage_type"]): float(row["estimated_monthly_cost"])
            for row in csv.DictReader(io.StringIO(ours.decode()))
        }
        other = {tuple(row[:4]): float(row[5]) for row in csv.reader(io.StringIO(theirs.decode()))}
        return mine, other
    data, result = json.loads(ours)["data"], json.loads(theirs)["data"]["result"]
    if name.startswith("top"):
        mine = {row["labels"]["account_id"]: abs(row["change"]) for row in data}
        return mine, {row["metric"]["account"]: float(row["value"][1]) for row in result}
    if name.startswith("latest"):
        mine = {(row["account_id"], row["region"], row["usage_type"]): row["estimated_monthly_cost"] for row in data}
        return mine, {tuple(row["metric"][label] for label in ("account", "region", "type")): float(row["value"][1]) for row in result}
    mine = {(line["labels"].get("usage_type"), at): value for line in data for at, value in line["points"] if value is not None}
    # A sum by type has that label, a series has it too but is one line.
    one = name.startswith("one series")
    other = {(None if one else line["metric"]["type"], at): float(value) for line in result for at, value in line["values"]}
    return mine, other


def check(args, folder):
    shape, end = SIZES["tiny"], this_hour()
    sides = sides_of(args, folder, "tiny", end)
    for side in sides:
        side.load()
        side.start()
    bad = 0
    for name, paths in questions(shape, end).items():
        for own, their in paths[:8]:
            own, their = own.replace("limit=100", "limit=100000"), their.replace("limitk%28100%2C", "limitk%28100000%2C")
            answers = [ask(side.port, their if side is sides[-1] else own) for side in sides]
            if answers[0] != answers[1]:
                bad += 1
                print(f"{name}: PostgreSQL answers otherwise: {answers[0][:300]} {answers[1][:300]}")
            mine, other = unpack(name, answers[0], answers[-1])
            different = [key for key in {*mine, *other} if not math.isclose(mine.get(key, math.nan), other.get(key, math.nan), rel_tol=1e-9)]
            if different or not mine:
                bad += 1
                print(f"{name}: {len(different)} of {len(mine)} numbers differ, like {[(key, mine.get(key), other.get(key)) for key in sorted(different, key=str)[:3]]}")
        print(f"{name}: {len(mine)} numbers are equal" if not bad else f"{name}: see above")
    for side in sides:
        side.stop()
    sys.exit(1 if bad else 0)


def growth(args, folder):
    end = this_hour()
    times = {}
    for factor in FACTORS:
        shape = (100, 3, 0, GROWTH_DAYS * factor)
        side = Ours(args.bench_load, folder, options_of(shape, end, args.changing))
        result = side.load()
        times.setdefault("stored, us a pair", []).append(result["seconds"] / result["pairs"] * 1e6)
        times.setdefault("slowest step of settling, ms", []).append(result["steps"]["settle"]["slowest"] * 1000)
        times.setdefault("rolling up all days, us a day of a series", []).append(result["roll_up"] * 1e6 / (1800 * GROWTH_DAYS * factor))
        side.start()
        recent = (100, 3, 0, GROWTH_DAYS)
        for name, paths in questions(recent, end).items():
            if "a year" not in name:
                times.setdefault(name.replace("30 days", f"{GROWTH_DAYS} days").replace("a month", f"{GROWTH_DAYS} days") + ", p50 ms", []).append(measure(side, [pair[0] for pair in paths], folder)[0])
        side.stop()
    print(f"\n### Growth: 1,800 series, {GROWTH_DAYS} days of hourly polls times\n")
    print("| | " + " | ".join(map(str, FACTORS)) + " |")
    print("|---|" + "---:|" * len(FACTORS))
    for name, values in times.items():
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in values) + " |", flush=True)
    draw(times, args.growth)


def draw(times, path):
    """Lines on logarithmic scales, relative to the shortest history."""
    width, height, left, top = 900, 420, 60, 20
    colors = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#999999", "#000000", "#8c564b", "#2ca02c"]
    most = max(30.0, *(value / values[0] for values in times.values() for value in values))
    x = lambda factor: left + 420 * math.log(factor) / math.log(30)
    y = lambda ratio: top + height - 60 - (height - 80) * (math.log(max(ratio, 0.3) / 0.3) / math.log(most / 0.3))
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="#fff"/>']
    for factor in FACTORS:
        parts.append(f'<path d="M{x(factor):.1f} {top}V{height - 50}" stroke="#ddd"/><text x="{x(factor):.1f}" y="{height - 30}" text-anchor="middle">{factor}x</text>')
    for ratio in (0.3, 1, 3, 10, 30):
        parts.append(f'<path d="M{left} {y(ratio):.1f}H480" stroke="#ddd"/><text x="{left - 8}" y="{y(ratio) + 4:.1f}" text-anchor="end">{ratio}</text>')
    parts.append(f'<text x="{left}" y="{height - 8}">history, times {GROWTH_DAYS} days; time, relative to the shortest history; dashed: as fast as the history</text>')
    parts.append(f'<path d="M{x(1):.1f} {y(1):.1f}L{x(30):.1f} {y(30):.1f}" stroke="#888" stroke-dasharray="4"/>')
    for i, (name, values) in enumerate(times.items()):
        points = " ".join(f"{x(factor):.1f},{y(value / values[0]):.1f}" for factor, value in zip(FACTORS, values))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colors[i % len(colors)]}" stroke-width="2"/>')
        parts.append(f'<text x="500" y="{40 + 22 * i}" fill="{colors[i % len(colors)]}">{name}</text>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(parts) + "\n</svg>\n")


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(re.search(r"MemTotal:\s+(\d+)", file.read())[1]) / 2**20
    versions = subprocess.run(["dpkg-query", "-W", "-f", "; ${Package} ${Version}", "victoria-metrics", "postgresql-15", "libsqlite3-0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    print(f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB; Linux {platform.release()}{versions}; {time.strftime('%Y-%m-%d')}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench_load")
    parser.add_argument("sizes", nargs="*", choices=[*SIZES, []])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--changing", type=float, default=1 / 3)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--growth", metavar="FILE.svg")
    args = parser.parse_args()
    for package, there in (("victoria-metrics", shutil.which("victoria-metrics")), ("postgresql", glob.glob("/usr/lib/postgresql/*/bin/initdb"))):
        if not there:
            print(f"SKIPPED: there is no {package} on this machine (Debian's package of that name)")
            sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, postgres(()) as args.server:
        if args.check:
            check(args, folder)
        machine()
        for size in args.sizes:
            compare(args, size, folder)
        if args.growth:
            growth(args, folder)


main()
