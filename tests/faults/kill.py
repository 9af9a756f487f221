"""kill.py BINARY [KILLS]: kill -9 at random while polls, alerts, messages and API writes run (20 times by default).
What was told to somebody is there afterwards, once; what is there was tried; nothing is corrupt; every message was
delivered, its duplicates with one id; how long a start takes until it is ready."""

import http.client
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from usaged import Daemon, Hook, Simulator, verify  # noqa: E402

REGIONS = "us-east-1,us-east-2,us-west-1,us-west-2,eu-west-1,eu-west-2"

binary = sys.argv[1]
kills = int(sys.argv[2]) if len(sys.argv) > 2 else 20
seed = random.Random(7)
tried, told = set(), set()  # silences, by their comment
seen_polls, seen_alerts = {}, set()


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


with tempfile.TemporaryDirectory() as folder, Simulator(binary, folder, "--accounts", "60", "--regions", REGIONS) as simulator:
    hook = Hook()

    def start(limit):
        Path(folder, "c.yaml").write_text(
            f"database: {folder}/u.db\nhttp: {{port: 0}}\ncollection: {{interval: 10m}}\n"
            f"targets: [{{name: t, regions: [{REGIONS}], endpoint: '{simulator.url}'}}]\n"
            f"rules: [{{name: limit, kind: threshold, limit: {limit}, group_by: [account], keep_firing: 0s}}]\n"
            f"receivers: [{{name: hook, kind: webhook, url: '{hook.url}', group_wait: 0s}}]\n",
            encoding="ascii",
        )
        daemon = Daemon(binary, folder)
        ready.append(daemon.ready())
        return daemon

    def silence(daemon):
        comment = f"silence {len(tried)}"
        tried.add(comment)
        status, reply = daemon.ask(
            "/api/v1/silences",
            {"matchers": ["account_id=1"], "duration": "1h", "created_by": "somebody", "comment": comment},
        )
        assert status in (200, 201), reply
        told.add(comment)

    def look(daemon):
        for poll in daemon.ask("/api/v1/polls?limit=50")[1]["data"]:
            if poll["outcome"] == "ok":
                seen_polls[poll["id"]] = poll
        seen_alerts.update(alert["id"] for alert in daemon.ask("/api/v1/alerts?limit=1000")[1]["data"])
        time.sleep(0.02)

    def poll(daemon):
        daemon.ask("/api/v1/polls", {"targets": ["t"]})
        time.sleep(0.02)

    ready = []
    for number in range(kills):
        daemon = start(0.01 if number % 2 == 0 else 1e9)
        writers = [Writer(lambda action=action: action(daemon)) for action in (silence, look, poll)]
        for writer in writers:
            writer.start()
        time.sleep(seed.uniform(0.02, 3))
        daemon.kill()
        for writer in writers:
            writer.stopped = True
        for writer in writers:
            writer.join()
    with start(1e9) as daemon:
        began = time.monotonic()
        while any(row["state"] == "pending" for row in daemon.data("/api/v1/notifications")):
            if time.monotonic() - began > 60:
                sys.exit("messages are still not delivered after 60 s")
            time.sleep(0.2)
        time.sleep(1)
        silences = [row["comment"] for row in daemon.data("/api/v1/silences")]
        polls = {row["id"]: row for row in daemon.data("/api/v1/polls")}
        alerts = {row["id"] for row in daemon.data("/api/v1/alerts")}
        messages = {row["uid"]: row for row in daemon.data("/api/v1/notifications")}
        daemon.stop()
    verify(binary, folder)
    assert len(silences) == len(set(silences)), "a silence is there twice"
    assert told <= set(silences) <= tried, (told - set(silences), set(silences) - tried)
    lost = [number for number, row in seen_polls.items() if polls.get(number) != row]
    assert not lost, f"polls that were seen are gone or otherwise: {lost}"
    assert all(row["outcome"] in ("ok", "interrupted") for row in polls.values()), "a poll still runs"
    assert seen_alerts <= alerts, f"alerts that were seen are gone: {seen_alerts - alerts}"
    assert set(hook.received) == set(messages), "messages and what was received differ"
    assert all(row["state"] == "delivered" for row in messages.values())
    print(
        f"{kills} kills: {len(told)} silences told of {len(tried)} tried, {len(polls)} polls "
        f"({sum(row['outcome'] == 'interrupted' for row in polls.values())} interrupted), {len(alerts)} alerts, "
        f"{len(messages)} messages received {sum(map(len, hook.received.values()))} times; none lost. Ready in "
        f"{statistics.median(ready) * 1000:.0f} ms (median), {sorted(ready)[int(len(ready) * 0.99)] * 1000:.0f} ms (p99)"
    )
