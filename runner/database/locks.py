"""Strong locks on tables that others read, asked for a moment at a time: nobody has to queue behind
whoever asks. Queries: locks.sql.
"""

import random
import time
from collections.abc import Sequence

from runner.database.names import relation
from runner.database.session import LOCK_NOT_AVAILABLE, QUERY_CANCELED, QueryFailed, Session

# New readers wait behind a strong lock for as long as it is waited for itself.
LOCK_TIMEOUT = "50ms"
ATTEMPTS = 40
LONGEST_DELAY_SECONDS = 2.0
# Who waits longer says for whom.
SILENT_SECONDS = 1.0


def lock_exclusively(
    session: Session, tables: Sequence[str], why: str, attempts: int = ATTEMPTS
) -> None:
    """Lock tables, and views, in the open transaction, so that they can be altered: all or none.

    Whoever listens to the session hears after a second who uses them. QueryFailed, which names them
    too, if that takes too long.
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
        f"{', '.join(tables)}: in use for too long {why}, by {_holders(session, names)}",
        "let it end, or end it, and try again",
        LOCK_NOT_AVAILABLE,
    )


def _holders(session: Session, tables: Sequence[str]) -> str:
    text = "{application_name} (server process {pid}, {state}, since {since})"
    holders = session.named("database/locks.holders", tables=tables)
    return ", ".join(text.format(**holder) for holder in holders) or "somebody"
