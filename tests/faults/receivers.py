"""receivers.py BINARY [ROUNDS]: receivers that are down, slow, cut the connection, fail, want to be asked later,
redirect, or see the daemon killed before they have answered (2 rounds by default, each with a message for each). All
messages are delivered, or dead where somebody has to see to it, and delivered once they are sent again; all attempts of
one have one id and one body; a receiver that is well does not wait for the others."""

import http.client
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from usaged import Daemon, Hook, Simulator, command, verify, wait  # noqa: E402

PATIENCE = 15  # seconds that the daemon waits for an answer
LATER = 13  # seconds, asked for by Retry-After

binary = sys.argv[1]
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 2
daemon = None
mended = False


def kills(number):
    """Whether the daemon is killed in this round."""
    return number % 2 == 0


def slow(handler, attempt):
    time.sleep(PATIENCE + 3 if attempt == 1 else 0)
    handler.reply(200)


def cuts(handler, attempt):
    if attempt == 1:
        handler.close_connection = True
    else:
        handler.reply(200)


def fails(handler, attempt):
    handler.reply({1: 500, 2: 503}.get(attempt, 200))


def busy(handler, attempt):
    handler.reply(429 if attempt == 1 else 200, Retry_After=str(LATER))


def redirects(handler, _):
    handler.reply(200 if mended else 302, Location=hooks["well"].url)


def kill(handler, attempt):
    if attempt == 1 and kills(number):
        daemon.kill()
    handler.reply(200)


# The last is the first to wait if one waits for the other.
hooks = {
    "down": Hook(listens=False),
    "slow": Hook(slow),
    "cuts": Hook(cuts),
    "fails": Hook(fails),
    "busy": Hook(busy),
    "redirects": Hook(redirects),
    "kill": Hook(kill),
    "well": Hook(),
}

with tempfile.TemporaryDirectory() as folder, Simulator(binary, folder, "--accounts", "3") as simulator:

    def configure(count):
        """So many rules, each of which fires for all accounts."""
        rules = "".join(f"- {{name: limit-{i}, kind: threshold, limit: 0.01}}\n" for i in range(1, count + 1))
        receivers = "".join(f"- {{name: {name}, kind: webhook, url: '{hook.url}', group_wait: 0s}}\n" for name, hook in hooks.items())
        Path(folder, "c.yaml").write_text(
            f"database: {folder}/u.db\nhttp: {{port: 0}}\ntargets: [{{name: t, regions: [us-east-1], endpoint: '{simulator.url}'}}]\n"
            f"rules:\n{rules}receivers:\n{receivers}",
            encoding="ascii",
        )

    def messages():
        """Of each receiver, by id."""
        found = {name: {} for name in hooks}
        for row in daemon.data("/api/v1/notifications"):
            found[row["receiver"]][row["uid"]] = row
        return found

    def settled():
        """Whether no message waits; starts a daemon that was killed again."""
        global daemon
        if daemon.process.poll() is not None:
            daemon = Daemon(binary, folder)
        try:
            return all(len(rows) == number and all(row["state"] != "pending" for row in rows.values()) for rows in messages().values())
        except (OSError, http.client.HTTPException):
            return False

    configure(1)
    daemon = Daemon(binary, folder)
    for number in range(1, rounds + 1):
        if number > 1:
            configure(number)
            daemon.process.send_signal(signal.SIGHUP)
        else:
            others = [hook for name, hook in hooks.items() if name != "down"]
            wait("the first message of all that listen", 20, lambda: all(hook.times for hook in others))
            began = [next(iter(hook.times.values()))[0] for hook in others]
            waited = began[-1] - min(began)
            assert waited < PATIENCE / 3, f"the one that is well waited {waited:.1f} s for the others"
            hooks["down"].start()
        wait("the end of all messages", 120, settled)
    for name, rows in messages().items():
        assert {row["state"] for row in rows.values()} == {"dead" if name == "redirects" else "delivered"}, (name, rows)
    assert all("redirect" in row["error"] for row in messages()["redirects"].values())
    mended = True
    code, _, errors = command(binary, folder, "redrive", "--receiver", "redirects", "--url", f"http://127.0.0.1:{daemon.port}")
    assert code == 0, errors
    wait("the messages that were sent again", 30, settled)
    found = messages()
    daemon.stop()
    verify(binary, folder)

attempts = 0
for name, hook in hooks.items():
    assert all(row["state"] == "delivered" for row in found[name].values()), (name, found[name])
    assert set(hook.received) == set(found[name]), f"{name}: messages and what was received differ"
    for bodies in hook.received.values():
        attempts += len(bodies)
        assert all(body == bodies[0] for body in bodies), f"{name}: a message changed"
# Its times are as they were where nobody was killed.
for name, least in (("busy", LATER), ("fails", 9)):
    times = list(hooks[name].times.values())
    gaps = [times[number - 1][1] - times[number - 1][0] for number in range(1, rounds + 1) if not kills(number)]
    assert all(least <= gap for gap in gaps), f"{name} was asked again after {min(gaps):.1f} s"
if rounds > 1:
    assert any(len(bodies) > 1 for bodies in hooks["kill"].received.values()), "nothing was killed between sending and marking"
print(
    f"{rounds} rounds: {sum(map(len, found.values()))} messages to {len(hooks)} receivers in {attempts} attempts, all delivered, "
    f"{rounds} of them after being dead; each with one id and one body"
)
