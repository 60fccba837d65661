"""Advisory locks, which keep ingests and builds out of each other's way; and exclusive locks on
tables that others read, requested for a moment at a time, so that no reader queues for long.
"""

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

from runner.database.names import relation
from runner.database.session import (
    BUILD_LOCK,
    LOCK_NOT_AVAILABLE,
    PIPELINE_LOCK,
    QUERY_CANCELED,
    QueryFailed,
    Session,
    lock_number,
)

# While a request for an exclusive lock waits, new readers wait behind it.
LOCK_TIMEOUT = "50ms"
ATTEMPTS = 40
LONGEST_DELAY_SECONDS = 2.0
# Whoever waits longer than this is told who holds the lock.
SILENT_SECONDS = 1.0


def pipeline_lock(session: Session, pipeline_id: int, name: str) -> AbstractContextManager[None]:
    """Keep everybody else from a pipeline. If the lock is taken, LockHeld, as for all of these."""
    return session.lock(PIPELINE_LOCK, pipeline_id, f"an ingest of {name}")


def all_pipeline_locks(session: Session) -> AbstractContextManager[None]:
    """Keep everybody else from all pipelines, so that the replicas stay as they are."""
    rows = session.named("database/locks.pipelines")
    return _all(pipeline_lock(session, **row) for row in rows)


def build_lock(session: Session, target: str) -> AbstractContextManager[None]:
    """Keep everybody else from building a target."""
    return session.lock(BUILD_LOCK, lock_number(target), f"a build of {target}")


def all_build_locks(session: Session) -> AbstractContextManager[None]:
    """Keep everybody else from building any target, and so from publishing what was read before."""
    return _all(build_lock(session, **row) for row in session.named("database/locks.targets"))


@contextmanager
def _all(locks: Iterable[AbstractContextManager[None]]) -> Iterator[None]:
    with ExitStack() as held:
        for lock in locks:
            held.enter_context(lock)
        yield


def lock_exclusively(
    session: Session, tables: Sequence[str], why: str, attempts: int = ATTEMPTS
) -> None:
    """Lock tables and views in the open transaction, so that they can be altered: all or none.

    After a second, `session.on_wait` is told who uses them. QueryFailed, which says so too, if the
    last attempt fails.
    """
    started, is_told = time.monotonic(), False
    names = [relation(table).as_string() for table in tables]
    text = f"lock table {', '.join(names)} in access exclusive mode"
    for attempt in range(attempts):
        try:
            with session.savepoint():
                session.run(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
                session.run(f"set local statement_timeout = '{LOCK_TIMEOUT}'")
                session.run(text)
                session.run("set local statement_timeout to default")
                session.run("set local lock_timeout to default")
            return
        except QueryFailed as error:
            if error.sqlstate not in (LOCK_NOT_AVAILABLE, QUERY_CANCELED):
                raise
        if not is_told and time.monotonic() - started >= SILENT_SECONDS:
            who = _holders(session, names)
            session.on_wait(f"{', '.join(tables)}: waiting {why}, in use by {who}")
            is_told = True
        time.sleep(random.uniform(0.5, 1) * min(LONGEST_DELAY_SECONDS, 0.05 * 2**attempt))
    raise QueryFailed(
        f"{', '.join(tables)}: cannot be locked {why}, in use by {_holders(session, names)}",
        "wait until it ends, or end it, and try again",
        LOCK_NOT_AVAILABLE,
    )


def _holders(session: Session, tables: Sequence[str]) -> str:
    text = "{application_name} (server process {pid}, {state}, since {since})"
    holders = session.named("database/locks.holders", tables=tables)
    return ", ".join(text.format(**holder) for holder in holders) or "somebody"
