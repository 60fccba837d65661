"""Migrates what cannot be rebuilt, the ledger and the replicas, from older versions to this one.

A migration is a script in schema/migrations. Those that a database lacks run in order, in the
transaction of `schema apply`. Derived tables need none: the next build recreates them.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from runner.database import version
from runner.database.locks import all_build_locks, all_pipeline_locks
from runner.database.session import LOCK_NOT_AVAILABLE, SCHEMA_LOCK, QueryFailed, Session
from runner.project.files import HOME, read_text

FOLDER = Path("schema", "migrations")
# While a migration waits for the lock of one reader, others wait behind it.
LOCK_TIMEOUT = "5s"


def files() -> list[Path]:
    """Return the files of all migrations, in order, relative to HOME."""
    return [
        FOLDER / f"{number:04}_{name}.sql"
        for number, name in enumerate(version.MIGRATIONS, start=1)
    ]


def pending(session: Session) -> list[Path]:
    """Return the migrations that a database lacks; StartError if it is of a newer version."""
    found = version.read(session)
    version.refuse_newer(found)
    return files()[found.number :] if found else []


def migrate(session: Session, migrations: list[Path]) -> None:
    """Run migrations in the open transaction. QueryFailed if a table stays in use for too long."""
    if migrations:
        session.run(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
    for path in migrations:
        try:
            session.run(read_text(HOME / path, path), path)
        except QueryFailed as error:
            if error.sqlstate != LOCK_NOT_AVAILABLE:
                raise
            hint = "end the transaction that uses the schema orchestrator, and try again"
            raise QueryFailed(error.message, hint, error.sqlstate) from error


@contextmanager
def locked(session: Session) -> Iterator[None]:
    """Hold the lock of `schema apply` and, if migrations are pending, those of all ingests and
    builds. LockHeld if one of them is running.
    """
    with ExitStack() as locks:
        locks.enter_context(session.lock(SCHEMA_LOCK, 0, "schema apply"))
        if pending(session):
            locks.enter_context(nothing_running(session))
        yield


@contextmanager
def nothing_running(session: Session) -> Iterator[None]:
    """Hold the locks of all ingests and builds. LockHeld if one of them is running."""
    with all_pipeline_locks(session), all_build_locks(session):
        yield
