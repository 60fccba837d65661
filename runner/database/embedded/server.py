"""Starts, finds and stops the server of a data folder.

It listens on a unix socket only, in a folder that only its owner can enter: there is no password,
so there must be no other way in.
"""

import hashlib
import os
import shlex
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote

from runner.database.embedded import binaries
from runner.database.embedded.binaries import Programs, explained, failed, locked, remove
from runner.database.embedded.postmaster import PORT, Postmaster
from runner.errors import RunnerError, StartError

MAJOR = 18
START_SECONDS = 60  # crash recovery after a large load needs some

Settings = Mapping[str, str | float]

# For one person's warehouse on one machine. A crash can lose the last half second of commits
# (synchronous_commit), but never leaves half of one. Nothing replicates from here (wal_level).
FAST: Settings = {
    "max_connections": 50,
    "max_locks_per_transaction": 256,  # a build locks every table, and may create each again
    "shared_buffers": "256MB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "effective_cache_size": "1GB",
    "random_page_cost": 1.1,
    "jit": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": 0,
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
}


class Server:
    """A data folder and the server that works on it."""

    # Sorts by code point, the same on every machine; upper and lower know all of Unicode.
    LOCALE = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")

    def __init__(self, data: Path, settings: Settings = FAST) -> None:
        self.data = place(data)
        self.settings = settings
        self.log = self.data / "server.log"
        self._lock = self.data.with_name(f"{self.data.name}.lock")
        self.socket = _socket_folder(self.data)
        self.uri = f"postgresql://postgres@/postgres?host={quote(str(self.socket))}&port={PORT}"
        self.programs = Programs(self.data)
        self.postmaster = Postmaster(self.data, self.socket, self.programs)

    def start(self) -> Self:
        """Start the server unless it runs; return once it takes connections."""
        with explained(self.data):
            if self.postmaster.is_ready():
                return self
            binaries.make_folder(self.data.parent)
            with locked(self._lock):
                if self.postmaster.has_lost_its_socket():
                    self._stop()
                if self.is_running():  # another process was faster, or was killed while it waited
                    self._wait_until_ready()
                else:
                    self._create()
                    self.postmaster.forget_stale()
                    self._launch()
        return self

    def stop(self) -> bool:
        """Stop the server, rolling back open transactions; return whether it ran."""
        with explained(self.data):
            if not self.is_running():
                return False
            with locked(self._lock):
                return self._stop()

    def is_running(self) -> bool:
        """Whether a server runs on this data folder, ready or not."""
        with explained(self.data):
            return self.postmaster.answers() or self.postmaster.pid() is not None

    def delete(self) -> bool:
        """Stop the server and delete its data folder; return whether there was one."""
        with explained(self.data):
            if not self.data.exists():
                return False
            self._check_data()
            with locked(self._lock):
                self._stop()
                remove(self.data)
                if self.socket != self.data:
                    remove(self.socket)
            return True

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.postmaster.is_ready():
            if time.monotonic() > deadline:
                raise StartError(
                    f"the server on {self.data} does not answer after {START_SECONDS} s",
                    hint=f"python -m runner db stop, then try again; its log is {self.log}",
                )
            time.sleep(0.01)

    def _create(self) -> None:
        """Create the whole data folder or none: a killed initdb leaves one that looks ready."""
        if self.data.exists() and any(self.data.iterdir()):
            self._check_data()
            return
        partial = self.data.with_name(f"{self.data.name}.partial")
        remove(partial)
        partial.mkdir(mode=0o700)
        self.programs.hand_over(partial)
        done = self.programs.run(
            "initdb",
            f"--pgdata={partial}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            *self.LOCALE,
            *(["--no-sync"] if self.settings.get("fsync") == "off" else []),
        )
        if done.returncode != 0:
            remove(partial)
            raise failed(f"initdb could not create {self.data}", done.stdout)
        partial.rename(self.data)

    def _check_data(self) -> None:
        version = self.data / "PG_VERSION"
        if not version.exists():
            raise StartError(
                f"{self.data} is not empty, and not a PostgreSQL data folder",
                hint="move it away; a new one is created in its place",
            )
        major = version.read_text().strip()
        if major != str(MAJOR):
            raise StartError(
                f"{self.data} holds data of PostgreSQL {major}, the embedded server is {MAJOR}",
                hint=f"move it away, or set DATABASE_URL to a server of version {major}",
            )

    def _launch(self) -> None:
        self._make_socket_folder()
        deadline = time.monotonic() + START_SECONDS / 6
        while True:
            seen = self.log.stat().st_size if self.log.exists() else 0
            done = self.programs.run(
                "pg_ctl",
                "start",
                "--wait",
                f"--timeout={START_SECONDS}",
                f"--pgdata={self.data}",
                f"--log={self.log}",
                f"--options={shlex.join(self._options())}",
            )
            if done.returncode == 0:
                return
            said = self._said(seen) or done.stdout
            if "is still in use" not in said:
                raise failed("PostgreSQL did not start", said, hint=f"its log is {self.log}")
            if time.monotonic() > deadline:
                raise StartError(
                    f"a query of a killed server still uses {self.data}",
                    hint="wait until it ends, or end its process",
                )
            time.sleep(0.1)  # the workers of a killed server end at their next pause

    def _stop(self) -> bool:
        pid = self.postmaster.pid()
        if pid is None:
            if self.postmaster.answers():
                number = self.postmaster.lines()[0]
                raise RunnerError(
                    f"the server at {self.socket} was started on another path or in a container",
                    hint=f"stop it there; if its folder was moved: kill -INT {number}",
                )
            return False
        done = self.programs.run("pg_ctl", "stop", "--wait", "--mode=fast", f"--pgdata={self.data}")
        if done.returncode != 0:
            raise RunnerError(
                f"PostgreSQL (process {pid}) did not stop: {binaries.complaint(done.stdout)}"
            )
        return True

    def _options(self) -> list[str]:
        settings = {
            **self.settings,
            **_shared_memory(),
            "listen_addresses": "",
            "port": PORT,
            "unix_socket_directories": f'"{self.socket}"',
            "unix_socket_permissions": "0700",
        }
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def _said(self, seen: int = 0) -> str:
        """Return the server's log after its first `seen` bytes."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(seen)
            return log.read().decode(errors="replace")

    def _make_socket_folder(self) -> None:
        if self.socket == self.data:
            return
        try:
            self.socket.mkdir(mode=0o700)
            self.programs.hand_over(self.socket)
        except FileExistsError:
            if not self.programs.owns(self.socket):
                raise StartError(
                    f"{self.socket} belongs to somebody else",
                    hint="move the project to a shorter path: its socket then stays in the data",
                ) from None


def default_data(project: Path) -> Path:
    """Return where a project keeps its embedded data: a folder named by the major version."""
    return place(project / ".pgdata" / str(MAJOR))


def place(data: Path) -> Path:
    """Return the data folder, or one in a shared base if root's private folders hide it."""
    data = data.resolve()
    if data.exists() or binaries.can_enter(data.parent, binaries.account(data)):
        return data
    return binaries.shared_base() / f"{data.name}-{_key(data)}"


def _socket_folder(data: Path) -> Path:
    """Return the data folder, or one in /tmp if its path is too long, or has libpq's separator."""
    longest = 103 - len(f"/.s.PGSQL.{PORT}")
    if len(os.fsencode(data)) <= longest and "," not in str(data):
        return data
    return Path("/tmp", f"milepost-{_key(data)}")


def _key(path: Path) -> str:
    return hashlib.sha256(f"{path}:{os.geteuid()}".encode()).hexdigest()[:12]


def _shared_memory() -> Settings:
    """Avoid a small /dev/shm: a container's 64 MB are too little for a parallel hash join."""
    shm = Path("/dev/shm")
    if shm.is_dir() and shutil.disk_usage(shm).total < 512 * 1024**2:
        return {"dynamic_shared_memory_type": "mmap"}
    return {}
