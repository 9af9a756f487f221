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

    def __init__(self, folder, settings=("fsync=off",), disk=None, primary=None):
        """`disk`: a folder for the data, if they are to be elsewhere. `primary`: the server that it is a standby of."""
        self.bin = max(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[-2]))
        self.folder = pathlib.Path(folder)
        self.settings = settings
        # A server does not run as root.
        self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
        if self.user:
            shutil.chown(self.folder, "postgres", "postgres")
        self.data = pathlib.Path(disk or self.folder) / "data"
        if primary:
            self._run("pg_basebackup", "--write-recovery-conf", "--checkpoint=fast", "--no-sync", "-D", str(self.data), "-d", primary.url)
        else:
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
        """`how`: smart, fast or immediate, as pg_ctl has it. Nothing happens if it has ended."""
        if self.process.poll() is None:
            self._run("pg_ctl", "stop", "-D", str(self.data), "-m", how)
            self.process.wait()

    def promote(self):
        """A standby becomes a primary."""
        self._run("pg_ctl", "promote", "-D", str(self.data))

    def psql(self, sql):
        """What it answers: a line for each row, columns divided by |."""
        return subprocess.run([f"{self.bin}/psql", "-XAtqd", self.url, "-c", sql], capture_output=True, text=True, check=True).stdout


@contextlib.contextmanager
def postgres(settings=("fsync=off",), disk=None, primary=None):
    # The path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="usaged-pg-", dir="/tmp") as folder:
        server = Postgres(folder, settings, disk, primary)
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def small_disk(megabytes):
    """A disk of so many, in memory, where PostgreSQL may write. Takes the right to mount."""
    with tempfile.TemporaryDirectory(prefix="usaged-disk-", dir="/tmp") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=1777", "tmpfs", folder], check=True)
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


if __name__ == "__main__":
    with postgres() as server:
        sys.exit(subprocess.run(sys.argv[1:], env={**os.environ, "USAGED_POSTGRES": server.url}, check=False).returncode)
