"""Which errors are transient, and how long to wait before another try."""

import random

from runner.database.session import LockHeld, QueryFailed
from runner.errors import RunnerError, StartError

ATTEMPTS = 5
FIRST_DELAY_SECONDS = 0.2

# Serialization failure and deadlock, a lost connection, insufficient resources, a server that stops
# or starts, a lock that was not available, a foreign server that does not answer.
ROLLED_BACK = ("40001", "40P01", "08", "57P01", "57P02", "57P03", "57P05")
TIMEOUT = "57014"
TRANSIENT = (*ROLLED_BACK, "53", "55P03", "HV00N", TIMEOUT)


def is_transient(error: RunnerError, attempt: int, codes: tuple[str, ...] = TRANSIENT) -> bool:
    """Whether the same work may succeed when it is tried again. `attempt` tries failed before: if
    any, this may be a server that restarts, or the lock of our own lost connection.
    """
    if isinstance(error, QueryFailed):
        return error.is_one_of(*codes)
    return attempt > 0 and isinstance(error, LockHeld | StartError)


def is_worth_a_build(error: RunnerError, attempt: int) -> bool:
    """Whether to build again: after a lost connection or transaction, but not for want of time,
    memory or disk, which would be short again.
    """
    return is_transient(error, attempt, ROLLED_BACK)


def delay(attempt: int) -> float:
    """Seconds to wait: doubled each time, and random, so that two runners do not keep in step."""
    return FIRST_DELAY_SECONDS * 2.0**attempt * random.uniform(0.5, 1.5)
