"""Command lines as people type them, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from runner.database.session import Database
from tests.support import PROJECT, forking

# Only in this test's own database: others may run beside it on the same server.
SLEEPS = """
select exists (
    select from pg_stat_activity
    where wait_event = 'PgSleep' and datname = current_database()
)
"""


def command(
    *arguments: str, database: Database | None = None, project: Path = PROJECT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command line in a project, on a database, and nobody to ask."""
    environment = environ(database, **environment)
    if "PYTHONIOENCODING" not in environment:
        return forking.run([*arguments], project, environment, timeout=300)
    return subprocess.run(  # the interpreter asks for that one when it starts
        [sys.executable, "-m", "runner", *arguments],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def at_terminal(*arguments: str, database: Database, **environment: str) -> str:
    """Run it at a terminal; return what a person would see, control characters included."""
    environment = environ(database, TERM="xterm-256color", **environment)
    done = forking.run_at_terminal([*arguments], PROJECT, environment, timeout=300)
    shown = done.stdout.decode()
    assert done.returncode == 0, shown
    return shown


def environ(database: Database | None, **more: str) -> dict[str, str]:
    keep = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    url = {"DATABASE_URL": database.conninfo} if database else {}
    return {**keep, "PYTHONPATH": str(PROJECT), **url, **more}


def assert_refused(
    done: subprocess.CompletedProcess[str], code: int, *said: str, hint: bool = True
) -> None:
    """One line with the reason, one with a hint, no traceback, the right exit code."""
    lines = done.stderr.strip().splitlines()
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert sum(line.startswith("error: ") for line in lines) == 1, done.stderr
    assert all(text in done.stderr for text in said), done.stderr
    assert any(line.startswith("hint: ") for line in lines) == hint, done.stderr


class Installed:
    """The installed package, called from a folder outside the repository."""

    def __init__(self, site: Path, database: Database) -> None:
        self.site, self.database = site, database

    def run(self, folder: Path, *arguments: str, code: int = 0) -> str:
        done = self.start(folder, *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def start(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Without -S, what is not in the folder would be found in this repository, which is installed
        # in the environment of the tests too.
        path = os.pathsep.join([str(self.site), sysconfig.get_path("purelib")])
        return subprocess.run(
            [sys.executable, "-S", "-m", "runner", *arguments],
            cwd=folder,
            env=environ(self.database, PYTHONPATH=path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
