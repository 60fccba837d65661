"""Everything that is in a database, as pg_dump writes it."""

from __future__ import annotations

import subprocess

from runner.database.embedded.binaries import find_binaries
from runner.database.session import Database


def dump(database: Database) -> str:
    """Definitions, rows and statistics, without what differs each time."""
    done = subprocess.run(
        [find_binaries() / "pg_dump", "--statistics", database.conninfo],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    return "\n".join(line for line in lines if not line.startswith((r"\restrict", r"\unrestrict")))
