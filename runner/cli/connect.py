"""Connects commands to the database of a project."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.database import address, ledger
from runner.database.session import Database, Session


def database(project: Path) -> Database:
    """Return the database that the environment names, else the embedded one, which is started."""
    return Database(address.find(project).conninfo)


@contextmanager
def ledger_session(project: Path) -> Iterator[Session]:
    """Open a session on it; StartError if it has no orchestrator schema of this version."""
    with database(project).session() as session:
        ledger.require(session)
        yield session
