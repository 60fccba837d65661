"""Sessions that stay open from one look at a database to the next: to connect costs five times what
a short query costs, and the tests look some five thousand times.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from runner.database.session import Database, QueryFailed, Session

Answer = TypeVar("Answer")

# One for each thread and connection string.
_sessions: dict[tuple[int, str], tuple[Session, contextlib.ExitStack]] = {}


def ask(database: Database, question: Callable[[Session], Answer]) -> Answer:
    """Call the function with a session on the database. It is called a second time if a session
    from before was ended in between, as by a restart of the server.
    """
    key = threading.get_ident(), database.conninfo
    was_kept = key in _sessions
    if not was_kept:
        stack = contextlib.ExitStack()
        _sessions[key] = stack.enter_context(database.session("test")), stack
    session, _ = _sessions[key]
    try:
        return question(session)
    except (QueryFailed, psycopg.OperationalError):
        if not (was_kept and session.connection.closed):
            raise
    finally:
        # The next look finds none of what this one began.
        if session.connection.info.transaction_status != TransactionStatus.IDLE:
            _close(key)
    return ask(database, question)


def close(database: str | None = None) -> None:
    """Close the sessions on the database of this name, or all."""
    for key in list(_sessions):
        if database in (None, conninfo_to_dict(key[1]).get("dbname")):
            _close(key)


def _close(key: tuple[int, str]) -> None:
    _, stack = _sessions.pop(key)
    stack.close()
