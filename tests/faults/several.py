"""several.py BINARY [SECONDS]: three daemons on one PostgreSQL, of which one is killed (kill -9) every few seconds and
started anew, for so long (90 seconds by default), and last of all the server restarts. Each due time of each target and
region is polled once, whoever does it, and none is left out; every alert is raised once; what the API told is there;
every message was delivered, its duplicates with one id."""

import collections
import json
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from postgres import postgres  # noqa: E402
from usaged import Daemon, Hook, Simulator  # noqa: E402

REGIONS = "us-east-1,us-east-2,us-west-1,eu-west-1"
TARGETS = 9
INTERVAL = 120  # longer than three daemons in a row can be killed before they have polled

binary = sys.argv[1]
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 90
seed = random.Random(5)


def ask(server, sql):
    return [line.split("|") for line in server.psql(sql).splitlines()]


def left_out(server, until):
    """The due times before `until` that were not polled, save those that were cut short and whose next attempt, one minute
    later, two after the second, would be no sooner than the next due time."""
    ended = {}
    for target, region, slot, good, attempts, last in ask(server, "SELECT target, region, slot, max(CASE outcome WHEN 'ok' THEN 1 ELSE 0 END), count(*), max(finished) FROM poll GROUP BY 1, 2, 3"):
        retry = int(last or 0) + 60 * 2 ** (int(attempts) - 1)
        ended[target, region, int(slot)] = good == "1" or (last != "" and retry >= int(slot) + INTERVAL)
    missed = []
    for target, region in {key[:2] for key in ended}:
        first = min(slot for *scope, slot in ended if scope == [target, region])
        missed += [(target, region, slot) for slot in range(first, until, INTERVAL) if not ended.get((target, region, slot))]
    return missed


def undelivered(server):
    return ask(server, "SELECT id, state, error FROM notification WHERE state <> 'delivered'")


with tempfile.TemporaryDirectory() as folder, Simulator(binary, folder, "--accounts", "12", "--regions", REGIONS) as simulator, postgres(("synchronous_commit=on",)) as server:
    hook = Hook()
    targets = ", ".join(f"{{name: t{i}, regions: [{REGIONS}], endpoint: '{simulator.url}'}}" for i in range(TARGETS))
    Path(folder, "c.yaml").write_text(
        f"database: {server.url}\nhttp: {{port: 0}}\ncollection: {{interval: {INTERVAL}s}}\ntargets: [{targets}]\n"
        "rules: [{name: limit, kind: threshold, limit: 5, group_by: [account]}]\n"
        f"receivers: [{{name: hook, kind: webhook, url: '{hook.url}', group_wait: 0s, group_by: [account_id]}}]\n",
        encoding="ascii",
    )
    daemons = [Daemon(binary, folder) for _ in range(3)]
    for daemon in daemons:
        daemon.ready()
    began = time.time()
    kills, told = 0, set()
    while time.time() - began < seconds:
        time.sleep(seed.uniform(2, 8))
        victim = seed.randrange(3)
        daemons[victim].kill()
        kills += 1
        # Whoever is left takes what people do.
        assert daemons[(victim + 2) % 3].ask("/-/reload", {})[0] == 200, "not reloaded"
        comment = f"silence {kills}"
        body = {"matchers": ["account_id=1"], "duration": "1h", "created_by": "x", "comment": comment}
        if daemons[(victim + 1) % 3].ask("/api/v1/silences", body)[0] == 201:
            told.add(comment)
        time.sleep(seed.uniform(0, 4))
        daemons[victim] = Daemon(binary, folder)
    # What the last that were killed held is taken over within a lease's term, and a poll that was cut short is done again
    # a minute later.
    checked = int(time.time())
    time.sleep(25)
    late = time.time() + 90
    while time.time() < late and (left_out(server, checked) or undelivered(server)):
        time.sleep(1)
    server.stop("fast")
    server.start()
    time.sleep(10)
    for daemon in daemons:
        assert daemon.process.poll() is None, "".join(daemon.log)
        state = daemon.ask("/api/v1/status")[1]["data"]["state"]
        assert state == "ok", "".join(daemon.log)
    # Whichever is asked, the answer is the same; unless something has happened in between.
    for question in ("status", "usage/latest?limit=1000", "alerts"):
        answers = []
        for _ in range(5):
            answers = [daemon.ask(f"/api/v1/{question}")[1]["data"] for daemon in daemons]
            if question == "status":
                answers = [(answer["daemons"], [row["polled_by"] for row in answer["targets"]]) for answer in answers]
            if answers[0] == answers[1] == answers[2]:
                break
        assert answers[0] and answers[0] == answers[1] == answers[2], f"{question}: the daemons answer otherwise: {answers}"
    duties = daemons[0].ask("/api/v1/status")[1]["data"]["daemons"]
    assert len(duties) == 3 and sum(one["targets"] for one in duties) == TARGETS and sum(one["rules"] for one in duties) == 1, duties
    holders = ask(server, "SELECT duty, count(*) FROM lease WHERE until > extract(epoch FROM clock_timestamp()) GROUP BY 1 HAVING count(*) > 1")
    assert not holders, holders
    for daemon in daemons:
        daemon.stop()

    polls = collections.defaultdict(list)
    for target, region, slot, outcome in ask(server, "SELECT target, region, slot, outcome FROM poll ORDER BY id"):
        polls[target, region, int(slot)].append(outcome)
    twice = {key: outcomes for key, outcomes in polls.items() if outcomes.count("ok") > 1}
    assert not twice, f"polled twice: {twice}"
    missed = left_out(server, checked)
    assert not missed, f"never polled: {[(key, polls.get(key)) for key in missed]}"
    assert len({key[:2] for key in polls}) == TARGETS * len(REGIONS.split(",")), "some were never asked"
    cut_short = sum(outcomes.count("interrupted") for outcomes in polls.values())
    raised = ask(server, "SELECT a.id, a.fingerprint, count(e.id) FROM alert a JOIN alert_event e ON e.alert_id = a.id AND e.change = 'fired' GROUP BY 1, 2 HAVING count(e.id) > 1")
    assert not raised, f"raised twice: {raised}"
    fingerprints = ask(server, "SELECT fingerprint, count(*) FROM alert GROUP BY 1 HAVING count(*) > 1")
    assert not fingerprints, f"raised twice: {fingerprints}"
    alerts = int(ask(server, "SELECT count(*) FROM alert")[0][0])
    assert alerts > 0, "no alert at all"
    kept = {comment for (comment,) in ask(server, "SELECT comment FROM silence")}
    assert told <= kept, f"told of, and lost: {told - kept}"
    waiting = undelivered(server)
    assert not waiting, f"not delivered: {waiting}"
    uids = {uid for (uid,) in ask(server, "SELECT uid FROM notification")}
    assert set(hook.received) == uids, "messages and what was received differ"
    copies = sum(len(bodies) for bodies in hook.received.values())
    fired = collections.Counter(alert["fingerprint"] if "fingerprint" in alert else json.dumps(alert["labels"], sort_keys=True) for bodies in hook.received.values() for alert in bodies[0]["alerts"])
    assert max(fired.values()) == 1, f"told twice: {fired.most_common(3)}"
    print(
        f"{kills} kills in {seconds:.0f} s: {sum('ok' in o for o in polls.values())} due times of {TARGETS * len(REGIONS.split(','))} targets and regions polled once each, "
        f"none left out, {cut_short} polls cut short and done again; {alerts} alerts raised once; {len(uids)} messages received {copies} times; {len(told)} silences kept"
    )
