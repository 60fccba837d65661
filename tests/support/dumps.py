"""Everything that is in a database, as pg_dump writes it."""

from __future__ import annotations

import subprocess

from runner.database.embedded.binaries import find_binaries
from runner.database.session import Database


def dump(database: Database) -> str:
    """Definitions, rows and statistics, without what differs each time.

    Before PostgreSQL 18 without the statistics: those on a table that has become empty stay.
    """
    with database.session("test") as session:
        version = int(session.value("show server_version_num"))
    option = "--statistics" if version >= 180_000 else "--no-statistics"
    done = subprocess.run(
        [find_binaries() / "pg_dump", option, database.conninfo],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    return "\n".join(line for line in lines if not line.startswith((r"\restrict", r"\unrestrict")))
