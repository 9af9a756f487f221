"""migrate_store.py BINARY: a history goes from a file to a PostgreSQL and back, killed on the way and gone on with; each has
the same answers, and the same numbers to the last bit; what is not complete is not opened, what has a history is left."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from postgres import postgres  # noqa: E402
from usaged import KEYS, Daemon, Simulator  # noqa: E402

binary = sys.argv[1]


def run(*words):
    ran = subprocess.run([binary, *words], capture_output=True, text=True, env={**os.environ, **KEYS}, check=False)
    return ran.returncode, ran.stdout, ran.stderr


def move(source, to):
    code, out, err = run("migrate-store", source, to, "--json")
    assert code == 0, err
    return json.loads(out)["data"]


def answers(database):
    replies = [run(*words, "--database", database) for words in (("export",), ("history", "--group-by", "type", "--json"), ("alerts", "--json"), ("daily", "--json"))]
    assert all(code == 0 for code, _, _ in replies), replies
    return [re.sub(r'"(as_of|age_seconds)": [^,]*', "", out) for _, out, _ in replies]


with tempfile.TemporaryDirectory(dir="/tmp") as folder, Simulator(binary, folder, "--accounts", "1500", "--regions", "us-east-1,eu-west-1") as simulator, postgres() as server:
    file, back = f"{folder}/u.db", f"{folder}/back.db"

    def configure(database):
        Path(folder, "c.yaml").write_text(
            f"database: {database}\nhttp: {{port: 0}}\ntargets: [{{name: t, regions: [us-east-1, eu-west-1], endpoint: '{simulator.url}'}}]\n"
            "rules: [{name: limit, kind: threshold, limit: 5, group_by: [account]}]\n",
            encoding="ascii",
        )

    configure(file)
    for _ in range(3):
        assert run("poll", "--config", f"{folder}/c.yaml")[0] == 0
    before = answers(file)

    subprocess.run([f"{server.bin}/psql", "-Xqd", server.url, "-c", "CREATE SCHEMA whole"], check=True)
    began = time.monotonic()
    move(file, f"{server.url}?options=-csearch_path%3Dwhole")
    whole = time.monotonic() - began

    # Killed on the way, twice.
    killed = 0
    for share in (0.3, 0.25):
        copy = subprocess.Popen([binary, "migrate-store", file, server.url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(share * whole)
        killed += copy.poll() is None
        copy.kill()
        copy.wait()
        code, _, err = run("status", "--database", server.url)
        assert code != 0 and ("schema is older" in err or "not complete" in err), err
    assert killed == 2, "it ended before it was killed"
    began = time.monotonic()
    there = move(file, server.url)
    seconds = time.monotonic() - began
    assert answers(server.url) == before, "other answers on the server"
    code, _, err = run("migrate-store", file, server.url)
    assert code != 0 and "a history of its own" in err, err
    code, _, err = run("migrate-store", file, f"{folder}/other.db")
    assert code == 2 and "one of the two" in err, err

    # The server's goes on, and comes back with what is new.
    configure(server.url)
    assert run("poll", "--config", f"{folder}/c.yaml")[0] == 0
    here = move(server.url, back)
    assert here["rows"] > there["rows"] and answers(back) == answers(server.url), "other answers in the file"
    assert run("verify", back)[0] == 0
    configure(back)
    with Daemon(binary, folder) as daemon:
        daemon.ready()
        silence = daemon.ask("/api/v1/silences", {"matchers": ["account_id=1"], "duration": "1h", "created_by": "x", "comment": "x"})
        assert silence[0] == 201, silence
        daemon.stop()
    print(f"{there['rows']:,} rows over, {there['resumed']:,} of them by {killed} attempts that were killed, the rest in {seconds:.1f} s with both read whole; and back; SHA-256 {there['sha256'][:12]}..., equal answers")
