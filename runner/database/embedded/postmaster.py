"""Tells whether a server works on a data folder, by its socket and its postmaster.pid."""

import os
import socket
import subprocess
from pathlib import Path

from runner.database.embedded.binaries import Programs

PORT = 5432  # only a part of the socket's name; always given, because PGPORT could differ
NO_PID = 2**31 - 1  # larger than any process id of any system


class Postmaster:
    """The server process of a data folder, running or not."""

    def __init__(self, data: Path, sockets: Path, programs: Programs) -> None:
        self._data = data
        self._sockets = sockets
        self._programs = programs
        self._socket = sockets / f".s.PGSQL.{PORT}"
        self._file = data / "postmaster.pid"

    def answers(self) -> bool:
        """Connect to the socket, which takes under a millisecond and leaves no line in the log."""
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self._socket))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
        return self._sockets == self._data or self._programs.owns(self._sockets)

    def is_ready(self) -> bool:
        """Whether the server takes connections, and is neither starting nor stopping."""
        return self.answers() and self.lines()[7:8] == ["ready"]

    def has_lost_its_socket(self) -> bool:
        """Whether the server runs, but its socket is gone.

        That happens where data were deleted under a running server and others created in their
        place: the old server ends a minute later, and removes the socket of the new one.
        """
        is_up = self.lines()[7:8] == ["ready"] and not self._socket.exists()
        return is_up and self.pid() is not None

    def pid(self) -> int | None:
        """Return the server's process, or None: the number in a stale file may be another's."""
        lines = self.lines()
        if not lines or not lines[0].lstrip("-").isdigit():
            return None
        pid = abs(int(lines[0]))
        return pid if _runs_on(pid, self._data) else None

    def lines(self) -> list[str]:
        """Read process, data folder, start, port, socket folder, address, memory and status."""
        try:
            lines = self._file.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        return [line.strip() for line in lines]

    def forget_stale(self) -> None:
        """Let a start succeed after a crash, when the old process number is now another program's.

        PostgreSQL refuses to start while any process has that number. Only the number is replaced:
        from the rest of the files it still finds workers that outlived a killed server.
        """
        if self.pid() is not None:
            return
        for file in (self._file, self._socket.with_name(f"{self._socket.name}.lock")):
            if file.exists():
                lines = file.read_bytes().splitlines()
                file.write_bytes(b"\n".join([str(NO_PID).encode(), *lines[1:], b""]))


def _runs_on(pid: int, data: Path) -> bool:
    """Whether a process is a folder's server, by its command line, which any user may read."""
    if Path("/proc/self/cmdline").exists():
        try:
            command = Path("/proc", str(pid), "cmdline").read_bytes()
        except OSError:
            return False
        return os.fsencode(data) in command.split(b"\0")
    ps = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
    found = subprocess.run(ps, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return f"-D {data} " in found.stdout
