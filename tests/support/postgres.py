"""postgres.py COMMAND [ARGUMENT...]: runs it beside a PostgreSQL of its own, on a scratch folder and a socket in it, whose
URL is in USAGED_POSTGRES."""

import contextlib
import glob
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time


class Postgres:
    """A server. It gives up durability, unless told otherwise, for speed."""

    def __init__(self, folder, settings=("fsync=off",)):
        self.bin = max(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[-2]))
        self.folder = pathlib.Path(folder)
        self.settings = settings
        # A server does not run as root.
        self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
        if self.user:
            shutil.chown(self.folder, "postgres", "postgres")
        self.data = self.folder / "data"
        self._run("initdb", "--username=usaged", "--auth=trust", "--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C.UTF-8", str(self.data))
        self.url = f"postgresql://usaged@{str(self.folder).replace('/', '%2F')}/postgres"
        self.process = None
        self.start()

    def _run(self, program, *arguments):
        subprocess.run([*self.user, f"{self.bin}/{program}", *arguments], check=True, stdout=subprocess.DEVNULL)

    def start(self):
        settings = [word for setting in ("listen_addresses=", f"unix_socket_directories={self.folder}", "port=5432", "max_connections=200", *self.settings) for word in ("-c", setting)]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([*self.user, f"{self.bin}/postgres", "-D", str(self.data), *settings], stdout=log, stderr=log, cwd=self.folder)
        for _ in range(600):
            if subprocess.run([f"{self.bin}/pg_isready", "-q", "-d", self.url], check=False).returncode == 0:
                return
            time.sleep(0.05)
        sys.exit((self.folder / "log").read_text())

    def stop(self, how="immediate"):
        """`how`: smart, fast or immediate, as pg_ctl has it."""
        self._run("pg_ctl", "stop", "-D", str(self.data), "-m", how)
        self.process.wait()


@contextlib.contextmanager
def postgres(settings=("fsync=off",)):
    # The path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="usaged-pg-", dir="/tmp") as folder:
        server = Postgres(folder, settings)
        try:
            yield server
        finally:
            server.stop()


if __name__ == "__main__":
    with postgres() as server:
        sys.exit(subprocess.run(sys.argv[1:], env={**os.environ, "USAGED_POSTGRES": server.url}, check=False).returncode)
