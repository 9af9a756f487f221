"""postgres.py BINARY: what a daemon does when its PostgreSQL, or the way to it, fails: connections that are lost before
and after a commit has come through, a lock that somebody else holds, more connections wanted than the server has, a newer
program's migration, a primary that dies and whose standby takes over, a full disk; and that it tells a server by its
certificate and has its password from a file."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from postgres import postgres, small_disk  # noqa: E402
from usaged import Daemon, Simulator, command, wait  # noqa: E402

binary = sys.argv[1]


class Proxy:
    """Between clients and a server's socket. `cut` says what becomes of the next COMMIT: 'before' it reaches the server,
    or 'after', the connection is lost."""

    def __init__(self, folder, server):
        self.server, self.cut, self.cuts = server, None, 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{folder}/.s.PGSQL.5432")
        self.listener.listen(64)
        self.url = f"postgresql://usaged@{str(folder).replace('/', '%2F')}/postgres"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client = self.listener.accept()[0]
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(f"{self.server.folder}/.s.PGSQL.5432")
            except OSError:
                client.close()
                continue
            threading.Thread(target=self.pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, False), daemon=True).start()

    def pump(self, source, sink, from_client):
        def close():
            for one in (source, sink):
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

        try:
            while data := source.recv(65536):
                if from_client and self.cut and b"COMMIT\0" in data:
                    cut, self.cut = self.cut, None
                    self.cuts += 1
                    if cut == "after":
                        # The reply does not come back.
                        source.shutdown(socket.SHUT_RDWR)
                        sink.sendall(data)
                        time.sleep(0.3)
                    return close()
                sink.sendall(data)
        except OSError:
            pass
        close()


def silences(daemon):
    return [row["comment"] for row in daemon.ask("/api/v1/silences?limit=100")[1]["data"]]


def add(daemon, comment):
    return daemon.ask("/api/v1/silences", {"matchers": ["account_id=1"], "duration": "1h", "created_by": "x", "comment": comment})


def configure(folder, database, simulator):
    Path(folder, "c.yaml").write_text(
        f"database: '{database}'\nhttp: {{port: 0}}\ntargets: [{{name: t, regions: [us-east-1], endpoint: '{simulator.url}'}}]\n", encoding="ascii"
    )


with tempfile.TemporaryDirectory(dir="/tmp") as folder, Simulator(binary, folder, "--accounts", "5") as simulator, postgres(("max_connections=25",)) as server:
    os.mkdir(f"{folder}/socket")
    proxy = Proxy(f"{folder}/socket", server)
    configure(folder, proxy.url, simulator)
    with Daemon(binary, folder) as daemon:
        daemon.ready()
        for round_ in range(5):
            # Leases are renewed by other commits: the one that is cut may be theirs, and then this one goes through.
            proxy.cut = "after"
            status, reply = add(daemon, f"after {round_}")
            assert status == 201, f"a commit that came through was told as lost: {reply}"
            proxy.cut = "before"
            cuts = proxy.cuts
            status, reply = add(daemon, f"before {round_}")
            there = f"before {round_}" in silences(daemon)
            assert there == (status == 201), f"told {status}, {'kept' if there else 'not kept'}: {reply}"
            proxy.cut = None
            assert add(daemon, f"whole {round_}")[0] == 201
        kept = silences(daemon)
        assert len(kept) == len(set(kept)), f"stored twice: {kept}"
        assert {f"{what} {i}" for what in ("after", "whole") for i in range(5)} <= set(kept), kept
        lost = 5 - sum(comment.startswith("before") for comment in kept)
        assert lost > 0 and proxy.cuts >= 10, "no commit was cut"
        print(f"{proxy.cuts} connections lost in a commit: what came through was told as stored and is there once, {lost} that did not were told as failed and are not there")

        # Somebody holds what writers wait for.
        holder = subprocess.Popen([f"{server.bin}/psql", "-XAtqd", server.url, "-c", "SELECT pg_advisory_lock(1769304935), pg_sleep(34)"], stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        try:
            assert add(daemon, "waited")[0] == 503
        except TimeoutError:  # of the client's patience, which is shorter
            pass
        assert daemon.ask("/api/v1/status")[0] == 200, "readers wait for a writer"
        holder.wait()
        time.sleep(3)
        assert daemon.process.poll() is None, "".join(daemon.log)
        assert add(daemon, "waited no longer")[0] == 201
        print(f"a lock held for 34 s: readers went on, writers after it")

        # More wanted than there are.
        hogs = [subprocess.Popen([f"{server.bin}/psql", "-XAtqd", server.url, "-c", "SELECT pg_sleep(6)"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(40)]
        time.sleep(1)
        answers = []

        def question():
            try:
                answers.append(daemon.ask("/api/v1/usage/latest")[0])
            except OSError:
                answers.append(0)

        threads = [threading.Thread(target=question) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(answers) <= {200, 503}, answers
        for hog in hogs:
            hog.wait()
        assert daemon.process.poll() is None, "".join(daemon.log)
        assert daemon.ask("/api/v1/usage/latest")[0] == 200 and add(daemon, "with room")[0] == 201
        print(f"a server without free connections: {answers.count(200)} of 30 questions answered, {answers.count(503)} refused (503), all well after")

        # Another daemon, of a newer version, has come.
        server.psql("INSERT INTO migration (version, name, checksum) SELECT max(version) + 1, 'newer', '' FROM migration")
        status, reply = add(daemon, "by the old one")
        assert status != 201 and "newer version" in json.dumps(reply), reply
        assert daemon.process.wait(30) == 2, "".join(daemon.log)
        assert "newer version" in "".join(daemon.log), "".join(daemon.log)
        assert server.psql("SELECT count(*) FROM silence WHERE comment = 'by the old one'").strip() == "0"
        print("migrated by a newer program: the older one writes no more, says so and ends")


class Adder(threading.Thread):
    """Adds silences one after the other, and keeps which were told as stored."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.daemon_, self.stored, self.refused, self.ended = daemon, [], 0, False
        self.start()

    def run(self):
        while not self.ended:
            comment = f"silence {len(self.stored) + self.refused}"
            try:
                told = add(self.daemon_, comment)[0] == 201
            except OSError:
                told = False
            if told:
                self.stored.append(comment)
            else:
                self.refused += 1
                time.sleep(0.05)

    def end(self):
        self.ended = True
        self.join()


# A primary that dies, and its standby, which has each commit before it is told.
with tempfile.TemporaryDirectory(dir="/tmp") as folder, Simulator(binary, folder, "--accounts", "5") as simulator:
    with postgres(("synchronous_standby_names=*",)) as primary:
        with postgres((), primary=primary) as standby:
            hosts = f"{primary.folder},{standby.folder}".replace("/", "%2F")
            configure(folder, f"postgresql:///postgres?host={hosts}&user=usaged&target_session_attrs=read-write", simulator)
            with Daemon(binary, folder) as daemon:
                daemon.ready()
                adder = Adder(daemon)
                wait("what is stored", 30, lambda: len(adder.stored) > 50)
                primary.stop("immediate")
                before, began = len(adder.stored), time.monotonic()
                standby.promote()
                wait("what the new primary stores", 60, lambda: len(adder.stored) > before + 50)
                took = time.monotonic() - began
                adder.end()
                kept = standby.psql("SELECT comment FROM silence").splitlines()
                assert len(kept) == len(set(kept)), "stored twice"
                assert set(adder.stored) <= set(kept), f"lost: {set(adder.stored) - set(kept)}"
                status, reply = daemon.ask("/api/v1/polls", {})
                assert status == 202, reply
                wait("the first polls", 30, lambda: int(standby.psql("SELECT count(*) FROM poll WHERE outcome = 'ok'")) >= 2)
                daemon.stop()
            print(f"a primary that died: {before} silences told as stored and there, {adder.refused} refused, stored by its standby {took:.1f} s later")


def full_disk():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, Simulator(binary, folder, "--accounts", "5") as simulator, small_disk(300) as disk, postgres((), disk) as server:
        configure(folder, server.url, simulator)
        with Daemon(binary, folder) as daemon:
            daemon.ready()
            adder = Adder(daemon)
            wait("what is stored", 30, lambda: len(adder.stored) > 50)
            ballast = Path(disk, "ballast")
            with open(ballast, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(1 << 16))
                except OSError:
                    pass
            wait("what a full disk refuses", 60, lambda: adder.refused > 20)
            before = len(adder.stored)
            assert daemon.process.poll() is None, "".join(daemon.log)
            health = daemon.ask("/-/healthy")[0]
            ballast.unlink()
            if server.process.poll() is not None:
                server.start()
            wait("what is stored once there is space", 60, lambda: len(adder.stored) > before + 50)
            adder.end()
            kept = server.psql("SELECT comment FROM silence").splitlines()
            assert len(kept) == len(set(kept)) and set(adder.stored) <= set(kept), "lost, or stored twice"
            assert health == 200, health
            daemon.stop()
            print(f"a server's full disk: {adder.refused} refused while it was, {len(adder.stored)} told as stored and there once, health answered")


# To make a small disk is root's right.
if os.geteuid() == 0:
    full_disk()
else:
    print("a server's full disk: left out, for want of the right to mount one")

with tempfile.TemporaryDirectory(dir="/tmp") as folder, postgres() as server:
    for name in ("ca", "other"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout", f"{folder}/{name}.key"]
            + ["-out", f"{folder}/{name}.pem", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
            check=True,
            capture_output=True,
        )
    for end, name in (("key", "server.key"), ("pem", "server.crt")):
        path = server.data / name
        path.write_bytes(Path(folder, f"ca.{end}").read_bytes())
        path.chmod(0o600)
        if server.user:
            shutil.chown(path, "postgres", "postgres")
    server.psql("ALTER ROLE usaged PASSWORD 'a secret'")
    (server.data / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
    server.stop("fast")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server.settings = ("ssl=on", "listen_addresses=127.0.0.1", f"port={port}")
    server.url += f"?port={port}"
    server.start()
    Path(folder, "pass").write_text(f"localhost:{port}:postgres:usaged:a secret\n", encoding="ascii")
    Path(folder, "pass").chmod(0o600)
    url = f"postgresql://usaged@localhost:{port}/postgres?hostaddr=127.0.0.1&sslmode=verify-full"

    def poll(parameters):
        Path(folder, "c.yaml").write_text(f"database: {url}{parameters}\ntargets: [{{name: t, regions: [us-east-1], endpoint: 'http://127.0.0.1:9'}}]\n", encoding="ascii")
        code, _, error = command(binary, folder, "poll")
        assert "a secret" not in error
        return code, error

    poll(f"&sslrootcert={folder}/ca.pem&passfile={folder}/pass")
    assert server.psql("SELECT count(*) FROM poll").strip() == "1", "the attempt is not stored"
    for parameters, expected in (
        (f"&sslrootcert={folder}/other.pem&passfile={folder}/pass", "certificate verify failed"),
        (f"&sslrootcert={folder}/ca.pem&passfile={folder}/none", "no password supplied"),
        (f"&sslrootcert={folder}/ca.pem&passfile={folder}/pass&sslmode=disable", "no encryption"),
    ):
        code, error = poll(parameters)
        assert code == 1 and expected in error, error
    print("a server with TLS and passwords: told by its certificate, asked with a password from a file; another's certificate, no password and no TLS are refused")
