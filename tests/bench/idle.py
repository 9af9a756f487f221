"""idle.py BINARY DATABASE [SECONDS]: how long the daemon takes from its start to READY on a database, and what
it takes of CPU, memory and wake-ups while nothing is due (600 seconds by default). The database is one that
`bench_load database` has made; it is copied first."""

import os
import re
import resource
import shutil
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from usaged import Daemon, Hook, Simulator, command, cpu_seconds  # noqa: E402

STARTS = 7
REGIONS = ("us-east-1", "us-east-2", "us-west-2")

binary, database = sys.argv[1:3]
seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 600


def usage(pid):
    """CPU seconds, resident bytes and voluntary switches of all threads."""
    memory = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    switches = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as status:
            switches += int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", status.read())[1])
    return cpu_seconds(pid), memory, switches


with tempfile.TemporaryDirectory() as folder:
    copy = shutil.copy(database, folder + "/u.db")
    hook = Hook()
    simulator = Simulator(binary, folder, "--accounts", "100", "--regions", ",".join(REGIONS))
    Path(folder, "c.yaml").write_text(
        f"database: {copy}\nhttp: {{port: 0}}\ncollection: {{interval: 1d}}\n"
        f"targets: [{{name: organization, regions: [{', '.join(REGIONS)}], endpoint: '{simulator.url}'}}]\n"
        f"receivers: [{{name: hook, kind: webhook, url: '{hook.url}'}}, {{name: ping, kind: ping, url: '{hook.url}'}}]\n",
        encoding="ascii",
    )
    # What is due comes first.
    code, _, errors = command(binary, folder, "poll")
    assert code == 0, errors
    notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notices.bind(folder + "/notify")

    def start():
        began = time.monotonic()
        daemon = Daemon(binary, folder, NOTIFY_SOCKET=folder + "/notify")
        while b"READY=1" not in notices.recv(65536):
            pass
        return daemon, (time.monotonic() - began) * 1000

    times = []
    for _ in range(STARTS):
        daemon, took = start()
        times.append(took)
        daemon.stop()
        while b"STOPPING=1" not in notices.recv(65536):
            pass
    size = os.path.getsize(copy) >> 20
    print(f"start to READY on {size} MB: {statistics.median(times):.0f} ms (median of {STARTS}), at most {max(times):.0f} ms", flush=True)

    # It sleeps as one that has polled.
    daemon, _ = start()
    newest = daemon.ask("/api/v1/polls?limit=1")
    assert daemon.ask("/api/v1/polls", {})[0] == 202
    while daemon.ask("/api/v1/polls?limit=1") == newest:
        time.sleep(0.5)
    time.sleep(5)
    cpu, _, switches = usage(daemon.process.pid)
    peak = 0
    for _ in range(seconds):
        time.sleep(1)
        peak = max(peak, usage(daemon.process.pid)[1])
    after = usage(daemon.process.pid)
    print(
        f"idle for {seconds} s: {(after[0] - cpu) / seconds * 100:.2f} % of a CPU, "
        f"{peak / 2**20:.1f} MB resident at most, {(after[2] - switches) / seconds:.2f} wake-ups a second"
    )
    daemon.stop()
    simulator.kill()
