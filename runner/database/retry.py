"""Which errors pass by themselves, and how long to wait before another try."""

from __future__ import annotations

import random

from runner.database.session import LockHeld, QueryFailed
from runner.errors import RunnerError, StartError

ATTEMPTS = 5
FIRST_DELAY_SECONDS = 0.2

# Serialization failure and deadlock, a lost connection, too few resources, a server that stops or
# starts, a lock that was not to be had, a foreign server that does not answer.
PASSING = ("40001", "40P01", "08", "53", "57P01", "57P02", "57P03", "57P05", "55P03", "HV00N")
TIMEOUT = "57014"


def passes(error: RunnerError, attempt: int) -> bool:
    """Whether the same work may succeed when it is tried again."""
    if isinstance(error, QueryFailed):
        return (error.sqlstate or "").startswith((*PASSING, TIMEOUT))
    # After the first try: a server that starts again, or the lock of our own lost connection.
    return attempt > 0 and isinstance(error, LockHeld | StartError)


def is_timeout(error: RunnerError) -> bool:
    return isinstance(error, QueryFailed) and error.sqlstate == TIMEOUT


def delay(attempt: int) -> float:
    """Seconds before the try after `attempt` others: doubled each time, and never in step with
    another runner's.
    """
    return FIRST_DELAY_SECONDS * 2.0**attempt * random.uniform(0.5, 1.5)
