"""idle.py BINARY DATABASE [SECONDS]: how long the daemon takes from its start to READY on a database, and what
it takes of CPU, memory and wake-ups while nothing is due (600 seconds by default). The database is one of
make_history's; it is copied first."""

import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

STARTS = 7

binary, database = sys.argv[1:3]
seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 600
keys = {"AWS_ACCESS_KEY_ID": "AKIASIMULATOR", "AWS_SECRET_ACCESS_KEY": "simulator-secret"}


def usage(pid):
    """CPU seconds, resident bytes and voluntary switches of all threads."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    memory = int(fields[21]) * resource.getpagesize()
    switches = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as status:
            switches += int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", status.read())[1])
    return cpu, memory, switches


with tempfile.TemporaryDirectory() as folder:
    copy = shutil.copy(database, folder + "/u.db")
    simulator = subprocess.Popen(
        [binary, "simulate", "--listen", "127.0.0.1:0", "--accounts", "1600", "--regions", "us-east-1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    url = re.search(r"http://[0-9.:]+", simulator.stdout.readline())[0]
    with open(folder + "/c.yaml", "w", encoding="ascii") as config:
        config.write(
            f"database: {copy}\nhttp: {{port: 0}}\ncollection: {{interval: 1d}}\n"
            f"targets: [{{name: organization, regions: [us-east-1], endpoint: '{url}'}}]\n"
        )
    # What is due comes first.
    subprocess.run(
        [binary, "poll", "--config", folder + "/c.yaml"],
        env=dict(os.environ, **keys),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notices.bind(folder + "/notify")
    environment = dict(os.environ, NOTIFY_SOCKET=folder + "/notify", **keys)

    def start():
        began = time.monotonic()
        process = subprocess.Popen(
            [binary, "run", "--config", folder + "/c.yaml"], env=environment, stderr=subprocess.DEVNULL
        )
        while b"READY=1" not in notices.recv(65536):
            pass
        return process, (time.monotonic() - began) * 1000

    times = []
    for _ in range(STARTS):
        daemon, took = start()
        times.append(took)
        daemon.terminate()
        daemon.wait()
        while b"STOPPING=1" not in notices.recv(65536):
            pass
    size = os.path.getsize(copy) >> 20
    print(f"start to READY on {size} MB: {statistics.median(times):.0f} ms (median of {STARTS}), at most {max(times):.0f} ms", flush=True)

    daemon, _ = start()
    cpu, _, switches = usage(daemon.pid)
    peak = 0
    for _ in range(seconds):
        time.sleep(1)
        peak = max(peak, usage(daemon.pid)[1])
    after = usage(daemon.pid)
    print(
        f"idle for {seconds} s: {(after[0] - cpu) / seconds * 100:.2f} % of a CPU, "
        f"{peak / 2**20:.1f} MB resident at most, {(after[2] - switches) / seconds:.2f} wake-ups a second"
    )
    daemon.terminate()
    daemon.wait()
    simulator.kill()
