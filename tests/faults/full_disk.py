"""full_disk.py BINARY: a disk that fills up under the daemon. Reads are answered, nothing is polled, an alert is
told, and polls go on by themselves within 60 s of space. On one that is read-only a start says so, and questions are
answered. Needs the right to mount (exit code 77 without it)."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from usaged import Daemon, Hook, Simulator, command, verify, wait  # noqa: E402

binary = sys.argv[1]


def fill_and_empty(daemon, hook, path):
    def polls(outcome):
        status, reply = daemon.ask("/api/v1/polls?limit=1000")
        assert status == 200, reply
        return [poll for poll in reply["data"] if poll["outcome"] == outcome]

    wait("the first poll", 20, lambda: polls("ok"))
    # Somebody fills the disk to the last byte.
    filler = open(path, "wb", buffering=0)
    try:
        while True:
            filler.write(b"\0" * 65536)
    except OSError:
        pass
    filler.close()
    assert daemon.ask("/api/v1/polls", {})[0] == 202
    wait("a poll that was refused", 20, lambda: polls("storage"))
    refused = polls("storage")[0]
    assert "no room" in refused["error"] and refused["requests"] == 0, refused
    status = daemon.ask("/api/v1/status")[1]["data"]["database"]
    assert not status["has_room"], status
    assert daemon.ask("/api/v1/usage/latest?limit=10")[1]["data"], "reads are not answered"
    assert daemon.ask("/-/healthy")[0] == 200
    wait("the alert", 30, lambda: any("disk-full" in json.dumps(one) for one in hook.bodies()))
    good = len(polls("ok"))
    time.sleep(3)
    assert len(polls("ok")) == good, "a poll went on without room"
    os.remove(path)
    took = wait("a poll once there is space", 60, lambda: len(polls("ok")) > good)
    print(f"polled again {took:.1f} s after there was space")
    wait("the end of the alert", 30, lambda: "resolved" in json.dumps(hook.bodies()[-1]))
    assert daemon.ask("/api/v1/status")[1]["data"]["database"]["has_room"]
    daemon.stop()


with tempfile.TemporaryDirectory() as folder:
    disk = folder + "/disk"
    os.mkdir(disk)
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "none", disk], stderr=subprocess.DEVNULL)
    if mount.returncode != 0:
        print("skipped: no right to mount")
        sys.exit(77)
    hook = Hook()
    try:
        with Simulator(binary, folder, "--accounts", "20", "--regions", "us-east-1") as simulator:
            Path(folder, "c.yaml").write_text(
                f"database: {disk}/u.db\nhttp: {{port: 0}}\ncollection: {{interval: 10m}}\n"
                f"targets: [{{name: t, regions: [us-east-1], endpoint: '{simulator.url}'}}]\n"
                f"receivers: [{{name: hook, kind: webhook, url: '{hook.url}', group_wait: 0s}}]\n",
                encoding="ascii",
            )
            with Daemon(binary, folder) as daemon:
                fill_and_empty(daemon, hook, disk + "/filler")
        verify(binary, folder)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        code, _, errors = command(binary, folder, "run")
        assert code == 1 and "Read-only file system" in errors, errors
        code, out, errors = command(binary, folder, "latest", "--json")
        assert code == 0 and json.loads(out)["data"], errors
        print("read-only: a start says so, questions are answered")
    finally:
        subprocess.run(["umount", "-l", disk])
